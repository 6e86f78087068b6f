// Beside reload-and-drain.test.ts: what a reload refuses and leaves alone, and a stop by the clock.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { HeadgateConfig } from '../../src/config/schema.ts';
import { ConfigError, StartError } from '../../src/gateway.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { RawClient } from '../kit/http-client.ts';
import { type OriginConnection, RawOrigin, reply, type Script, silence } from '../kit/raw-origin.ts';
import { bytes, eventually, World, type WorldOptions } from './world.ts';

/** What `TestGateway` adds to a configuration: a reload must not change it. */
const SAME = {
  listeners: [{ address: '127.0.0.1:0' }],
  admin: { address: '127.0.0.1:0' },
  log: { level: 'error', access: false },
} as const satisfies HeadgateConfig;

const reload = (world: World, options: WorldOptions, more: HeadgateConfig = {}): Promise<void> =>
  world.gateway.gateway.reload({ ...SAME, ...World.config(world.origins, options), ...more });

async function adminStatus(world: World, path: string): Promise<number> {
  const response = await fetch(world.gateway.adminUrl(path));
  await response.text();
  return response.status;
}

suite('a reload that wants a restart', { concurrency: true }, () => {
  const refused: Record<string, [more: HeadgateConfig, fields: RegExp]> = {
    'another address': [{ listeners: [{ address: '127.0.0.1:1' }] }, / listeners\[0\]\.address /],
    'one more listener': [{ listeners: [{ address: '127.0.0.1:0' }, { address: ':1' }] }, / listeners\[1\]\.address /],
    'another store': [{ store: 'redis://127.0.0.1:1' }, / store /],
    'another admin address': [{ admin: { address: '127.0.0.1:1' } }, / admin\.address /],
    'no admin': [{ admin: false }, / admin /],
    'all of it': [
      { listeners: [{ address: ':1' }], store: 'redis://127.0.0.1:1', admin: { address: '127.0.0.1:2' } },
      / listeners\[0\]\.address, store, admin\.address /,
    ],
  };
  for (const [what, [more, fields]] of Object.entries(refused)) {
    test(`for ${what} is refused whole and says so`, async (t) => {
      const world = await World.start(t, { route: { headers: { response: { set: { 'X-Version': 'old' } } } } });
      const client = await world.client();
      client.send(bytes('GET /1'));
      await client.response();
      const config = await (await fetch(world.gateway.adminUrl('/api/v1/config'))).text();
      const rest: WorldOptions = { route: { headers: { response: { set: { 'X-Version': 'new' } } } } };
      await assert.rejects(
        reload(world, rest, more),
        (error) => error instanceof StartError && fields.test(error.message) && !error.message.includes('\n'),
      );
      client.send(bytes('GET /2'));
      assert.equal((await client.response(2)).get('x-version'), 'old');
      assert.equal(await (await fetch(world.gateway.adminUrl('/api/v1/config'))).text(), config);
      assert.equal(await world.metric('headgate_config_reloads_total', 'outcome="failure"'), 1);
      assert.equal(await world.metric('headgate_config_last_reload_successful'), 0);
      assert.equal(await adminStatus(world, '/readyz'), 200);
      await reload(world, rest);
      client.send(bytes('GET /3'));
      assert.equal((await client.response(3)).get('x-version'), 'new');
      assert.equal(await world.metric('headgate_config_last_reload_successful'), 1);
    });
  }

  test('one with several mistakes names them all', async (t) => {
    const world = await World.start(t);
    const wrong = {
      limits: { few: { window: 'many' } },
      routes: [{ upstream: 'nowhere' }, { respond: { status: 200 }, limits: ['none'], timeuot: '1s' }],
    } as unknown as HeadgateConfig;
    await assert.rejects(reload(world, {}, wrong), (error) => {
      assert.ok(error instanceof ConfigError);
      for (const place of ['limits.few', 'routes[0].upstream', 'routes[1].limits', 'routes[1].timeuot'])
        assert.ok(error.message.includes(place), `${place} is not in\n${error.message}`);
      return error.issues.length >= 4;
    });
    assert.equal((await world.ask('GET /')).status, 200);
  });
});

suite('what a reload leaves alone', { concurrency: true }, () => {
  test('the connections to endpoints that are still there', async (t) => {
    const world = await World.start(t);
    const client = await world.client();
    for (let n = 1; n <= 5; n++) {
      client.send(bytes(`GET /${n}`));
      await client.response(n);
      await reload(world, { route: { timeout: `${n}s` } });
    }
    assert.equal(world.origin.connections.length, 1);
    assert.equal(client.ended, false);
  });

  test('an endpoint that fails its health check stays down, one that is new is used', async (t) => {
    const health: Script = ({ message }, connection) =>
      connection.send(reply(message.target === '/healthz' ? 500 : 200));
    const upstream = { healthCheck: { interval: '1h', fall: 1 } } as const;
    const world = await World.start(t, { origins: [health, {}], upstream });
    const [ill, well] = world.origins as [RawOrigin, RawOrigin];
    const label = `endpoint="127.0.0.1:${ill.port}"`;
    await eventually('an endpoint that is down', async () =>
      (await world.metric('headgate_endpoint_up', label)) === 0 ? true : undefined,
    );
    const fresh = await RawOrigin.start({});
    t.after(() => fresh.stop());
    await reload(world, { upstream, endpoints: [fresh.url], route: { timeout: '3s' } });
    assert.equal(await world.metric('headgate_endpoint_up', label), 0);
    for (let n = 0; n < 6; n++) assert.equal((await world.ask('GET /x')).status, 200);
    const asked = ({ heads }: RawOrigin): number => heads.filter(({ message }) => message.target === '/x').length;
    assert.deepEqual([asked(ill), asked(well) + asked(fresh)], [0, 6]);
    assert.ok(asked(fresh) > 0, 'the new endpoint was not used');
  });
});

/** Lets `done` come true by passing time in small steps. */
async function pass(clock: FakeClock, what: string, done: () => boolean): Promise<void> {
  await eventually(what, async () => {
    await clock.advance(20);
    return done() ? true : undefined;
  });
}

const answersWhenAsked = (): { script: Script; answer: () => void } => {
  let waiting: OriginConnection | undefined;
  return {
    script: (_, connection) => {
      waiting = connection;
    },
    answer: () => waiting?.send(reply(200, [], 'late')),
  };
};

suite('a stop', { concurrency: true }, () => {
  test('is not ready from its first moment, serves through the delay, then refuses, then is over', async (t) => {
    const clock = new FakeClock();
    const world = await World.start(t, { overrides: { clock } });
    const port = world.gateway.port();
    const atRest = await world.client();
    atRest.send(bytes('GET /1'));
    assert.equal((await atRest.response()).get('connection'), undefined);
    assert.equal(await adminStatus(world, '/readyz'), 200);
    let isOver = false;
    const stopped = world.gateway.gateway.stop({ delayMs: 5000, graceMs: 20_000 }).then(() => {
      isOver = true;
    });
    assert.deepEqual([await adminStatus(world, '/readyz'), await adminStatus(world, '/livez')], [503, 200]);
    await clock.advance(4900);
    const late = await world.client();
    late.send(bytes('GET /2'));
    const response = await late.response();
    assert.deepEqual([response.status, response.get('connection')], [200, 'close']);
    await late.untilEnded();
    assert.deepEqual([atRest.ended, isOver], [false, false]);
    await clock.advance(200);
    await atRest.untilEnded();
    assert.equal(atRest.bytesReceived, atRest.received.length);
    assert.equal(atRest.responses.length, 1);
    await assert.rejects(RawClient.open(port), /ECONNREFUSED/);
    for (const client of [atRest, late]) client.destroy();
    await pass(clock, 'the end', () => isOver);
    await stopped;
    await assert.rejects(fetch(world.gateway.adminUrl('/livez')));
  });

  test('waits for what is in flight, as long as the grace', async (t) => {
    const clock = new FakeClock();
    const { script, answer } = answersWhenAsked();
    const world = await World.start(t, { origins: [script], overrides: { clock } });
    const client = await world.client();
    client.send(bytes('GET /'));
    await world.origin.request();
    let isOver = false;
    const stopped = world.gateway.gateway.stop({ delayMs: 0, graceMs: 20_000 }).then(() => {
      isOver = true;
    });
    await clock.advance(19_000);
    assert.equal(isOver, false);
    answer();
    const response = await client.response();
    assert.deepEqual([response.text(), response.get('connection')], ['late', 'close']);
    await client.untilEnded();
    client.destroy();
    await pass(clock, 'the end', () => isOver);
    await stopped;
    assert.equal((await world.logged()).status, 200);
  });

  test('ends what is still there when the grace is over: requests with 503, connections half spoken; tunnels end before', async (t) => {
    const clock = new FakeClock();
    const world = await World.start(t, {
      origins: [
        ({ message, connection }) => {
          if (message.target !== '/chat') return;
          connection.reader.tunnel();
          connection.send('HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
        },
      ],
      route: { timeout: false },
      listener: { timeouts: { headers: '1h' } },
      overrides: { clock },
    });
    const waiting = await world.client();
    waiting.send(bytes('GET /'));
    const tunnelled = await world.client();
    tunnelled.send(bytes('GET /chat', ['Connection: Upgrade', 'Upgrade: websocket']));
    await tunnelled.until('101', () => tunnelled.interim[0], true);
    const partial = await world.client();
    partial.send('GET / HT');
    await world.origin.request(2);
    await eventually('three connections', async () =>
      (await world.metric('headgate_connections')) === 3 ? true : undefined,
    );
    let isOver = false;
    const stopped = world.gateway.gateway.stop({ delayMs: 0, graceMs: 1000 }).then(() => {
      isOver = true;
    });
    await clock.advance(900);
    await tunnelled.untilEnded();
    assert.deepEqual([waiting.ended, isOver], [false, false]);
    await pass(clock, 'the end', () => isOver);
    await stopped;
    for (const client of [waiting, tunnelled, partial]) await client.untilEnded();
    assert.deepEqual([tunnelled.responses.length, partial.responses.length], [0, 0]);
    const [answer] = waiting.responses;
    assert.deepEqual([answer?.status, answer?.get('connection')], [503, 'close']);
    assert.equal(JSON.parse(answer!.text()).reason, 'LR');
    for (const connection of world.origin.connections) await world.origin.untilClosed(connection);
    const lines = world.log.map(({ path, status, reason }) => [path, status, reason]);
    assert.deepEqual(lines.sort(), [
      ['/', 503, 'LR'],
      ['/chat', 101, 'LR'],
    ]);
  });

  test('asked for twice, or by somebody in more of a hurry, ends once', async (t) => {
    const clock = new FakeClock();
    const world = await World.start(t, { origins: [silence], overrides: { clock } });
    const client = await world.client();
    client.send(bytes('GET /'));
    await world.origin.request();
    const { gateway } = world.gateway;
    const patient = gateway.stop({ delayMs: 5000, graceMs: 20_000 });
    const again = gateway.stop({ delayMs: 5000, graceMs: 20_000 });
    // As a second signal does: at once, whatever the first still waits for.
    await gateway.stop({ delayMs: 0, graceMs: 0 });
    await client.untilEnded();
    await assert.rejects(RawClient.open(world.gateway.port()), /ECONNREFUSED/);
    await clock.advance(30_000);
    await Promise.all([patient, again]);
    await gateway.stop({ delayMs: 5000, graceMs: 20_000 });
    assert.equal(world.log.length, 1);
  });
});
