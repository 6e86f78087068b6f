// WebSockets of independent implementations through the gateway: what one side says, the other hears, octet for octet.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { World } from '../integration/world.ts';
import type { Certificates } from '../kit/certificates.ts';
import { Waiters } from '../kit/wait.ts';
import { Digest, FRAGMENT_BYTES, obey } from './commands.ts';
import { type Compression, pythonClient, pythonServer } from './programs.ts';
import { loopbackCertificates, securely } from './secure.ts';

const SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 1_000_000];
const MAX_PAYLOAD = 64 * 1024 * 1024;
const COMPRESSIONS = ['plain', 'deflate'] as const;

async function wsServer(t: TestContext, compression: Compression, tls?: Certificates): Promise<string> {
  const options = { perMessageDeflate: compression === 'deflate', maxPayload: MAX_PAYLOAD };
  const web = tls === undefined ? createServer() : createTlsServer({ cert: tls.cert, key: tls.key });
  const server = new WebSocketServer({ server: web, ...options });
  server.on('connection', obey);
  t.after(() => {
    for (const client of server.clients) client.terminate();
    web.close();
  });
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  return `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(web.address() as AddressInfo).port}`;
}

const SERVERS = { ws: wsServer, 'Python’s websockets': pythonServer };

/** A client of npm's `ws` whose messages are read one after the other. */
class Client {
  readonly socket: WebSocket;
  readonly sent = new Digest();
  readonly #received: { data: Buffer; isBinary: boolean }[] = [];
  readonly #waiters = new Waiters();

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('message', (data: Buffer, isBinary) => {
      this.#received.push({ data, isBinary });
      this.#waiters.changed();
    });
    socket.on('close', (code) => this.#waiters.fail(new Error(`closed with ${code}`)));
  }

  static async open(t: TestContext, port: number, compression: Compression, ca?: string): Promise<Client> {
    const options = { perMessageDeflate: compression === 'deflate', maxPayload: MAX_PAYLOAD };
    const secure = ca === undefined ? {} : { ca };
    const scheme = ca === undefined ? 'ws' : 'wss';
    const client = new Client(new WebSocket(`${scheme}://127.0.0.1:${port}/`, { ...options, ...secure }));
    t.after(() => client.socket.terminate());
    await once(client.socket, 'open');
    return client;
  }

  next(): Promise<{ data: Buffer; isBinary: boolean }> {
    return this.#waiters.until('a message', () => this.#received.shift());
  }

  /** Sends a message, in fragments where there are several pieces, and compares its echo. */
  async echoed(...pieces: (Buffer | string)[]): Promise<void> {
    const isBinary = typeof pieces[0] !== 'string';
    const whole = Buffer.concat(pieces.map((piece) => Buffer.from(piece as string)));
    for (const [nth, piece] of pieces.entries()) {
      this.socket.send(piece, { binary: isBinary, fin: nth === pieces.length - 1 });
    }
    this.sent.add(whole, isBinary);
    const answer = await this.next();
    assert.equal(answer.isBinary, isBinary);
    assert.ok(answer.data.equals(whole), `the echo of ${whole.length} octets differs`);
  }

  async said(command: string): Promise<Buffer> {
    this.socket.send(command);
    return (await this.next()).data;
  }

  /** Both sides have seen the same messages. */
  async agree(): Promise<void> {
    assert.equal(String(await this.said('!digest')), this.sent.hex());
  }
}

for (const [name, start] of Object.entries(SERVERS)) {
  for (const compression of COMPRESSIONS) {
    suite(`ws at ${name}, ${compression}`, { concurrency: true }, () => {
      const begin = async (t: TestContext): Promise<[World, Client]> => {
        const world = await World.start(t, { origins: [], endpoints: [await start(t, compression)] });
        return [world, await Client.open(t, world.gateway.port(), compression)];
      };

      test('messages of every length form, in one frame and in fragments', async (t) => {
        const [, client] = await begin(t);
        assert.equal(client.socket.extensions.includes('permessage-deflate'), compression === 'deflate');
        for (const size of SIZES) await client.echoed(randomBytes(size));
        for (const text of ['', 'plain', 'ü€😀'.repeat(20_000)]) await client.echoed(text);
        await client.echoed(randomBytes(1), randomBytes(65_536), Buffer.alloc(0), randomBytes(70_000));
        await client.echoed('a', 'ü'.repeat(40_000), 'z');
        const fragments = Array.from({ length: 9 }, (_, n) => Buffer.alloc(FRAGMENT_BYTES, n));
        assert.ok((await client.said('!fragments 9')).equals(Buffer.concat(fragments)));
        await client.agree();
      });

      test('pings both ways, also between fragments', async (t) => {
        const [, client] = await begin(t);
        const { socket } = client;
        socket.ping(Buffer.alloc(125, 1));
        assert.equal(((await once(socket, 'pong')) as [Buffer])[0].length, 125);
        assert.equal(String(await client.said('!ping')), 'ponged');
        socket.send('first ', { fin: false });
        socket.ping('inside');
        assert.equal(String(((await once(socket, 'pong')) as [Buffer])[0]), 'inside');
        socket.send('second', { fin: true });
        assert.equal(String((await client.next()).data), 'first second');
      });

      test('close codes and reasons both ways, and an end without a word', async (t) => {
        const [world, first] = await begin(t);
        first.socket.close(4001, 'enough');
        assert.deepEqual(await closeOf(first), [4001, '']);
        const [second, third] = [await again(t, world), await again(t, world)];
        second.socket.send('!close 4002 going away');
        assert.deepEqual(await closeOf(second), [4002, 'going away']);
        third.socket.send('!drop');
        assert.equal((await closeOf(third))[0], 1006);
        await world.untilIdle();
        assert.equal(await world.metric('headgate_tunnels'), 0);
      });

      test('forty sockets at once', async (t) => {
        const [world, first] = await begin(t);
        const clients = [first, ...(await Promise.all(Array.from({ length: 39 }, () => again(t, world))))];
        assert.equal(await world.metric('headgate_tunnels'), clients.length);
        await Promise.all(
          clients.map(async (client, nth) => {
            for (let n = 0; n < 20; n++) await client.echoed(randomBytes((nth * 331 + n * 97) % 5000));
            await client.agree();
          }),
        );
      });

      const again = (t: TestContext, world: World): Promise<Client> =>
        Client.open(t, world.gateway.port(), compression);
    });
  }
}

async function closeOf(client: Client): Promise<[code: number, reason: string]> {
  const [code, reason] = (await once(client.socket, 'close')) as [number, Buffer];
  // A server may repeat the client's reason or not.
  return [code, code === 4001 ? '' : String(reason)];
}

suite('Python’s websockets as a client', { concurrency: true }, () => {
  for (const [name, start] of Object.entries(SERVERS)) {
    for (const compression of COMPRESSIONS) {
      test(`at ${name}, ${compression}`, async (t) => {
        const world = await World.start(t, { origins: [], endpoints: [await start(t, compression)] });
        const results = await pythonClient(t, `ws://127.0.0.1:${world.gateway.port()}/`, compression);
        assert.deepEqual(
          results.filter(({ error }) => error !== null),
          [],
        );
        assert.equal(results.length, 9);
        await world.untilIdle();
        const statuses = new Set(world.log.map(({ status }) => status));
        assert.deepEqual([world.log.length, [...statuses]], [48, [101]]);
      });
    }
  }
});

suite('over TLS on both sides', { concurrency: true }, () => {
  const begin = async (t: TestContext, compression: Compression) => {
    const tls = loopbackCertificates(t);
    const endpoints = [await wsServer(t, compression, tls)];
    const world = await World.start(t, { origins: [], endpoints, ...securely(tls) });
    return { tls, world, port: world.gateway.port() };
  };

  for (const compression of COMPRESSIONS) {
    test(`ws, ${compression}`, async (t) => {
      const { tls, world, port } = await begin(t, compression);
      const client = await Client.open(t, port, compression, tls.ca);
      for (const size of SIZES) await client.echoed(randomBytes(size));
      await client.echoed(randomBytes(1), randomBytes(65_536), Buffer.alloc(0), randomBytes(70_000));
      assert.equal(String(await client.said('!ping')), 'ponged');
      await client.agree();
      client.socket.send('!close 4002 going away');
      assert.deepEqual(await closeOf(client), [4002, 'going away']);
      const dropped = await Client.open(t, port, compression, tls.ca);
      dropped.socket.send('!drop');
      assert.equal((await closeOf(dropped))[0], 1006);
      await world.untilIdle();
    });

    test(`Python’s websockets, ${compression}`, async (t) => {
      const { tls, world, port } = await begin(t, compression);
      const results = await pythonClient(t, `wss://127.0.0.1:${port}/`, compression, tls.caFile);
      assert.deepEqual(
        results.filter(({ error }) => error !== null),
        [],
      );
      assert.equal(results.length, 9);
      await world.untilIdle();
    });
  }
});

/** A client's frame (RFC 6455 §5.2), at most 125 octets. */
function frame(opcode: number, text: string): Buffer {
  const mask = randomBytes(4);
  const payload = Buffer.from(text).map((octet, at) => octet ^ mask[at % 4]!);
  return Buffer.concat([Buffer.of(0x80 | opcode, 0x80 | payload.length), mask, payload]);
}

suite('frames sent along with the handshake', { concurrency: true }, () => {
  for (const [name, start] of Object.entries(SERVERS)) {
    test(`reach ${name}`, async (t) => {
      const world = await World.start(t, { origins: [], endpoints: [await start(t, 'plain')] });
      const socket = connect(world.gateway.port(), '127.0.0.1');
      t.after(() => socket.destroy());
      const fields = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
      const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
      const head = Buffer.from(`GET / HTTP/1.1\r\nHost: gw.test\r\n${fields}${key}\r\n`);
      socket.write(Buffer.concat([head, frame(1, 'first'), frame(1, 'second')]));
      let text = '';
      for await (const chunk of socket) {
        text += (chunk as Buffer).toString('latin1');
        if (text.endsWith('second')) socket.write(frame(8, ''));
      }
      const [answer, frames] = [text.slice(0, text.indexOf('\r\n\r\n')), text.slice(text.indexOf('\r\n\r\n') + 4)];
      assert.match(answer, /^HTTP\/1\.1 101 /);
      // Made of the key: the endpoint's own.
      assert.match(answer, /\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i);
      assert.ok(frames.startsWith('\x81\x05first\x81\x06second\x88'), JSON.stringify(frames));
    });
  }
});
