import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { type RedisReply, startRedis, type TestRedis } from '../../../test/kit/redis.ts';
import { Waiters } from '../../../test/kit/wait.ts';
import type { GroupDecision } from '../../core/limit/decision.ts';
import { compileLimit } from '../../core/limit/kind.ts';
import type { LimitSpec } from '../../core/limit/spec.ts';
import { limitSet, type StoreFailure, type TakeGroup } from '../../limits/limit-store.ts';
import { limitStoreContract } from '../../limits/limit-store-contract.ts';
import { SystemClock } from '../observe/system-clock.ts';
import { RedisStore, type RedisStoreOptions } from './redis-store.ts';
import { BEAT_SCRIPT } from './script.ts';

const clock = new SystemClock();
let redis: TestRedis;
const open: TestStore[] = [];

before(async () => {
  redis = await startRedis();
});

beforeEach(async () => {
  for (const one of open.splice(0)) await one.store.stop();
  await redis.command('FLUSHALL');
});

after(async () => {
  for (const one of open.splice(0)) await one.store.stop();
  await redis.stop();
});

interface TestStore {
  readonly store: RedisStore;
  readonly log: string[];
  readonly metrics: { readonly sent: number; readonly answered: number };
  until(what: string, holds: (store: RedisStore) => boolean): Promise<unknown>;
}

interface TestStoreOptions {
  readonly timeoutMs?: number;
  readonly secret?: string;
  readonly url?: string;
  readonly afterPoll?: (run: () => void) => void;
  readonly instance?: string;
  readonly version?: string;
  readonly configHash?: () => string;
  readonly workers?: number;
  readonly asWorker?: RedisStoreOptions['asWorker'];
}

/** A store that tells when it comes and goes, not yet there. */
function startStore({
  timeoutMs = 2000,
  secret,
  url = redis.url,
  asWorker,
  ...more
}: TestStoreOptions = {}): TestStore {
  const waiters = new Waiters();
  const log: string[] = [];
  const note = (message: string, fields?: Record<string, unknown>) => {
    log.push(fields === undefined ? message : `${message} ${JSON.stringify(fields)}`);
    waiters.changed();
  };
  const counts = { sent: 0, answered: 0 };
  const metrics = { up: false, sent: () => void counts.sent++, command: () => void counts.answered++ };
  const store = new RedisStore({
    url,
    prefix: 'hg',
    timeoutMs,
    secret,
    clock,
    random: Math.random,
    log: { debug: note, info: note, warn: note, error: note },
    metrics,
    fleetSize: () => waiters.changed(),
    version: '1.2.3',
    configHash: () => 'abc',
    ...more,
    ...(asWorker === undefined ? {} : { asWorker }),
  });
  const until = (what: string, holds: (store: RedisStore) => boolean) =>
    waiters.until(what, () => (holds(store) && metrics.up === store.available) || undefined);
  const one = { store, log, metrics: counts, until };
  open.push(one);
  store.start();
  return one;
}

async function ready(options: TestStoreOptions = {}): Promise<TestStore> {
  const one = startStore(options);
  await one.until('the store', ({ available }) => available);
  return one;
}

const hourUs = 3_600_000_000;

function group(name: string, spec: LimitSpec, count = 1, cost = 1): TakeGroup {
  const limit = { name: 'a', compiled: compileLimit(spec), shadow: false };
  const key = { storeKey: `hg:1:{hg.07}:a:${spec.kind}:${name}`, hash: name, partition: 7 };
  return { set: limitSet([limit]), keys: [key], costs: [cost], count };
}

const tenAnHour: LimitSpec = { kind: 'window', limit: 10, windowUs: hourUs };

async function take(store: RedisStore, one: TakeGroup): Promise<GroupDecision> {
  return (await store.take({ groups: [one], carried: undefined })).decisions[0]!;
}

/** A call that fails: its failure. */
function failing(store: RedisStore, one: TakeGroup): Promise<StoreFailure> {
  return take(store, one).then(
    () => assert.fail('it was decided'),
    (failure: StoreFailure) => failure,
  );
}

for (const { name, run } of limitStoreContract) {
  test(`redis: ${name}`, async () => run((await ready()).store));
}

test('redis: nothing is written for a denied request', async () => {
  // A configured secret, so that heartbeats write members only; they use pexpire and are kept out.
  const { store } = await ready({ secret: 'configured' });
  await take(store, group('spent', tenAnHour, 10));
  await redis.command('CONFIG', 'RESETSTAT');
  for (let request = 0; request < 20; request++) {
    assert.equal((await take(store, group('spent', tenAnHour, 3))).admitted, 0);
    assert.equal((await take(store, group('never', tenAnHour, 1, 11))).admitted, 0);
  }
  const stats = String(await redis.command('INFO', 'commandstats'));
  assert.match(stats, /cmdstat_evalsha:calls=(4\d)/);
  assert.doesNotMatch(stats, /cmdstat_set:/);
  assert.equal(await redis.command('EXISTS', 'hg:1:{hg.07}:a:window:never'), 0);
});

test('redis: every limiter key has a life; a sentinel per partition, what the fleet agrees on is the rest', async () => {
  const { store } = await ready();
  await take(store, group('one', tenAnHour));
  const keys = (await redis.command('KEYS', '*')) as string[];
  assert.deepEqual(keys.sort(), [
    'hg:1:{hg.07}:a:window:one',
    'hg:1:{hg.07}:sentinel',
    'hg:1:{hg}:instances',
    'hg:1:{hg}:members',
    'hg:1:{hg}:secret',
  ]);
  const lifeMs = Number(await redis.command('PTTL', 'hg:1:{hg.07}:a:window:one'));
  assert.ok(lifeMs > 3_590_000 && lifeMs <= 3_600_001, String(lifeMs));
  assert.equal(await redis.command('PTTL', 'hg:1:{hg.07}:sentinel'), -1);
  for (const name of ['members', 'instances']) {
    assert.ok(Number(await redis.command('PTTL', `hg:1:{hg}:${name}`)) > 0, name);
  }
});

test('redis: scripts that were flushed are sent along with the call, once', async () => {
  const { store } = await ready();
  await take(store, group('one', tenAnHour, 2));
  await redis.command('SCRIPT', 'FLUSH');
  const decisions = await Promise.all([1, 2, 3].map(() => take(store, group('one', tenAnHour, 2))));
  assert.deepEqual(
    decisions.map(({ admitted, remaining }) => [admitted, remaining[0]]),
    [
      [2, 6],
      [2, 4],
      [2, 2],
    ],
  );
});

test('redis: lost data is noticed: rates start empty at the loss, a first use is whole', async () => {
  const { store } = await ready();
  const rate: LimitSpec = { kind: 'rate', count: 10, periodUs: hourUs, burst: 10 };
  assert.equal((await take(store, group('one', rate, 4))).admitted, 4);
  await redis.command('FLUSHALL');
  const lost = await take(store, group('one', rate, 4));
  assert.deepEqual([lost.admitted, lost.remaining[0]], [0, 0]);
  assert.equal((await take(store, group('other', rate))).admitted, 0);
  const [, , lostUs] = String(await redis.command('GET', 'hg:1:{hg.07}:sentinel')).split(' ');
  assert.equal(Number(lostUs), lost.atUs);
  // A gateway that saw nothing before the loss learns of it from the sentinel.
  const { store: second } = await ready();
  assert.equal((await take(second, group('third', rate))).admitted, 0);
});

test('redis: a sentinel made by a gateway that saw nothing is told to be a loss by one that did', async () => {
  const { store: first } = await ready();
  const rate: LimitSpec = { kind: 'rate', count: 10, periodUs: hourUs, burst: 10 };
  await take(first, group('one', rate, 4));
  await redis.command('FLUSHALL');
  const { store: second } = await ready();
  assert.equal((await take(second, group('one', rate, 4))).admitted, 4);
  assert.equal((await take(first, group('other', rate))).admitted, 0);
  const [, created, lost] = String(await redis.command('GET', 'hg:1:{hg.07}:sentinel')).split(' ');
  assert.equal(lost, created);
});

test('redis: two gateways know each other, agree on the secret, and one that stops leaves at once', async () => {
  const [one, two] = [await ready(), await ready()];
  await one.until('two members', ({ fleetSize }) => fleetSize === 2);
  await two.until('two members', ({ fleetSize }) => fleetSize === 2);
  assert.ok(one.store.secret !== undefined && one.store.secret === two.store.secret);
  await redis.command('DEL', 'hg:1:{hg}:secret');
  const three = await ready();
  const secret = String(await redis.command('GET', 'hg:1:{hg}:secret'));
  await one.until('one secret', (store) => store.secret === secret);
  assert.equal(three.store.secret, secret);
  await two.store.stop();
  await three.store.stop();
  assert.equal(await redis.command('ZCARD', 'hg:1:{hg}:members'), 1);
  await one.until('being alone', ({ fleetSize }) => fleetSize === 1);
});

test('redis: each gateway knows what the others run, and a reload shows', async () => {
  let hash = 'aaa';
  const one = await ready({ instance: 'one', version: '1.0.0', configHash: () => hash });
  const two = await ready({ instance: 'two', version: '2.0.0', configHash: () => 'bbb' });
  const both = [
    { id: 'one', version: '1.0.0', configHash: 'aaa', workers: 1 },
    { id: 'two', version: '2.0.0', configHash: 'bbb', workers: 1 },
  ];
  for (const { until } of [one, two]) await until('both members', ({ members }) => members?.length === 2);
  assert.deepEqual(one.store.members, both);
  assert.deepEqual(two.store.members, both);
  hash = 'ccc';
  await two.until('the new hash', ({ members }) => members?.[0]?.configHash === 'ccc');
  await one.store.stop();
  await two.until('being alone', ({ members }) => members?.length === 1);
  assert.deepEqual(two.store.members, [both[1]]);
  assert.equal(await redis.command('HEXISTS', 'hg:1:{hg}:instances', 'one'), 0);
});

function beatAs(prefix: string, id: string, details: string, known = ''): Promise<RedisReply> {
  const keys = ['members', 'secret', 'instances'].map((name) => `${prefix}:1:{hg}:${name}`);
  return redis.command('EVAL', BEAT_SCRIPT.text, 3, ...keys, id, 3000, '', details, known);
}

/** A heartbeat as a gateway that knows of the change `known` sends it: the change now, and the members that it tells. */
async function beat(
  id: string,
  details: string,
  known: string,
): Promise<{ change: string; members: Record<string, string> }> {
  const reply = await beatAs('hb', id, details, known);
  const [, , , change, flat] = reply as [number, number, string, string, string[]];
  const members = Object.fromEntries(flat.flatMap((text, at) => (at % 2 === 0 ? [[text, flat[at + 1]!]] : [])));
  return { change, members };
}

test('redis: a heartbeat tells the members only when they changed, and forgets what is gone', async () => {
  const first = await beat('a', '1 x', '');
  assert.deepEqual(first.members, { a: '1 x' });
  assert.deepEqual(await beat('a', '1 x', first.change), { change: first.change, members: {} });
  const joined = await beat('b', '1 y', '');
  assert.notEqual(joined.change, first.change);
  assert.deepEqual((await beat('a', '1 x', first.change)).members, { a: '1 x', b: '1 y' });
  const reloaded = await beat('a', '1 z', joined.change);
  assert.deepEqual(reloaded.members, { a: '1 z', b: '1 y' });
  await redis.command('ZADD', 'hb:1:{hg}:members', 1, 'b');
  assert.deepEqual((await beat('a', '1 z', reloaded.change)).members, { a: '1 z' });
  assert.equal(await redis.command('HEXISTS', 'hb:1:{hg}:instances', 'b'), 0);
  assert.deepEqual((await beat('', '1 x', '')).members, { a: '1 z' }, 'who only looks joins nothing');
  assert.deepEqual((await beat('', '', '')).members, { a: '1 z' });
  assert.deepEqual((await beat('a', '', '')).members, {});
  assert.equal(await redis.command('EXISTS', 'hb:1:{hg}:members'), 0);
  assert.ok(Number(await redis.command('PTTL', 'hb:1:{hg}:instances')) > 0);
});

test('redis: what is counted as sent is what was sent, answered or not', async () => {
  const { store, metrics } = await ready({ timeoutMs: 20 });
  await take(store, group('one', tenAnHour));
  redis.pause();
  const before = { ...metrics };
  await Promise.all([1, 2, 3].map(() => failing(store, group('one', tenAnHour))));
  redis.resume();
  assert.ok(metrics.sent >= before.sent + 3, `${before.sent}, then ${metrics.sent}`);
  assert.ok(metrics.answered < metrics.sent);
});

test('redis: a configured secret is not kept in the store', async () => {
  const { store } = await ready({ secret: 'configured' });
  assert.equal(await redis.command('EXISTS', 'hg:1:{hg}:secret'), 0);
  assert.equal(store.secret, undefined);
});

test('redis: a reload may take the configured secret away, and bring it back', async () => {
  const { store, until } = await ready({ secret: 'configured' });
  store.setSecret(undefined);
  await until('the secret of the fleet', ({ secret }) => secret !== undefined);
  const kept = await redis.command('GET', 'hg:1:{hg}:secret');
  assert.equal(store.secret, kept);
  const { store: other } = await ready();
  assert.equal(other.secret, kept);
  store.setSecret('configured');
  assert.equal(store.secret, undefined);
  assert.equal(await redis.command('GET', 'hg:1:{hg}:secret'), kept);
});

test('redis: 2 000 requests at once over two gateways: exactly the limit is admitted', async () => {
  const stores = [(await ready()).store, (await ready()).store];
  const limit: LimitSpec = { kind: 'window', limit: 100, windowUs: 60_000_000 };
  for (let round = 0; round < 5; round++) {
    const decisions: GroupDecision[] = await Promise.all(
      Array.from({ length: 2000 }, (_, at) => take(stores[at % 2]!, group(`hot-${round}`, limit))),
    );
    assert.equal(decisions.filter(({ admitted }) => admitted === 1).length, 100);
  }
});

test('redis: a loop that was busy past the deadline finds the reply in its socket', async () => {
  const { store } = await ready({ timeoutMs: 20 });
  for (let round = 0; round < 10; round++) {
    const decision = take(store, group(`busy-${round}`, tenAnHour));
    const untilMs = performance.now() + 60;
    while (performance.now() < untilMs);
    assert.equal((await decision).admitted, 1);
  }
  assert.equal(store.lateReplies, 0);
  assert.equal(store.available, true);
});

test('redis: a store that says nothing is given up at the deadline, left alone, and found again', async () => {
  const { store, until, log } = await ready({ timeoutMs: 20 });
  redis.pause();
  const failures = await Promise.all([1, 2, 3, 4, 5].map(() => failing(store, group('one', tenAnHour))));
  assert.deepEqual(new Set(failures.map(({ kind }) => kind)), new Set(['deadline']));
  assert.equal(store.available, false);
  redis.resume();
  await until('the store', ({ available }) => available);
  // What was in flight was charged, once each, and never sent again.
  assert.equal((await take(store, group('one', tenAnHour, 10))).admitted, 5);
  assert.deepEqual(
    log.map((line) => line.split(' {')[0]),
    ['store there', 'store away: limits go on by local share', 'store there'],
  );
});

test('redis: a lost connection fails what is in flight at once; another server takes over by itself', async () => {
  const own = await startRedis();
  const { store, until } = await ready({ url: own.url, timeoutMs: 60_000 });
  own.pause();
  const inFlight = [1, 2, 3].map(() => failing(store, group('one', tenAnHour)));
  await own.kill();
  assert.deepEqual(
    (await Promise.all(inFlight)).map(({ kind }) => kind),
    ['connection', 'connection', 'connection'],
  );
  assert.equal(store.available, false);
  assert.equal((await failing(store, group('one', tenAnHour))).kind, 'error');
  const next = await startRedis({ port: own.port });
  await until('the new server', ({ available }) => available);
  const rate: LimitSpec = { kind: 'rate', count: 1000, periodUs: 1_000_000, burst: 1 };
  assert.equal((await take(store, group('one', rate))).charged.length, 1);
  await store.stop();
  await next.stop();
  await own.stop();
});

test('redis: the gateway starts without its store and finds it later', async () => {
  const own = await startRedis();
  await own.kill();
  const { store, until } = startStore({ url: own.url });
  assert.equal(store.available, false);
  assert.equal(store.fleetSize, 1);
  assert.equal((await failing(store, group('one', tenAnHour))).kind, 'error');
  const next = await startRedis({ port: own.port });
  await until('the store', ({ available }) => available);
  assert.equal((await take(store, group('one', tenAnHour))).admitted, 1);
  await store.stop();
  await next.stop();
  await own.stop();
});

test('redis: a full server and one that became a replica are away until they are cured', async () => {
  const { store, until } = await ready();
  const sicknesses: [sick: string[], cured: string[]][] = [
    [
      ['CONFIG', 'SET', 'maxmemory', '1'],
      ['CONFIG', 'SET', 'maxmemory', '0'],
    ],
    [
      ['REPLICAOF', '127.0.0.1', '1'],
      ['REPLICAOF', 'NO', 'ONE'],
    ],
  ];
  for (const [sick, cured] of sicknesses) {
    await redis.command(...sick);
    for (let request = 0; store.available; request++) {
      assert.ok(request < 20);
      assert.match((await failing(store, group(`new-${request}`, tenAnHour))).kind, /error|connection/);
    }
    await redis.command(...cured);
    await until('the cured store', ({ available }) => available);
    assert.equal((await take(store, group(`cured-${cured[0]}`, tenAnHour))).charged.length, 1);
  }
});

test('redis: workers are no members of their own, and a limit is shared out among those of the whole fleet', async () => {
  const one = await ready({ instance: 'one', workers: 3 });
  const two = await ready({ instance: 'two', workers: 2 });
  for (const { until } of [one, two]) await until('both members', ({ members }) => members?.length === 2);
  assert.deepEqual([one.store.sharers, two.store.sharers, one.store.fleetSize], [5, 5, 2]);
  const { members, secret } = one.store;
  const worker = startStore({ instance: 'one', workers: 3, asWorker: { members, secret } });
  assert.deepEqual([worker.store.sharers, worker.store.secret], [5, secret], 'before the store has answered');
  await worker.until('the store', ({ available }) => available);
  assert.equal(await redis.command('ZCARD', 'hg:1:{hg}:members'), 2);
  await worker.store.stop();
  assert.equal(await redis.command('ZCARD', 'hg:1:{hg}:members'), 2, 'it does not leave for the others');
  const other = await ready({ instance: 'one', workers: 3, asWorker: { members: undefined, secret: undefined } });
  await two.store.stop();
  await other.until('one gateway', ({ members: left }) => left?.length === 1);
  assert.deepEqual([other.store.sharers, other.store.secret], [3, secret]);
});

test('redis: a gateway that does not tell its workers is one process', async () => {
  await beatAs('hg', 'old', '0.1.0 abc');
  const one = await ready({ instance: 'one', workers: 2 });
  await one.until('both members', ({ members }) => members?.length === 2);
  assert.equal(one.store.sharers, 3);
});
