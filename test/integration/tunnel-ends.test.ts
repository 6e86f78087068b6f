// How tunnels end: resets, vanished peers, last octets, and the end of the gateway itself.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import type { RawClient } from '../kit/http-client.ts';
import type { OriginConnection, Script } from '../kit/raw-origin.ts';
import { Gate, turn } from '../kit/wait.ts';
import { bytes, eventually, WatchedClock, World, type WorldOptions } from './world.ts';

const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAA'];
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const OWN = { match: { path: '/own' }, respond: { body: 'own' } };

const switches: Script = (_, connection) => {
  connection.reader.tunnel();
  connection.send(SWITCH);
};

interface Tunnel {
  readonly client: RawClient;
  readonly connection: OriginConnection;
  /** Codes of errors on the endpoint's socket. */
  readonly errors: string[];
}

/** The nth tunnel of a world. */
async function tunnel(world: World, nth = 1): Promise<Tunnel> {
  const client = await world.client();
  client.send(bytes('GET /chat', UPGRADE));
  const { connection } = await world.origin.request(nth);
  const errors: string[] = [];
  connection.socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? error.message));
  await client.until('101', () => client.interim[0], true);
  return { client, connection, errors };
}

const tunnels = (world: World): Promise<number> => world.metric('headgate_tunnels', 'route="all"');

suite('a tunnel that breaks', { concurrency: true }, () => {
  test('a reset of the client reaches the endpoint as a reset: DC', async (t) => {
    const world = await World.start(t, { origins: [switches] });
    const { client, connection, errors } = await tunnel(world);
    client.abort();
    await world.origin.untilClosed(connection);
    assert.deepEqual(errors, ['ECONNRESET']);
    const line = await world.logged();
    assert.deepEqual([line.status, line.reason], [101, 'DC']);
    assert.equal(line.reasonDetail, 'The client broke off the tunnel (ECONNRESET).');
    await world.untilIdle();
    assert.equal(await tunnels(world), 0);
  });

  test('a reset of the endpoint reaches the client as a reset: UC, counted', async (t) => {
    const world = await World.start(t, { origins: [switches] });
    const { client, connection } = await tunnel(world);
    connection.reset();
    await client.untilClosed();
    assert.equal((client.socketError as NodeJS.ErrnoException).code, 'ECONNRESET');
    const line = await world.logged();
    assert.deepEqual([line.status, line.reason], [101, 'UC']);
    assert.equal(await world.metric('headgate_http_requests_total', 'status="101",reason="UC"'), 1);
    await world.untilIdle();
    assert.equal(await tunnels(world), 0);
  });

  test('over unix sockets, which have no reset, both sides are closed all the same', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'headgate-test-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const path = join(directory, 'endpoint.sock');
    const world = await World.start(t, { origins: [{ onRequest: switches, path }] });
    const { client, connection } = await tunnel(world);
    client.abort();
    await world.origin.untilClosed(connection);
    assert.equal((await world.logged()).reason, 'DC');
    await world.untilIdle();
  });

  test('a regular end of either side is none: no reset, no reason', async (t) => {
    const world = await World.start(t, { origins: [switches] });
    for (let n = 1; n <= 2; n++) {
      const { client, connection, errors } = await tunnel(world, n);
      if (n === 1) {
        client.destroy();
        await world.origin.untilClosed(connection);
      } else {
        connection.socket.destroy();
        await client.untilEnded();
        client.halfClose();
        await client.untilClosed();
        assert.equal(client.socketError, undefined);
      }
      assert.deepEqual(errors, []);
      assert.equal((await world.logged(n)).reason, undefined);
    }
  });

  test('what comes behind the endpoint’s end takes nothing back: it answers with a reset, the client sees an end', async (t) => {
    const world = await World.start(t, { origins: [switches] });
    const { client, connection } = await tunnel(world);
    connection.socket.end('goodbye');
    connection.socket.once('finish', () => connection.socket.destroy());
    await client.untilEnded();
    // The endpoint has closed, not half-closed: its kernel refuses these.
    await eventually('the end of the tunnel', async () => {
      client.send('x');
      return world.log[0];
    });
    assert.equal(client.tunnelled.toString(), 'goodbye');
    assert.equal(world.log[0]?.reason, undefined);
    client.halfClose();
    await client.untilClosed();
    assert.equal(client.socketError, undefined);
  });

  test('octets that the client sends behind the end are read off: they destroy nothing on the way to it', async (t) => {
    const clock = new FakeClock();
    const world = await World.start(t, { origins: [switches], overrides: { clock, random: () => 0 } });
    const { client, connection } = await tunnel(world);
    connection.send('goodbye');
    await client.until('the octets', () => (client.tunnelled.length === 7 ? true : undefined));
    const stopped = world.gateway.gateway.stop({ delayMs: 0, graceMs: 10_000 });
    await clock.advance(1);
    await client.untilEnded();
    for (let n = 0; n < 20; n++) {
      client.send('still talking');
      await turn();
    }
    assert.equal(client.closed, false);
    client.halfClose();
    await client.untilClosed();
    assert.equal(client.socketError, undefined);
    connection.end();
    await passUntil(clock, stopped);
  });
});

suite('a peer that says nothing', { concurrency: true }, () => {
  test('an endpoint that does not read stops the client, and nothing is lost', async (t) => {
    const world = await World.start(t, { origins: [switches], routes: [OWN] });
    const { client, connection } = await tunnel(world);
    connection.pause();
    const size = 100 * 1024 * 1024;
    const hash = Buffer.alloc(size, 'y');
    client.socket.end(hash);
    let left = -1;
    while (client.socket.writableLength !== left) {
      left = client.socket.writableLength;
      for (let n = 0; n < 50; n++) await world.ask('GET /own');
    }
    assert.ok(left > 0, 'all 100 MB were taken');
    for (const event of ['data', 'end']) connection.socket.removeAllListeners(event);
    let total = 0;
    for await (const data of connection.socket) total += (data as Buffer).length;
    assert.equal(total, size);
  });

  test('a client that vanished while the endpoint talks on: the endpoint is paused, then silence ends it', async (t) => {
    const clock = new WatchedClock();
    const route = { timeout: { stream: '10s' } } as const;
    const world = await World.start(t, { origins: [switches], route, overrides: { clock } });
    const { client, connection, errors } = await tunnel(world);
    // It neither reads nor ends: as one whose cable was pulled.
    client.pause();
    connection.send(Buffer.alloc(64 * 1024 * 1024, 'z'));
    let left = -1;
    while (connection.socket.writableLength !== left) {
      left = connection.socket.writableLength;
      for (let n = 0; n < 20; n++) await turn();
      await world.metric('headgate_tunnels');
    }
    assert.ok(left > 0, 'all of it was taken');
    await clock.pass(9_900);
    assert.equal(await tunnels(world), 1);
    await clock.pass(200);
    await world.origin.untilClosed(connection);
    const line = await world.logged();
    assert.deepEqual([line.status, line.reason], [101, 'UT']);
    assert.ok(errors.length <= 1);
    await eventually('no connection', async () =>
      (await world.metric('headgate_connections')) === 0 ? true : undefined,
    );
  });

  test('half of a tunnel that stays silent is ended too', async (t) => {
    const clock = new WatchedClock();
    const route = { timeout: { stream: '10s' } } as const;
    const world = await World.start(t, { origins: [switches], route, overrides: { clock } });
    const { client, connection } = await tunnel(world);
    connection.socket.removeAllListeners('end');
    client.halfClose();
    const heard = client.until('it', () => (client.tunnelled.length > 0 ? true : undefined));
    connection.send('half');
    await heard;
    await clock.pass(10_100);
    await client.untilClosed();
    assert.equal((await world.logged()).reason, 'UT');
    await world.untilIdle();
  });

  test('timeout.stream: false lets it be silent for ever', async (t) => {
    const clock = new WatchedClock();
    const route = { timeout: { stream: false } } as const;
    const world = await World.start(t, { origins: [switches], route, overrides: { clock } });
    const { client, connection } = await tunnel(world);
    await clock.pass(3_600_000);
    connection.send('after an hour');
    await client.until('it', () => (client.tunnelled.toString() === 'after an hour' ? true : undefined), true);
  });
});

suite('a 101', { concurrency: true }, () => {
  test('in HTTP/1.0 is none: 502 UPE', async (t) => {
    const origins: Script[] = [(_, connection) => connection.send(SWITCH.replace('1.1', '1.0'))];
    const world = await World.start(t, { origins, route: { retry: false } });
    const response = await world.ask('GET /', UPGRADE);
    assert.deepEqual([response.status, JSON.parse(response.text()).reason], [502, 'UPE']);
    await world.origin.untilClosed(await world.origin.connection());
    assert.equal(await tunnels(world), 0);
  });

  test('behind a 100 or a 103 is one', async (t) => {
    const early = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
    const origins: Script[] = [
      (_, connection) => {
        connection.reader.tunnel();
        connection.send(`${early}${SWITCH}first`);
      },
    ];
    const world = await World.start(t, { origins });
    const client = await world.client();
    client.send(bytes('GET /', UPGRADE));
    await client.until('it', () => (client.tunnelled.toString() === 'first' ? true : undefined), true);
    assert.deepEqual(
      client.interim.map(({ status }) => status),
      [103, 101],
    );
    assert.equal(await tunnels(world), 1);
  });
});

const CLIENTS = 10;
const GRACE_MS = 10_000;

async function manyTunnels(t: TestContext, options: WorldOptions = {}) {
  const clock = new FakeClock();
  const world = await World.start(t, { origins: [switches], overrides: { clock, random: () => 0.5 }, ...options });
  const open: Tunnel[] = [];
  for (let n = 1; n <= CLIENTS; n++) open.push(await tunnel(world, n));
  return { clock, world, open };
}

/** Lets `done` come true by passing time. */
async function passUntil(clock: FakeClock, done: Promise<void>): Promise<void> {
  let isDone = false;
  void done.then(() => {
    isDone = true;
  });
  await eventually('the end of it', async () => {
    await clock.advance(20);
    return isDone ? true : undefined;
  });
}

suite('tunnels when the gateway stops', { concurrency: true }, () => {
  test('end one after the other over the grace time, oldest first, and regularly', async (t) => {
    const { clock, world, open } = await manyTunnels(t);
    assert.equal(await tunnels(world), CLIENTS);
    const stopped = world.gateway.gateway.stop({ delayMs: 1000, graceMs: GRACE_MS });
    await clock.advance(1000);
    assert.equal(await tunnels(world), CLIENTS, 'the delay is no time for them to end');
    // With a random number of one half each ends in the middle of its tenth of nine seconds.
    for (const [nth, { client, connection, errors }] of open.entries()) {
      await clock.advance(nth === 0 ? 449 : 899);
      assert.equal(await tunnels(world), CLIENTS - nth, `number ${nth} ended early`);
      client.send(`up ${nth}`);
      connection.send(`down ${nth}`);
      await world.origin.until('its octets', () =>
        connection.tunnelled.toString() === `up ${nth}` ? true : undefined,
      );
      await client.until('its octets', () => (client.tunnelled.toString() === `down ${nth}` ? true : undefined));
      await clock.advance(1);
      assert.equal(await tunnels(world), CLIENTS - nth - 1, `number ${nth} did not end`);
      await client.untilEnded();
      await world.origin.until('FIN', () => (connection.ended ? true : undefined));
      client.halfClose();
      await client.untilClosed();
      await world.origin.untilClosed(connection);
      assert.deepEqual([errors, client.socketError], [[], undefined]);
      const line = await world.logged(nth + 1);
      assert.deepEqual([line.status, line.reason, line.bytesIn, line.bytesOut], [101, 'LR', 4, 6]);
    }
    await passUntil(clock, stopped);
  });

  test('one that ends by itself is left alone, and the gateway does not wait for its turn', async (t) => {
    const { clock, world, open } = await manyTunnels(t);
    const stopped = world.gateway.gateway.stop({ delayMs: 0, graceMs: GRACE_MS });
    for (const { client } of open) client.destroy();
    for (const { connection } of open) await world.origin.untilClosed(connection);
    await clock.advance(40);
    await stopped;
    assert.deepEqual(
      world.log.map(({ reason }) => reason),
      new Array(CLIENTS).fill(undefined),
    );
    assert.equal(clock.pending, 0);
  });

  test('one whose handshake was under way gets its turn as well', async (t) => {
    const gate = new Gate();
    const late: Script = async (request, connection) => {
      if (request.index === CLIENTS) await gate.opened;
      await switches(request, connection);
    };
    const { clock, world, open } = await manyTunnels(t, {});
    world.origin.script(late);
    const client = await world.client();
    client.send(bytes('GET /chat', UPGRADE));
    await world.origin.request(CLIENTS + 1);
    const stopped = world.gateway.gateway.stop({ delayMs: 0, graceMs: GRACE_MS });
    for (const one of open) one.client.destroy();
    await eventually('the others', async () => ((await tunnels(world)) === 0 ? true : undefined));
    await clock.advance(1000);
    gate.open();
    await client.until('101', () => client.interim[0], true);
    // Eight of the nine seconds are left: its half is four.
    await clock.advance(3999);
    assert.equal(await tunnels(world), 1);
    await clock.advance(1);
    assert.equal(await tunnels(world), 0);
    await client.untilEnded();
    client.destroy();
    await passUntil(clock, stopped);
  });

  test('no grace: they are cut, and the log says why', async (t) => {
    const { world, open } = await manyTunnels(t);
    await world.gateway.stop();
    for (const { client, connection } of open) {
      await client.untilEnded();
      await world.origin.untilClosed(connection);
    }
    assert.deepEqual(new Set(world.log.map(({ status, reason }) => `${status} ${reason}`)), new Set(['101 LR']));
    assert.equal(world.log.length, CLIENTS);
  });
});
