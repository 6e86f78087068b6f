// A client may go in any phase of its request: nothing of it stays, at either side.
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { BlackHole } from '../kit/black-hole.ts';
import type { RawClient } from '../kit/http-client.ts';
import { type OriginOptions, silence } from '../kit/raw-origin.ts';
import { bytes, eventually, World, type WorldOptions } from './world.ts';

const CLIENTS = 20;
const HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const UPGRADE = bytes('GET /', ['Connection: Upgrade', 'Upgrade: websocket']);
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

interface Phase {
  readonly sends: string;
  readonly origin?: OriginOptions;
  readonly world?: WorldOptions;
  /** Resolves once all clients are in it. */
  readonly reached: (world: World, clients: readonly RawClient[]) => Promise<unknown>;
}

const heads = (world: World): Promise<unknown> => world.origin.head(CLIENTS);
const answered = (_: World, clients: readonly RawClient[]): Promise<unknown> =>
  Promise.all(clients.map((client) => client.until('octets', () => client.bytesReceived > 0 || undefined)));
const inFlight = (world: World): Promise<unknown> =>
  eventually('all in flight', async () =>
    (await world.metric('headgate_http_requests_in_flight')) === CLIENTS ? true : undefined,
  );
const connected = (world: World): Promise<unknown> =>
  eventually('all connected', async () =>
    (await world.metric('headgate_connections')) === CLIENTS ? true : undefined,
  );

const PHASES: Record<string, Phase> = {
  'before the first octet': { sends: '', reached: connected },
  'in the head': { sends: 'GET / HTTP/1.1\r\nHost: x', reached: connected },
  'in the body': {
    sends: bytes('POST /', ['Content-Length: 9'], 'hello'),
    origin: { onHead: silence },
    reached: heads,
  },
  'waiting for 100 Continue': {
    sends: bytes('POST /', ['Expect: 100-continue', 'Content-Length: 9']),
    origin: { onHead: silence, continues: false },
    reached: heads,
  },
  'waiting for a turn at the endpoint': {
    sends: bytes('GET /'),
    origin: { onHead: silence },
    world: { upstream: { maxConnections: 1, timeouts: { connect: '1h' } } },
    reached: inFlight,
  },
  'waiting for the answer': { sends: bytes('GET /'), origin: { onHead: silence }, reached: heads },
  'in the answer': {
    sends: bytes('GET /'),
    origin: { onHead: (_, connection) => connection.send(`${HEAD}5\r\nhello\r\n`) },
    reached: answered,
  },
  'in a tunnel': { sends: UPGRADE, origin: { onHead: (_, c) => c.send(SWITCHED) }, reached: answered },
};

async function reset(t: TestContext, { sends, world: options, reached }: Phase, more: WorldOptions): Promise<World> {
  const world = await World.start(t, { ...options, ...more });
  const clients: RawClient[] = [];
  for (let n = 0; n < CLIENTS; n++) {
    const client = await world.client({ methodOf: () => 'GET' });
    client.send(sends);
    clients.push(client);
  }
  await reached(world, clients);
  for (const client of clients) client.abort();
  await world.untilIdle();
  return world;
}

suite('clients that reset', { concurrency: true }, () => {
  for (const [name, phase] of Object.entries(PHASES)) {
    test(`${name}: both sides are closed, and nothing is in flight`, async (t) => {
      const world = await reset(t, phase, { origins: [phase.origin ?? {}] });
      await world.origin.until('no open connection', () => (world.origin.open.length === 0 ? true : undefined));
      assert.deepEqual(
        world.log.filter(({ reason }) => reason !== 'DC'),
        [],
      );
    });
  }

  test('while a connect is not answered', { skip: process.platform !== 'linux' }, async (t) => {
    const hole = await BlackHole.open();
    t.after(() => hole.close());
    const phase = { sends: bytes('POST /', [], 'hello'), reached: inFlight };
    const upstream = { timeouts: { connect: '1h' } };
    await reset(t, phase, { origins: [], endpoints: [`http://127.0.0.1:${hole.port}`], upstream });
  });
});
