import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { HeadgateConfig } from '../../src/config/schema.ts';
import { ConfigError, StartError } from '../../src/gateway.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { RawClient } from '../kit/http-client.ts';
import { echo, type RawOrigin, reply } from '../kit/raw-origin.ts';
import { Gate } from '../kit/wait.ts';
import { bytes, eventually, World } from './world.ts';

/** What `TestGateway` adds to a configuration: a reload must not change it. */
const SAME: HeadgateConfig = {
  listeners: [{ address: '127.0.0.1:0' }],
  admin: { address: '127.0.0.1:0' },
  log: { level: 'error' },
};

suite('reload', { concurrency: true }, () => {
  test('under load: no request fails, whether the configuration is good or bad', async (t) => {
    const world = await World.start(t, { origins: [{}, {}] });
    const [one, two] = world.origins as [RawOrigin, RawOrigin];
    const variants: HeadgateConfig[] = [
      { ...SAME, upstreams: { origin: { endpoints: [one.url] } }, routes: [{ upstream: 'origin' }] },
      {
        ...SAME,
        upstreams: { origin: { endpoints: [two.url, one.url] } },
        routes: [{ upstream: 'origin', timeout: '9s' }],
      },
      { ...SAME, routes: [{ upstream: one.url }, { match: { path: '/never' }, respond: {} }] },
      {
        ...SAME,
        // The clients take turns at four connections: how long that takes is a matter of the machine.
        upstreams: { other: { endpoints: [two.url], maxConnections: 4, timeouts: { connect: '9s' } } },
        routes: [{ upstream: 'other', retry: false }],
      },
      {
        ...SAME,
        limits: { many: { key: 'client.ip', window: '1000000/1h' } },
        upstreams: { origin: { endpoints: [one.url, two.url], balance: 'random' } },
        routes: [{ upstream: 'origin', limits: ['many'] }],
      },
    ];
    const bad = [
      { ...SAME, routes: [{ upstream: 'nowhere' }] },
      { ...SAME, listeners: [{ address: '127.0.0.1:1' }], routes: [{ respond: {} }] },
    ] as HeadgateConfig[];
    let isOver = false;
    let requests = 0;
    const failures: string[] = [];
    const load = async (id: number): Promise<void> => {
      const client = await RawClient.open(world.gateway.port(), { keepBody: false });
      t.after(() => client.destroy());
      for (let n = 1; !isOver; n++) {
        client.send(n % 3 === 0 ? bytes(`POST /${id}`, [], 'hello') : bytes(`GET /${id}`));
        const response = await client.response(n);
        if (response.status !== 200 || client.ended) failures.push(`${id}: ${response.status}`);
        requests++;
      }
    };
    const clients = Array.from({ length: 64 }, (_, id) => load(id));
    const { gateway } = world.gateway;
    for (let n = 0; n < 20; n++) {
      const seen = requests;
      await eventually('some requests', async () => (requests >= seen + 100 ? true : undefined));
      if (n % 4 === 3) await assert.rejects(gateway.reload(bad[n % 2] as HeadgateConfig));
      else await gateway.reload(variants[n % variants.length] as HeadgateConfig);
    }
    isOver = true;
    await Promise.all(clients);
    assert.deepEqual(failures, []);
    assert.equal(await world.metric('headgate_config_reloads_total', 'outcome="success"'), 15);
    assert.equal(await world.metric('headgate_config_reloads_total', 'outcome="failure"'), 5);
  });

  test('keeps what limits have spent and what is known of endpoints', async (t) => {
    const world = await World.start(t, { origins: [(_, connection) => connection.reset(), {}] });
    const config = (extra: object, limit: string): HeadgateConfig => ({
      ...SAME,
      limits: { few: { key: 'header.x-key', window: limit } },
      upstreams: {
        origin: {
          endpoints: world.origins.map(({ url }) => url),
          balance: 'round-robin',
          outlierDetection: { consecutiveFailures: 1, baseEjection: '1h', maxEjection: '1h' },
        },
      },
      routes: [
        { name: 'limited', match: { path: '/limited' }, upstream: 'origin', limits: ['few'] },
        { upstream: 'origin', ...extra },
      ],
    });
    const { gateway } = world.gateway;
    await gateway.reload(config({}, '5/1h'));
    for (let n = 0; n < 3; n++) assert.equal((await world.ask('GET /limited', ['X-Key: a'])).status, 200);
    const bad = world.origin.heads.length;
    assert.equal(bad, 1, 'ejected at its first failure');
    await gateway.reload(config({ timeout: '3s' }, '5/1h'));
    for (let n = 0; n < 2; n++) assert.equal((await world.ask('GET /limited', ['X-Key: a'])).status, 200);
    assert.equal((await world.ask('GET /limited', ['X-Key: a'])).status, 429);
    // A changed limit keeps what was spent of it.
    await gateway.reload(config({}, '6/1h'));
    assert.equal((await world.ask('GET /limited', ['X-Key: a'])).status, 200);
    assert.equal((await world.ask('GET /limited', ['X-Key: a'])).status, 429);
    assert.equal(world.origin.heads.length, bad, 'the ejection ended with a reload');
  });

  test('a bad configuration changes nothing and says why', async (t) => {
    const world = await World.start(t);
    const { gateway } = world.gateway;
    const good = { ...SAME, routes: [{ respond: { body: 'new' } }] };
    const wrong = {
      ...good,
      routes: [{ respond: { body: 1, status: 'x' } }],
      limits: { A: {} },
    } as unknown as HeadgateConfig;
    await assert.rejects(gateway.reload(wrong), (error) => error instanceof ConfigError && error.issues.length >= 3);
    await assert.rejects(
      gateway.reload({ ...good, listeners: [{ address: '127.0.0.1:9' }], store: 'redis://127.0.0.1:1' }),
      (error) => error instanceof StartError && /listeners\[0\]\.address, store/.test(error.message),
    );
    assert.equal(JSON.parse((await world.ask('GET /x')).text()).target, '/x');
    await gateway.reload(good);
    assert.equal((await world.ask('GET /x')).text(), 'new');
  });

  test('a request in flight ends under the configuration it began with', async (t) => {
    const gate = new Gate();
    const world = await World.start(t, {
      origins: [
        async (request, connection) => {
          await gate.opened;
          await echo(request, connection);
        },
      ],
      route: { headers: { response: { set: { 'X-Version': 'old' } } } },
    });
    const client = await world.client();
    client.send(bytes('GET /1') + bytes('GET /2'));
    const { connection } = await world.origin.request();
    await world.gateway.gateway.reload({ ...SAME, routes: [{ respond: { headers: { 'X-Version': 'new' } } }] });
    gate.open();
    await client.response(2);
    assert.deepEqual(
      client.responses.map((response) => response.get('x-version')),
      ['old', 'new'],
    );
    // Its endpoint is gone from the configuration: nobody keeps a connection to it.
    await world.origin.untilClosed(connection);
  });
});

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

suite('stop', { concurrency: true }, () => {
  test('what is in flight ends well, what is at rest is closed, what is new is refused', async (t) => {
    const gate = new Gate();
    const world = await World.start(t, {
      origins: [
        async ({ message }, connection) => {
          if (message.target === '/quick') return connection.send(reply(200));
          connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
          await gate.opened;
          connection.send('3\r\ndef\r\n0\r\n\r\n');
        },
      ],
    });
    const atRest = await world.client();
    atRest.send(bytes('GET /quick'));
    await atRest.response();
    const fresh = await world.client();
    const streaming = await world.client();
    streaming.send(bytes('GET /slow'));
    assert.equal((await streaming.head()).get('connection'), undefined);
    const uploading = await world.client();
    uploading.send(bytes('POST /slow', ['Content-Length: 10'], 'hello'));
    await world.origin.head(3);
    const port = world.gateway.port();
    const stopped = world.gateway.gateway.stop({ delayMs: 0, graceMs: 60_000 });
    await Promise.all([atRest.untilEnded(), fresh.untilEnded()]);
    await assert.rejects(RawClient.open(port), /ECONNREFUSED/);
    uploading.send('world');
    const upload = uploading.head();
    gate.open();
    assert.equal((await upload).get('connection'), 'close');
    for (const client of [streaming, uploading]) {
      assert.equal((await client.response()).text(), 'abcdef');
      await client.untilEnded();
      assert.equal(client.malformed, undefined);
    }
    for (const client of [atRest, fresh, streaming, uploading]) client.destroy();
    await stopped;
    await world.origin.until('no connection', () => (world.origin.open.length === 0 ? true : undefined));
    assert.ok(world.log.every(({ status }) => status === 200));
  });

  test('requests that a client had already sent behind one another are answered', async (t) => {
    const gate = new Gate();
    const world = await World.start(t, {
      origins: [
        async (request, connection) => {
          await gate.opened;
          await echo(request, connection);
        },
      ],
    });
    const client = await world.client();
    client.send(bytes('GET /1'));
    await world.origin.request();
    const stopped = world.gateway.gateway.stop({ delayMs: 0, graceMs: 60_000 });
    gate.open();
    assert.equal((await client.response()).get('connection'), 'close');
    await client.untilEnded();
    client.destroy();
    await stopped;
  });

  test('during the delay requests are taken, and their connections closed behind the answer', async (t) => {
    const clock = new FakeClock();
    const world = await World.start(t, { overrides: { clock } });
    const kept = await world.client();
    kept.send(bytes('GET /1'));
    await kept.response();
    const stopped = world.gateway.gateway.stop({ delayMs: 5000, graceMs: 60_000 });
    const ready = await fetch(world.gateway.adminUrl('/readyz'));
    assert.equal(ready.status, 503);
    kept.send(bytes('GET /2'));
    assert.equal((await kept.response(2)).get('connection'), 'close');
    await kept.untilEnded();
    const fresh = await world.ask('GET /3');
    assert.deepEqual([fresh.status, fresh.get('connection')], [200, 'close']);
    kept.destroy();
    await passUntil(clock, stopped);
  });

  test('what does not end in time is cut, and seen to be', async (t) => {
    const world = await World.start(t, {
      origins: [(_, connection) => connection.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc')],
    });
    const client = await world.client();
    client.send(bytes('GET /'));
    await client.head();
    await world.gateway.gateway.stop({ delayMs: 0, graceMs: 60 });
    await client.untilEnded();
    assert.equal(client.responses.length, 0);
    await world.origin.untilClosed(await world.origin.connection());
    assert.deepEqual(
      world.log.map(({ status, reason }) => [status, reason]),
      [[200, 'LR']],
    );
  });

  test('under load with a delay: no request fails', async (t) => {
    const clock = new FakeClock();
    const world = await World.start(t, { overrides: { clock } });
    const failures: string[] = [];
    let requests = 0;
    let isOver = false;
    /** As a balancer in front does: a connection is used until its end is announced, then another is opened. */
    const load = async (id: number): Promise<void> => {
      while (!isOver) {
        const client = await RawClient.open(world.gateway.port());
        for (let n = 1; !isOver; n++) {
          client.send(bytes(`POST /${id}`, [], 'hello'));
          const response = await client.response(n).catch((error: Error) => error);
          if (response instanceof Error) failures.push(response.message);
          else if (response.status !== 200) failures.push(`${response.status}`);
          requests++;
          if (response instanceof Error || response.get('connection') === 'close') break;
        }
        client.destroy();
      }
    };
    const clients = Array.from({ length: 16 }, (_, id) => load(id));
    await eventually('some requests', async () => (requests > 200 ? true : undefined));
    const stopped = world.gateway.gateway.stop({ delayMs: 5000, graceMs: 60_000 });
    const seen = requests;
    await eventually('more requests', async () => (requests > seen + 100 ? true : undefined));
    isOver = true;
    await Promise.all(clients);
    await passUntil(clock, stopped);
    assert.deepEqual(failures, []);
  });
});
