// Beside upgrade.test.ts: who may switch, octet for octet, half-closes, time, and what is counted.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import type { RawClient } from '../kit/http-client.ts';
import { type OriginConnection, reply, type Script } from '../kit/raw-origin.ts';
import { Gate, turn } from '../kit/wait.ts';
import { all, bytes, eventually, World, type WorldOptions } from './world.ts';

const OWN = { match: { path: '/own' }, respond: { body: 'own' } };
const HANDSHAKE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

/** A gateway in front of a real WebSocket server that echoes. */
async function webSocketWorld(t: TestContext, options: ServerOptions = {}, world: WorldOptions = {}) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  t.after(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { server, url, world: await World.start(t, { origins: [], endpoints: [url], ...world }) };
}

async function open(t: TestContext, world: World, options = {}): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${world.gateway.port()}/`, options);
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

async function echoed(socket: WebSocket, data: string | Buffer): Promise<void> {
  const answer = once(socket, 'message');
  socket.send(data);
  const [received, isBinary] = (await answer) as [Buffer, boolean];
  assert.equal(isBinary, typeof data !== 'string');
  assert.ok(received.equals(Buffer.from(data as string)), 'the echo differs');
}

/** A scripted endpoint that switches and then leaves the connection to the test. */
const switches: Script = ({ connection }) => {
  connection.reader.tunnel();
  connection.send(SWITCH);
};

async function tunnel(world: World, early = ''): Promise<RawClient> {
  const client = await world.client();
  client.send(bytes('GET /chat', HANDSHAKE) + early);
  await client.until('101', () => client.interim[0], true);
  return client;
}

async function atClient(client: RawClient, text: string): Promise<void> {
  await client.until(`${text} at the client`, () => (client.tunnelled.toString() === text ? true : undefined));
}

async function atOrigin(world: World, connection: OriginConnection, text: string): Promise<void> {
  const probe = (): true | undefined => (connection.tunnelled.toString() === text ? true : undefined);
  await world.origin.until(`${text.slice(0, 80)} at the endpoint`, probe);
}

suite('WebSocket through the gateway', { concurrency: true }, () => {
  test('the handshake is the endpoint’s own, with what the gateway adds', async (t) => {
    const { server, world } = await webSocketWorld(t, { handleProtocols: (names) => [...names].at(-1) ?? false });
    const handshake = once(server, 'connection');
    const socket = new WebSocket(`ws://127.0.0.1:${world.gateway.port()}/chat?room=1`, ['v1', 'v2']);
    t.after(() => socket.terminate());
    const [[response]] = await Promise.all([once(socket, 'upgrade'), once(socket, 'open')]);
    assert.equal(socket.protocol, 'v2');
    const [, request] = await handshake;
    assert.equal(request.url, '/chat?room=1');
    assert.equal(request.headers['x-forwarded-for'], '127.0.0.1');
    assert.equal(request.headers.via, '1.1 headgate');
    assert.equal(response.headers.via, '1.1 headgate');
    assert.equal(response.headers['x-request-id'], request.headers['x-request-id']);
    await echoed(socket, 'ü');
  });

  for (const perMessageDeflate of [false, true]) {
    test(`frames of 1 MB, ${perMessageDeflate ? 'compressed' : 'as they are'}`, async (t) => {
      const { world } = await webSocketWorld(t, { perMessageDeflate });
      const socket = await open(t, world, { perMessageDeflate });
      assert.equal(socket.extensions !== '', perMessageDeflate);
      const frame = Buffer.alloc(1024 * 1024);
      for (let at = 0; at < frame.length; at++) frame[at] = (at * 7919) >> 5;
      for (let n = 0; n < 4; n++) await echoed(socket, frame);
    });
  }

  test('many sockets at once, each with an endpoint connection of its own', async (t) => {
    const { server, world } = await webSocketWorld(t);
    const sockets = await Promise.all(Array.from({ length: 50 }, () => open(t, world)));
    await Promise.all(sockets.map((socket, n) => echoed(socket, `message of ${n}`)));
    assert.equal(server.clients.size, 50);
    assert.equal(await world.metric('headgate_endpoint_in_flight'), 50);
    const closed = sockets.map((socket) => once(socket, 'close'));
    for (const socket of sockets) socket.terminate();
    await Promise.all(closed);
    await world.untilIdle();
    assert.equal(server.clients.size, 0);
  });

  test('it outlives reloads, also one that takes its route and its upstream away', async (t) => {
    const { url, world } = await webSocketWorld(t);
    const socket = await open(t, world);
    await echoed(socket, 'before');
    const { gateway } = world.gateway;
    const same = { admin: { address: '127.0.0.1:0' }, log: { level: 'error', access: false } } as const;
    const changed: WorldOptions = { origins: [], endpoints: [url], route: { timeout: '1s' } };
    await gateway.reload({ ...World.config([], changed), ...same });
    await echoed(socket, 'after one');
    await gateway.reload({ ...same, listeners: [{ address: '127.0.0.1:0' }], routes: [OWN] });
    await echoed(socket, 'after its route is gone');
    assert.equal((await world.ask('GET /', HANDSHAKE)).status, 404);
    assert.equal(await world.metric('headgate_http_requests_in_flight', 'route="all"'), 1);
    const closed = once(socket, 'close');
    socket.close(4000, 'done');
    assert.equal((await closed)[0], 4000);
    const line = await eventually('its line', async () => world.log.find(({ status }) => status === 101));
    assert.deepEqual([line.routeName, line.upstreamName], ['all', 'origin']);
    await world.untilIdle();
  });
});

suite('who may switch', { concurrency: true }, () => {
  const unasked: Record<string, [line: string, fields: string[], body?: string]> = {
    'nobody asked': ['GET /', []],
    'Connection does not name Upgrade': ['GET /', ['Upgrade: websocket']],
    'another protocol was asked for': ['GET /', ['Connection: Upgrade', 'Upgrade: h2c']],
    'several protocols were asked for': ['GET /', ['Connection: Upgrade', 'Upgrade: websocket, h2c']],
    'the method cannot': ['DELETE /', HANDSHAKE],
    'the request has a body': ['POST /', HANDSHAKE, 'body'],
    'the client speaks HTTP/1.0': ['GET / HTTP/1.0', HANDSHAKE],
  };
  for (const [why, [line, fields, body]] of Object.entries(unasked)) {
    test(`101 though ${why}: 502 UPE, and nothing of it reaches the client`, async (t) => {
      const origins: Script[] = [(_, connection) => connection.send(`${SWITCH}smuggled`)];
      const world = await World.start(t, { route: { retry: false }, origins });
      const client = await world.client();
      client.send(bytes(line, fields, body));
      const response = await client.response();
      assert.deepEqual([response.status, JSON.parse(response.text()).reason], [502, 'UPE']);
      assert.ok(!client.received.includes('smuggled'));
      const { message, connection } = await world.origin.request();
      assert.deepEqual([message.get('upgrade'), message.get('connection')], [undefined, undefined]);
      await world.origin.untilClosed(connection);
      await world.untilIdle();
    });
  }

  test('101 that names no protocol: 502 UPE', async (t) => {
    const text = 'HTTP/1.1 101 OK\r\nConnection: Upgrade\r\n\r\nsmuggled';
    const world = await World.start(t, { origins: [(_, connection) => connection.send(text)] });
    const response = await world.ask('GET /', HANDSHAKE);
    assert.deepEqual([response.status, JSON.parse(response.text()).reason], [502, 'UPE']);
    for (const connection of world.origin.connections) await world.origin.untilClosed(connection);
    await world.untilIdle();
  });

  test('the spelling of the protocol does not count', async (t) => {
    const world = await World.start(t, { origins: [switches] });
    const client = await world.client();
    client.send(bytes('GET /', ['Connection: keep-alive, upgrade', 'Upgrade: WebSocket']));
    const head = await client.until('101', () => client.interim[0], true);
    assert.deepEqual(all(head, 'connection'), ['Upgrade']);
    assert.equal(head.get('upgrade')?.toLowerCase(), 'websocket');
  });

  test('a limit is asked before', async (t) => {
    const config = { limits: { one: { window: '1/1h' } } };
    const world = await World.start(t, { route: { limits: ['one'] }, origins: [switches], config });
    await tunnel(world);
    assert.equal((await world.ask('GET /', HANDSHAKE)).status, 429);
    assert.equal(world.origin.heads.length, 1);
  });
});

suite('octets of a tunnel', { concurrency: true }, () => {
  test('a lot that is sent before the switch waits for it, and arrives', async (t) => {
    const gate = new Gate();
    const late: Script = async ({ connection }) => {
      connection.reader.tunnel();
      await gate.opened;
      await connection.dribble(SWITCH);
    };
    const world = await World.start(t, { routes: [OWN], origins: [late] });
    const early = 'x'.repeat(500_000);
    const client = await world.client();
    client.send(bytes('GET /chat', HANDSHAKE) + early);
    const { connection } = await world.origin.request();
    for (let n = 0; n < 20; n++) await world.ask('GET /own');
    assert.equal(connection.tunnelled.length, 0);
    gate.open();
    await atOrigin(world, connection, early);
  });

  test('nothing in them is taken for HTTP', async (t) => {
    const world = await World.start(t, { origins: [switches] });
    const client = await tunnel(world);
    const connection = await world.origin.connection();
    const request = bytes('GET /own');
    for (const octet of request) {
      client.send(octet);
      await turn();
    }
    await atOrigin(world, connection, request);
    connection.send(reply(200));
    await atClient(client, reply(200));
    assert.equal(world.log.length, 0);
  });
});

/** An endpoint that switches and then leaves its socket to the test, half-open. */
async function octetEndpoint(t: TestContext): Promise<{ url: string; switched: Promise<Socket> }> {
  const server = createServer({ allowHalfOpen: true });
  t.after(() => server.close());
  const switched = once(server, 'connection').then(async ([socket]: Socket[]) => {
    t.after(() => socket!.destroy());
    socket!.on('error', () => {});
    await once(socket!, 'data');
    socket!.write(SWITCH);
    return socket!;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, switched };
}

suite('the end of a tunnel', { concurrency: true }, () => {
  test('a client’s half-close passes, and the endpoint may go on', async (t) => {
    const endpoint = await octetEndpoint(t);
    const world = await World.start(t, { origins: [], endpoints: [endpoint.url] });
    const client = await tunnel(world);
    const socket = await endpoint.switched;
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    const ended = once(socket, 'end');
    client.send('last words');
    client.halfClose();
    await ended;
    assert.equal(heard, 'last words');
    assert.equal(await world.metric('headgate_http_requests_in_flight'), 1);
    socket.end('an answer all the same');
    await client.untilClosed();
    assert.equal(client.tunnelled.toString(), 'an answer all the same');
    assert.equal(client.socketError, undefined);
    await world.untilIdle();
  });

  test('an endpoint’s half-close passes, and the client may go on', async (t) => {
    const endpoint = await octetEndpoint(t);
    const world = await World.start(t, { origins: [], endpoints: [endpoint.url] });
    const client = await tunnel(world);
    const socket = await endpoint.switched;
    socket.end('that is all');
    await client.untilEnded();
    assert.equal(client.tunnelled.toString(), 'that is all');
    const heard = once(socket, 'data');
    client.send('one word more');
    assert.equal(String((await heard)[0]), 'one word more');
    const ended = once(socket, 'end');
    client.halfClose();
    await ended;
    await client.untilClosed();
    await world.untilIdle();
  });

  test('silence longer than timeout.stream cuts it, talk of either side does not', async (t) => {
    const clock = new FakeClock();
    const world = await World.start(t, {
      routes: [{ match: { path: '/mark' }, upstream: 'origin', timeout: '100ms', retry: false }],
      route: { timeout: { stream: '200ms' } },
      origins: [(request, connection) => (request.message.target === '/chat' ? switches(request, connection) : void 0)],
      overrides: { clock },
    });
    /** Time passes, and what was due by then has happened: so has an answer that was. */
    const pass = async (ms: number): Promise<void> => {
      const heads = world.origin.heads.length;
      const mark = await world.client();
      mark.send(bytes('GET /mark'));
      await world.origin.head(heads + 1);
      await clock.advance(ms);
      assert.equal((await mark.response()).status, 504);
    };
    const client = await tunnel(world);
    const connection = await world.origin.connection();
    await pass(150);
    client.send('up');
    await atOrigin(world, connection, 'up');
    await pass(150);
    connection.send('down');
    await atClient(client, 'down');
    await pass(150);
    assert.deepEqual([connection.closed, client.ended], [false, false]);
    await clock.advance(100);
    await client.untilEnded();
    await world.origin.untilClosed(connection);
    const line = await eventually('its line', async () => world.log.find(({ path }) => path === '/chat'));
    assert.deepEqual([line.status, line.reason, line.bytesIn, line.bytesOut], [101, 'UT', 2, 4]);
    assert.equal(line.reasonDetail, 'route "all": tunnel silent for 200ms (routes[1].timeout.stream)');
    await world.untilIdle();
  });

  test('is when it is counted and logged: 101, with the octets of both ways', async (t) => {
    const world = await World.start(t, { origins: [switches] });
    const client = await tunnel(world, 'early');
    const connection = await world.origin.connection();
    connection.send('ten octets');
    await atClient(client, 'ten octets');
    await atOrigin(world, connection, 'early');
    const inFlight = (): Promise<number> => world.metric('headgate_http_requests_in_flight', 'route="all"');
    assert.equal(await inFlight(), 1);
    assert.equal(await world.metric('headgate_endpoint_in_flight', 'upstream="origin"'), 1);
    assert.deepEqual([world.log.length, await world.metric('headgate_http_requests_total')], [0, 0]);
    client.destroy();
    const line = await world.logged();
    assert.deepEqual([line.status, line.reason, line.method, line.path], [101, undefined, 'GET', '/chat']);
    assert.deepEqual([line.routeName, line.upstreamName, line.attempts], ['all', 'origin', 1]);
    assert.deepEqual([line.bytesIn, line.bytesOut], [5, 10]);
    assert.equal(await inFlight(), 0);
    assert.equal(await world.metric('headgate_http_requests_total', 'status="101"'), 1);
    assert.equal(await world.metric('headgate_http_request_bytes_total'), 5);
    assert.equal(await world.metric('headgate_http_response_bytes_total'), 10);
    await world.untilIdle();
  });
});
