/**
 * What the first octets of a TLS connection say about the name that the client asks for: `partial` = more are needed;
 * `none` = no name, or no ClientHello that this reader understands, which is for TLS itself to judge.
 */
export type AskedName =
  | { readonly kind: 'partial' }
  | { readonly kind: 'none' }
  | { readonly kind: 'name'; readonly name: string };

const PARTIAL: AskedName = { kind: 'partial' };
const NONE: AskedName = { kind: 'none' };

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
/** Longer ones are answered with the default certificate. */
const MAX_HELLO_BYTES = 16 * 1024;

/** Reads the server name (RFC 6066 §3) out of a ClientHello (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2). */
export function readAskedName(bytes: Uint8Array): AskedName {
  const message = firstMessage(bytes);
  if (message === undefined) return bytes.length < MAX_HELLO_BYTES ? PARTIAL : NONE;
  const reader = new Reader(message);
  if (reader.number(1) !== CLIENT_HELLO) return NONE;
  reader.skip(3 + 2 + 32);
  for (const lengthBytes of [1, 2, 1]) reader.skip(reader.number(lengthBytes));
  const extensions = reader.block(2);
  while (extensions.has) {
    const type = extensions.number(2);
    const extension = extensions.block(2);
    if (type === SERVER_NAME) return nameIn(extension.block(2));
  }
  return NONE;
}

function nameIn(list: Reader): AskedName {
  while (list.has) {
    const type = list.number(1);
    const name = list.block(2).text();
    if (type === HOST_NAME) return name === '' ? NONE : { kind: 'name', name };
  }
  return NONE;
}

/** The first handshake message, which may lie in several records; undefined while it is not all there. */
function firstMessage(bytes: Uint8Array): Uint8Array | undefined {
  let message: Uint8Array = new Uint8Array();
  let at = 0;
  while (at + 5 <= bytes.length) {
    // What is no handshake is no hello: told as an empty message.
    if (bytes[at] !== HANDSHAKE) return message;
    const end = at + 5 + ((bytes[at + 3] as number) << 8) + (bytes[at + 4] as number);
    const fragment = bytes.subarray(at + 5, end);
    message = message.length === 0 ? fragment : Buffer.concat([message, fragment]);
    if (message.length >= 4) {
      const length = 4 + new Reader(message.subarray(1)).number(3);
      if (message.length >= length) return message.subarray(0, length);
    }
    if (end > bytes.length) return undefined;
    at = end;
  }
  return undefined;
}

/** Reads numbers and blocks with their length before them; behind the end there is nothing but zeros. */
class Reader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get has(): boolean {
    return this.at < this.bytes.length;
  }

  skip(count: number): void {
    this.at += count;
  }

  /** Big-endian. */
  number(octets: number): number {
    let value = 0;
    for (let n = 0; n < octets; n++) value = value * 256 + (this.bytes[this.at++] ?? 0);
    return value;
  }

  block(lengthOctets: number): Reader {
    const length = this.number(lengthOctets);
    const block = new Reader(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    return block;
  }

  text(): string {
    return String.fromCharCode(...this.bytes);
  }
}
