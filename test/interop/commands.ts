// What every WebSocket server of these tests does with a message. Echoes it, but for these texts:
//   !digest             answers the digest of all messages that were echoed, as hex
//   !close CODE REASON  closes so
//   !ping               pings; answers "ponged" once the pong came
//   !drop               goes without a word
//   !fragments N        one message of N fragments, the nth being 10 000 octets of value n (from 0)
// The digest is SHA-256 over each message as: "t" or "b", its length in 8 octets, its octets.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { WebSocket } from 'ws';

export const FRAGMENT_BYTES = 10_000;

/** The digest over messages that both sides keep. */
export class Digest {
  readonly #hash = createHash('sha256');

  add(octets: Uint8Array, isBinary: boolean): void {
    const head = Buffer.alloc(9);
    head.write(isBinary ? 'b' : 't', 'latin1');
    head.writeBigUInt64BE(BigInt(octets.length), 1);
    this.#hash.update(head).update(octets);
  }

  hex(): string {
    return this.#hash.copy().digest('hex');
  }
}

/** Serves one connection of a `ws` server. */
export function obey(socket: WebSocket): void {
  const digest = new Digest();
  socket.on('error', () => {});
  socket.on('message', (data: Buffer, isBinary) => {
    const [command, first, rest] = isBinary ? [''] : words(data.toString());
    if (command === '!digest') socket.send(digest.hex());
    else if (command === '!close') socket.close(Number(first), rest);
    else if (command === '!ping') void ping(socket);
    else if (command === '!drop') socket.terminate();
    else if (command === '!fragments') sendFragments(socket, Number(first));
    else {
      digest.add(data, isBinary);
      socket.send(data, { binary: isBinary });
    }
  });
}

function words(text: string): string[] {
  const match = /^(\S*) ?(\S*) ?(.*)$/s.exec(text);
  return match === null ? [] : match.slice(1);
}

async function ping(socket: WebSocket): Promise<void> {
  const pong = once(socket, 'pong');
  socket.ping('are you there');
  await pong;
  socket.send('ponged');
}

function sendFragments(socket: WebSocket, count: number): void {
  for (let n = 0; n < count; n++) {
    socket.send(Buffer.alloc(FRAGMENT_BYTES, n), { binary: true, fin: n === count - 1 });
  }
}
