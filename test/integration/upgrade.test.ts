import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { type OriginConnection, reply, type Script, silence } from '../kit/raw-origin.ts';
import { bytes, eventually, WatchedClock, World, type WorldOptions } from './world.ts';

const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  'Sec-WebSocket-Version: 13',
];
const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Hop\r\nUpgrade: WebSocket\r\nX-Hop: 1\r\nX-Kept: 2\r\n\r\n';
const OWN = { match: { path: '/own' }, respond: { body: 'own' } };

/** A WebSocket server on an HTTP server, and a gateway before it. */
async function startWs(
  t: TestContext,
  onSocket: (socket: WebSocket) => void,
  options: WorldOptions = {},
): Promise<World> {
  const server = createServer((_, response) => response.writeHead(403, { 'X-Why': 'no' }).end('forbidden'));
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 32 * 1024 * 1024 });
  server.on('upgrade', (request: IncomingMessage, socket, head) => {
    if (request.url === '/refused') {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\nX-Why: no\r\n\r\nforbidden');
    } else sockets.handleUpgrade(request, socket, head, onSocket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return World.start(t, { origins: [], endpoints: [`http://127.0.0.1:${port}`], ...options });
}

function open(t: TestContext, world: World, path = '/'): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${world.gateway.port()}${path}`, { maxPayload: 32 * 1024 * 1024 });
  t.after(() => {
    socket.on('error', () => {});
    socket.terminate();
  });
  return socket;
}

/** Switches protocols, then `play` has the connection. */
function switches(play: (connection: OriginConnection) => void, early = ''): Script {
  return (_, connection) => {
    connection.reader.tunnel();
    connection.send(SWITCHING + early);
    play(connection);
  };
}

const inFlight = (world: World): Promise<number> => world.metric('headgate_http_requests_in_flight', 'route="all"');

suite('WebSocket', { concurrency: true }, () => {
  test('messages of any size both ways, pings, and the close code of the client', async (t) => {
    let closed: unknown[] = [];
    const world = await startWs(t, (socket) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
      socket.on('close', (code, reason) => {
        closed = [code, reason.toString()];
      });
    });
    const socket = open(t, world, '/chat?room=1');
    await once(socket, 'open');
    const large = Buffer.alloc(5_000_000, 'y');
    for (const message of ['hello', '', Buffer.from([0, 255]), large, 'é'.repeat(70_000)]) {
      socket.send(message);
      const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean];
      assert.equal(isBinary, typeof message !== 'string');
      assert.equal(data.equals(Buffer.from(message as string)), true);
    }
    socket.ping('p');
    assert.equal(String((await once(socket, 'pong'))[0]), 'p');
    assert.equal(await inFlight(world), 1);
    socket.close(4001, 'enough');
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
    assert.deepEqual([code, reason.toString()], [4001, 'enough']);
    const line = await world.logged();
    await eventually('the close at the server', async () => (closed.length > 0 ? true : undefined));
    assert.deepEqual(closed, [4001, 'enough']);
    assert.deepEqual([line.status, line.reason, line.path, line.attempts], [101, undefined, '/chat', 1]);
    assert.ok(line.bytesIn > 5_000_000 && line.bytesOut > 5_000_000);
    assert.equal(await world.metric('headgate_http_requests_total', 'status="101"'), 1);
    await world.untilIdle();
  });

  test('the close code of the server', async (t) => {
    const world = await startWs(t, (socket) => socket.on('message', () => socket.close(4002, 'away')));
    const socket = open(t, world);
    await once(socket, 'open');
    socket.send('x');
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
    assert.deepEqual([code, reason.toString()], [4002, 'away']);
    await world.untilIdle();
  });

  test('an endpoint that refuses is heard as it is', async (t) => {
    const world = await startWs(t, () => assert.fail('it was refused'));
    const socket = open(t, world, '/refused');
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    assert.deepEqual([response.statusCode, response.headers['x-why'], text], [403, 'no', 'forbidden']);
    assert.equal(await inFlight(world), 0);
  });

  test('a server that goes without a word: the client sees 1006', async (t) => {
    const world = await startWs(t, (socket) => socket.on('message', () => socket.terminate()));
    const socket = open(t, world);
    await once(socket, 'open');
    socket.send('x');
    assert.equal((await once(socket, 'close'))[0], 1006);
    await world.untilIdle();
  });

  test('a tunnel outlives a reload that takes its route and its endpoint away', async (t) => {
    const world = await startWs(t, (socket) => socket.on('message', (data) => socket.send(String(data))));
    const socket = open(t, world);
    await once(socket, 'open');
    await world.gateway.gateway.reload({
      listeners: [{ address: '127.0.0.1:0' }],
      admin: { address: '127.0.0.1:0' },
      log: { level: 'error' },
      routes: [OWN],
    });
    assert.equal((await world.ask('GET /')).status, 404);
    for (const message of ['still', 'there']) {
      socket.send(message);
      assert.equal(String((await once(socket, 'message'))[0]), message);
    }
    socket.close(1000);
    await once(socket, 'close');
    const line = await eventually('its line', async () => world.log.find(({ status }) => status === 101));
    assert.deepEqual([line.routeName, line.upstreamName], ['all', 'origin']);
  });
});

suite('the handshake', { concurrency: true }, () => {
  test('is passed on, less the fields of a connection; what comes right behind it too', async (t) => {
    const world = await World.start(t, {
      origins: [switches((connection) => connection.send('more'), 'early ')],
    });
    const client = await world.client();
    client.send(`${bytes('GET /ws', [...UPGRADE, 'X-Forwarded-For: 6.6.6.6'])}first`);
    await client.until('the octets of the origin', () =>
      client.tunnelled.toString() === 'early more' ? true : undefined,
    );
    const [response] = client.interim;
    assert.equal(response?.status, 101);
    assert.equal(response?.get('upgrade')?.toLowerCase(), 'websocket');
    assert.equal(response?.get('connection')?.toLowerCase(), 'upgrade');
    assert.deepEqual([response?.get('x-kept'), response?.get('x-hop')], ['2', undefined]);
    const { message, connection } = await world.origin.request();
    assert.deepEqual([message.get('connection'), message.get('upgrade')], ['Upgrade', 'websocket']);
    assert.equal(message.get('sec-websocket-key'), 'AAAAAAAAAAAAAAAAAAAAAA==');
    assert.equal(message.get('x-forwarded-for'), '127.0.0.1');
    client.send(' second');
    await world.origin.until('the octets of the client', () =>
      connection.tunnelled.toString() === 'first second' ? true : undefined,
    );
  });

  test('only GET with HTTP/1.1, without a body, for websocket, is one', async (t) => {
    const world = await World.start(t);
    const requests = [
      bytes('POST /', UPGRADE),
      bytes('GET /', UPGRADE, 'body'),
      bytes('GET / HTTP/1.0', UPGRADE),
      bytes('GET /', ['Connection: Upgrade', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk']),
      bytes('GET /', ['Connection: Upgrade', 'Upgrade: websocket, h2c']),
      bytes('GET /', ['Upgrade: websocket']),
    ];
    for (const [index, text] of requests.entries()) {
      const client = await world.client();
      client.send(text);
      assert.equal((await client.response()).status, 200);
      const { message } = await world.origin.request(index + 1);
      for (const name of ['upgrade', 'connection', 'http2-settings']) assert.equal(message.get(name), undefined, text);
    }
  });

  test('a 101 that names another protocol is not believed', async (t) => {
    const world = await World.start(t, {
      origins: [(_, connection) => connection.send(SWITCHING.replace('WebSocket', 'h2c'))],
      route: { retry: false },
    });
    const response = await world.ask('GET /', UPGRADE);
    assert.deepEqual([response.status, JSON.parse(response.text()).reason], [502, 'UPE']);
    await world.origin.untilClosed(await world.origin.connection());
    await world.untilIdle();
  });

  test('any other answer is an answer, and the connection goes on', async (t) => {
    const world = await World.start(t, {
      origins: [
        ({ index }, connection) =>
          connection.send(index === 0 ? reply(426, [['Upgrade', 'websocket']], 'no') : reply(200, [], 'yes')),
      ],
    });
    const client = await world.client();
    client.send(bytes('GET /', UPGRADE) + bytes('GET /2'));
    assert.equal((await client.response(2)).text(), 'yes');
    assert.deepEqual([client.responses[0]?.status, client.responses[0]?.text()], [426, 'no']);
  });

  test('a response that does not come ends it like any request', async (t) => {
    const world = await World.start(t, { origins: [silence], route: { timeout: '80ms' } });
    assert.equal((await world.ask('GET /', UPGRADE)).status, 504);
    await world.untilIdle();
  });
});

/** The other side of a tunnel without any reader: what it got, and no more than it reads. */
async function rawTunnel(t: TestContext, to: number | string): Promise<Socket> {
  const target = typeof to === 'number' ? { port: to, host: '127.0.0.1' } : { path: to };
  const socket = connect({ ...target, allowHalfOpen: true });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.write(bytes('GET /', UPGRADE));
  let head = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    head += String(chunk);
    if (head.endsWith('\r\n\r\n')) break;
  }
  return socket;
}

async function count(socket: Socket): Promise<number> {
  let total = 0;
  for await (const chunk of socket) total += (chunk as Buffer).length;
  return total;
}

suite('a tunnel', { concurrency: true }, () => {
  test('a side that ends may still listen', async (t) => {
    const world = await World.start(t, { origins: [switches(() => {})] });
    const client = await world.client();
    client.send(bytes('GET /', UPGRADE));
    const { connection } = await world.origin.request();
    await client.until('101', () => client.interim[0]);
    client.send('last words');
    client.halfClose();
    await world.origin.until('FIN', () => (connection.ended && connection.tunnelled.length === 10 ? true : undefined));
    await world.untilIdle();
  });

  for (const writer of ['the client', 'the endpoint']) {
    test(`the last octets arrive, also where ${writer} is gone and the other reads late`, async (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'headgate-test-'));
      t.after(() => rmSync(directory, { recursive: true }));
      const isUp = writer === 'the client';
      const ends: Socket[] = [];
      // A unix socket takes a fixed amount, so that some of these are left half in the gateway when their writer ends.
      const path = join(directory, 'to-the-reader.sock');
      const script = switches(({ socket }) => {
        for (const event of ['data', 'end']) socket.removeAllListeners(event);
        socket.pause();
        ends.push(socket);
      });
      const world = await World.start(t, {
        origins: [isUp ? { onRequest: script, path } : script],
        routes: [OWN],
        config: { listeners: [{ address: '127.0.0.1:0' }, ...(isUp ? [] : [{ address: `unix:${path}` }])] },
      });
      const readers: [Socket, number][] = [];
      for (let n = 0; n < 24; n++) {
        const client = await rawTunnel(t, isUp ? world.gateway.port() : path);
        const origin = await eventually('the tunnel', async () => ends[n]);
        const size = 120_000 + n * 16_000;
        readers.push([isUp ? origin : client, size]);
        // The reader has nothing more to say: so the last octets are all that holds the tunnel open.
        (isUp ? origin : client).end();
        (isUp ? client : origin).end(Buffer.alloc(size, 'z'));
      }
      for (let n = 0; n < 50; n++) await world.ask('GET /own');
      for (const [reader, size] of readers) assert.equal(await count(reader), size);
      await world.untilIdle();
    });
  }

  test('a side that does not read stops the other', async (t) => {
    let upstream: Socket | undefined;
    const world = await World.start(t, {
      routes: [OWN],
      origins: [
        switches(({ socket }) => {
          upstream = socket;
        }),
      ],
    });
    const client = await rawTunnel(t, world.gateway.port());
    const origin = await eventually('the tunnel', async () => upstream);
    client.pause();
    const size = 100 * 1024 * 1024;
    origin.end(Buffer.alloc(size, 'z'));
    let left = -1;
    while (origin.writableLength !== left) {
      left = origin.writableLength;
      for (let n = 0; n < 50; n++) await world.ask('GET /own');
    }
    assert.ok(left > 0, 'all 100 MB were taken');
    assert.equal(await count(client), size);
  });

  test('a reset of either side closes the other', async (t) => {
    const world = await World.start(t, { origins: [switches(() => {})] });
    for (let n = 1; n <= 2; n++) {
      const client = await world.client();
      client.send(bytes('GET /', UPGRADE));
      await client.until('101', () => client.interim[0]);
      const { connection } = await world.origin.request(n);
      if (n === 1) client.abort();
      else connection.reset();
      await world.origin.untilClosed(connection);
      await client.untilEnded();
      assert.equal((await world.logged(n)).status, 101);
    }
    await world.untilIdle();
  });

  test('silence for longer than the route allows cuts it', async (t) => {
    const world = await World.start(t, {
      origins: [switches(() => {})],
      route: { timeout: { response: '500ms', stream: '700ms' } },
    });
    const client = await world.client();
    client.send(bytes('GET /', UPGRADE));
    await client.until('101', () => client.interim[0]);
    await client.untilEnded();
    await world.origin.untilClosed(await world.origin.connection());
    const line = await world.logged();
    assert.deepEqual([line.status, line.reason], [101, 'UT']);
    assert.equal(line.reasonDetail, 'route "all": tunnel silent for 700ms (routes[0].timeout.stream)');
    await world.untilIdle();
  });

  test('octets of either side keep it', async (t) => {
    for (const isClient of [true, false]) {
      const clock = new WatchedClock();
      const route = { timeout: { stream: '300ms' } };
      const world = await World.start(t, { origins: [switches(() => {})], route, overrides: { clock } });
      const client = await world.client();
      client.send(bytes('GET /', UPGRADE));
      await client.until('101', () => client.interim[0]);
      const { connection } = await world.origin.request();
      for (let n = 1; n <= 5; n++) {
        if (isClient) client.send('x');
        else connection.send('x');
        const other = isClient ? connection : client;
        await eventually('the octet', async () => (other.tunnelled.length === n ? true : undefined));
        await clock.pass(200);
      }
      assert.equal(client.ended || connection.ended, false);
    }
  });

  test('ends when the gateway stops', async (t) => {
    const world = await World.start(t, { origins: [switches(() => {})] });
    const client = await world.client();
    client.send(bytes('GET /', UPGRADE));
    await client.until('101', () => client.interim[0]);
    await world.gateway.stop();
    await client.untilEnded();
    await world.origin.untilClosed(await world.origin.connection());
  });
});
