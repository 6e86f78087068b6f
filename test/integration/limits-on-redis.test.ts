import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MemoryStore } from '../../src/adapters/memory/memory-store.ts';
import { SystemClock } from '../../src/adapters/observe/system-clock.ts';
import { RedisStore } from '../../src/adapters/redis/redis-store.ts';
import type { LimitSpec } from '../../src/core/limit/spec.ts';
import type { LimitModel } from '../../src/limits/limit-model.ts';
import type { LimitVerdict } from '../../src/limits/limit-verdict.ts';
import { Limiter } from '../../src/limits/limiter.ts';
import type { Metrics } from '../../src/ports.ts';
import { startRedis, type TestRedis } from '../kit/redis.ts';
import { Waiters } from '../kit/wait.ts';

/** Gateways of one fleet, as far as their limits go: each a limiter over its own connection to one real Redis. */
interface Member {
  readonly limiter: Limiter;
  readonly store: RedisStore;
  until(what: string, holds: () => boolean): Promise<unknown>;
}

const clock = new SystemClock();
let redis: TestRedis;

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis.stop();
});

function join(url: string, timeoutMs = 500): Member {
  const waiters = new Waiters();
  const changed = () => waiters.changed();
  const store = new RedisStore({
    url,
    prefix: 'headgate',
    timeoutMs,
    secret: 'of the fleet',
    clock,
    random: Math.random,
    log: { debug: changed, info: changed, warn: changed, error: changed },
    metrics: { up: false, sent() {}, command() {} },
    version: '1.2.3',
    configHash: () => 'abc',
    fleetSize: changed,
  });
  const limiter = new Limiter({
    store,
    metrics: { limit: () => ({ decided() {}, decisionDuration() {} }) } as Partial<Metrics> as Metrics,
    clock,
    prefix: 'headgate',
    secret: 'of the fleet',
    createLocal: (nowUs, seed) => new MemoryStore({ nowUs, seed }),
  });
  store.start();
  return { limiter, store, until: (what, holds) => waiters.until(what, () => holds() || undefined) };
}

function model(name: string, spec: LimitSpec): LimitModel {
  return {
    name,
    spec,
    key: [{ source: 'client.ip' }],
    ipv6Prefix: 64,
    onMissingKey: 'ip',
    scope: 'global',
    except: undefined,
    cost: 1,
    shadow: false,
    onStoreFailure: 'local',
  };
}

const none = () => undefined;
const client = { clientIp: '198.51.100.7', method: 'GET', host: 'h', path: '/' };
const subject = { ...client, header: none, cookie: none, query: none, pathParam: none };

async function ask(fleet: readonly Member[], limit: LimitModel, requests: number): Promise<LimitVerdict[]> {
  const routes = fleet.map(({ limiter }) => limiter.compile([limit], 'r'));
  return Promise.all(
    Array.from({ length: requests }, (_, at) => {
      const member = at % fleet.length;
      return fleet[member]!.limiter.decide(routes[member]!, subject);
    }),
  );
}

const admitted = (verdicts: readonly LimitVerdict[]) => verdicts.filter((verdict) => verdict.admitted).length;

async function fleetOf(size: number, url = redis.url): Promise<Member[]> {
  const fleet = Array.from({ length: size }, () => join(url));
  for (const member of fleet) {
    await member.until('the whole fleet', () => member.store.available && member.store.fleetSize === size);
  }
  return fleet;
}

test('a fleet of two, 2 000 requests at once: exactly the limit is admitted, for every kind, every time', async () => {
  const fleet = await fleetOf(2);
  for (let round = 0; round < 10; round++) {
    const specs: LimitSpec[] = [
      { kind: 'window', limit: 100, windowUs: 60_000_000 },
      { kind: 'rate', count: 100, periodUs: 3_600_000_000, burst: 100 },
      { kind: 'quota', limit: 100, period: 'month', timezone: 'UTC' },
    ];
    for (const spec of specs) {
      const verdicts = await ask(fleet, model(`${spec.kind}-${round}`, spec), 2000);
      assert.equal(admitted(verdicts), 100, spec.kind);
      assert.ok(verdicts.every(({ entries }) => entries[0]!.mode === 'strict'));
      const left = verdicts.filter((one) => one.admitted).map(({ entries }) => entries[0]!.remaining);
      assert.deepEqual(
        left.sort((a, b) => a - b),
        Array.from({ length: 100 }, (_, at) => at),
      );
    }
  }
  for (const { store } of fleet) await store.stop();
});

test('the store dies: every decision is still made, by the local share, and the store decides again once it is there', async () => {
  const own = await startRedis();
  const fleet = await fleetOf(2, own.url);
  const limit = model('a', { kind: 'window', limit: 10, windowUs: 3_600_000_000 });
  assert.equal(admitted(await ask(fleet, limit, 4)), 4);
  own.pause();
  const inFlight = ask(fleet, limit, 20);
  await own.kill();
  const verdicts = [...(await inFlight), ...(await ask(fleet, limit, 20))];
  assert.ok(verdicts.every(({ entries }) => entries[0]!.mode === 'local'));
  // Each of the two had last seen at least 6 of 10 left: its share is at most 4 of what it had seen, 5 of the limit.
  const total = admitted(verdicts);
  assert.ok(total >= 6 && total <= 10, String(total));
  const next = await startRedis({ port: own.port });
  for (const member of fleet) await member.until('the store', () => member.store.available);
  const back = await ask(fleet, limit, 2);
  assert.ok(back.every(({ entries }) => entries[0]!.mode === 'strict'));
  for (const { store } of fleet) await store.stop();
  await next.stop();
  await own.stop();
});
