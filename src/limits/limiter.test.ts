import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Asked,
  FarStore,
  limiterOver,
  model,
  now,
  rate,
  rateLimitLines,
  setUp,
  subject,
  window,
} from '../../test/kit/limits.ts';
import type { GroupDecision } from '../core/limit/decision.ts';
import type { LimitSpec } from '../core/limit/spec.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import type { RouteLimits } from './bound-limit.ts';
import { limitProblem } from './limit-answer.ts';
import type { LimitModel } from './limit-model.ts';

test('in memory: decided at once, with an entry per limit and its counts', () => {
  const { limiter, counted } = setUp();
  const route = limiter.compile([model('a', window(2)), model('b', rate(10))], 'orders');
  const verdicts = [now(limiter, route), now(limiter, route), now(limiter, route)];
  assert.deepEqual(
    verdicts.map(({ admitted, failure }) => [admitted, failure]),
    [
      [true, undefined],
      [true, undefined],
      [false, 'rate-limited'],
    ],
  );
  assert.equal(verdicts[2]!.retryAfterMs, 3_600_000);
  const [denied, fitting] = verdicts[2]!.entries;
  assert.deepEqual([denied!.ok, denied!.remaining, denied!.waitMs, denied!.mode], [false, 0, 3_600_000, 'strict']);
  assert.deepEqual([fitting!.ok, fitting!.remaining, fitting!.cost], [true, 8, 1]);
  assert.match(denied!.keyHash, /^[\w-]{16}$/);
  assert.deepEqual(counted, [
    'a/orders allowed strict',
    'b/orders allowed strict',
    'a/orders allowed strict',
    'b/orders allowed strict',
    'a/orders denied strict',
  ]);
  const views = limiter.view([model('a', window(2))]);
  assert.deepEqual(views, [{ name: 'a', mode: 'strict', allowed: 2, refused: 1, storeLatencyMs: undefined }]);
});

test('a reload keeps what was spent: routes compiled anew find their keys', () => {
  const { limiter } = setUp();
  const before = limiter.compile([model('a', window(10))], 'orders');
  for (let request = 0; request < 4; request++) now(limiter, before);
  const after = limiter.compile([model('a', window(5))], 'other-route');
  assert.equal(now(limiter, after).entries[0]!.remaining, 0);
});

test('scope route: one bucket per route; global: one wherever it is used', () => {
  const { limiter } = setUp();
  for (const [scope, left] of [
    ['global', 8],
    ['route', 9],
  ] as const) {
    const own = model(`a-${scope}`, window(10), { scope });
    now(limiter, limiter.compile([own], 'one'));
    assert.equal(now(limiter, limiter.compile([own], 'two')).entries[0]!.remaining, left);
  }
});

test('keys: an IPv6 client is its prefix, and no value of one source meets that of another', () => {
  const { limiter } = setUp();
  const byIp = limiter.compile([model('a', window(10))], 'r');
  const hashOf = (route: RouteLimits, asked: Asked) => now(limiter, route, asked).entries[0]!.keyHash;
  assert.equal(hashOf(byIp, { clientIp: '2001:db8::1' }), hashOf(byIp, { clientIp: '2001:db8::ffff:1' }));
  assert.notEqual(hashOf(byIp, { clientIp: '2001:db8::1' }), hashOf(byIp, { clientIp: '2001:db8:0:1::1' }));
  const byHeader = limiter.compile([model('a', window(10), { key: [{ source: 'header', name: 'x-ip' }] })], 'r');
  assert.notEqual(hashOf(byHeader, { headers: { 'x-ip': '198.51.100.7' } }), hashOf(byIp, {}));
  // Without the header the address stands in, under its own source: the same bucket as by address.
  assert.equal(hashOf(byHeader, {}), hashOf(byIp, {}));
  const composite = model('a', window(10), { key: ['a', 'b'].map((name) => ({ source: 'header' as const, name })) });
  const byBoth = limiter.compile([composite], 'r');
  const hashes = [{ a: 'x', b: 'yz' }, { a: 'xy', b: 'z' }, { a: 'x1:y', b: 'z' }, { a: 'x' }].map((headers) =>
    hashOf(byBoth, { headers }),
  );
  assert.equal(new Set(hashes).size, hashes.length);
});

test('every source of a key is read', () => {
  const { limiter } = setUp();
  const key = [
    { source: 'header', name: 'x-key' },
    { source: 'cookie', name: 'sid' },
    { source: 'query', name: 'q' },
    { source: 'path', name: 'id' },
    { source: 'route' },
    { source: 'method' },
    { source: 'host' },
    { source: 'client.ip' },
  ] as const;
  const limit = model('a', window(100), { key });
  const base: Asked = { headers: { 'x-key': '1' }, cookies: { sid: '1' }, query: { q: '1' }, params: { id: '1' } };
  const changed: Asked[] = [
    base,
    { ...base, headers: { 'x-key': '2' } },
    { ...base, cookies: { sid: '2' } },
    { ...base, query: { q: '2' } },
    { ...base, params: { id: '2' } },
    { ...base, method: 'PUT' },
    { ...base, host: 'other' },
    { ...base, clientIp: '::1' },
  ];
  const hashes = changed.map((asked) => now(limiter, limiter.compile([limit], 'r'), asked).entries[0]!.keyHash);
  hashes.push(now(limiter, limiter.compile([limit], 'other'), base).entries[0]!.keyHash);
  assert.equal(new Set(hashes).size, hashes.length);
});

test('onMissingKey: shared, skip and deny', () => {
  const { limiter, counted } = setUp();
  const key = [{ source: 'header' as const, name: 'x-api-key' }];
  const route = (onMissingKey: LimitModel['onMissingKey'], more: Partial<LimitModel> = {}) =>
    limiter.compile([model('per-key', window(2), { key, onMissingKey, ...more })], 'r');
  const shared = route('shared');
  now(limiter, shared, { clientIp: '10.0.0.1' });
  assert.equal(now(limiter, shared, { clientIp: '10.0.0.2' }).entries[0]!.remaining, 0);
  const skipped = now(limiter, route('skip'));
  assert.deepEqual([skipped.admitted, skipped.entries.length], [true, 0]);
  const denied = now(limiter, route('deny'));
  assert.deepEqual([denied.admitted, denied.failure, denied.retryAfterMs], [false, 'rate-limited', undefined]);
  assert.deepEqual(limitProblem(denied), {
    detail: 'Limit "per-key" needs header x-api-key, and the request has none.',
    violatedPolicies: ['per-key'],
    retryAfterS: undefined,
  });
  assert.equal(now(limiter, route('deny', { shadow: true })).admitted, true);
  assert.deepEqual(counted.slice(-2), ['per-key/r denied strict', 'per-key/r shadow_denied strict']);
});

test('except: by address, path and method: not limited and not counted', () => {
  const { limiter, counted } = setUp();
  const except = { ip: ['10.0.0.0/8'], path: ['/healthz', '/open/*'], methods: ['OPTIONS'] };
  const route = limiter.compile([model('a', window(1), { except }), model('b', window(100))], 'r');
  const exceptions: Asked[] = [
    { clientIp: '10.1.1.1' },
    { path: '/healthz' },
    { path: '/open/x' },
    { method: 'OPTIONS' },
  ];
  for (const asked of exceptions)
    assert.deepEqual(
      now(limiter, route, asked).entries.map(({ name }) => name),
      ['b'],
    );
  assert.ok(!counted.some((line) => line.startsWith('a/')));
  assert.equal(now(limiter, route).admitted, true);
  assert.equal(now(limiter, route).admitted, false);
});

test('shadow: evaluated and counted, never refused, and invisible in the fields', () => {
  const { limiter, counted } = setUp();
  const route = limiter.compile([model('tight', window(1), { shadow: true }), model('wide', window(10))], 'r');
  now(limiter, route);
  const verdict = now(limiter, route);
  assert.equal(verdict.admitted, true);
  assert.deepEqual(
    verdict.entries.map(({ ok, shadow }) => [ok, shadow]),
    [
      [false, true],
      [true, false],
    ],
  );
  assert.equal(counted.at(-2), 'tight/r shadow_denied strict');
  assert.deepEqual(rateLimitLines(verdict, route, 'standard'), [
    ['RateLimit-Policy', '"wide";q=10;w=3600'],
    ['RateLimit', '"wide";r=8;t=3600'],
  ]);
});

test('the answer to a refusal is the one the behaviour page shows', () => {
  const { limiter, clock } = setUp();
  const perClient = model('per-client', rate(20, 60_000_000));
  const route = limiter.compile([perClient, model('per-key', window(1000))], 'r');
  for (let request = 0; request < 20; request++) now(limiter, route);
  clock.advanceSync(0.5);
  const verdict = now(limiter, route);
  assert.deepEqual(limitProblem(verdict), {
    detail: 'Limit "per-client" allows 20 requests per 60 s. Retry in 3 s.',
    violatedPolicies: ['per-client'],
    retryAfterS: 3,
  });
  assert.deepEqual(rateLimitLines(verdict, route, 'both'), [
    ['RateLimit-Policy', '"per-client";q=20;w=60, "per-key";q=1000;w=3600'],
    ['RateLimit', '"per-client";r=0;t=3'],
    ['X-RateLimit-Limit', '20'],
    ['X-RateLimit-Remaining', '0'],
    ['X-RateLimit-Reset', '3'],
  ]);
  assert.deepEqual(rateLimitLines(verdict, route, false), []);
  assert.deepEqual(rateLimitLines(verdict, route, 'legacy').map(([name]) => name)[0], 'X-RateLimit-Limit');
});

test('a cost above the capacity: refused without a time to retry, charged nowhere', () => {
  const { limiter } = setUp();
  const route = limiter.compile([model('a', rate(20), { cost: 21 }), model('b', window(1))], 'r');
  const verdict = now(limiter, route);
  assert.deepEqual([verdict.admitted, verdict.retryAfterMs], [false, undefined]);
  assert.deepEqual(rateLimitLines(verdict, route, 'standard')[1], ['RateLimit', '"a";r=20']);
  assert.equal(limitProblem(verdict).retryAfterS, undefined);
  assert.match(limitProblem(verdict).detail, /allows 20 requests per 1 s\. This request costs 21, more than the 20/);
  assert.equal(now(limiter, limiter.compile([model('b', window(1))], 'r')).admitted, true);
});

test('the policy of a quota states the length of the running period', () => {
  const { limiter } = setUp();
  const monthly: LimitSpec = { kind: 'quota', limit: 1000, period: 'month', timezone: 'UTC' };
  const route = limiter.compile([model('a', monthly)], 'r');
  assert.deepEqual(rateLimitLines(now(limiter, route), route, 'standard')[0], [
    'RateLimit-Policy',
    '"a";q=1000;w=2678400',
  ]);
});

test('beyond a network: decisions of one turn are one call, requests that are alike one group', async () => {
  const { limiter, store } = setUp(true);
  const route = limiter.compile([model('a', window(3)), model('b', window(100))], 'r');
  const asked = ['1.1.1.1', '2.2.2.2', '1.1.1.1', '1.1.1.1', '1.1.1.1'];
  const verdicts = await Promise.all(asked.map((clientIp) => limiter.decide(route, subject({ clientIp }))));
  assert.equal(store.calls.length, 1);
  assert.deepEqual(
    store.calls[0]!.groups.map(({ count }) => count),
    [4, 1],
  );
  assert.deepEqual(
    verdicts.map(({ admitted }) => admitted),
    [true, true, true, true, false],
  );
  assert.deepEqual(
    verdicts.map(({ entries }) => entries[0]!.remaining),
    [2, 2, 1, 0, 0],
  );
  assert.deepEqual(
    verdicts.map(({ entries }) => entries[1]!.remaining),
    [99, 99, 98, 97, 97],
  );
  assert.deepEqual(
    verdicts.map(({ entries }) => entries[0]!.ok),
    [true, true, true, true, false],
  );
});

test('more groups than a call may carry go in several calls of the same turn', async () => {
  const { limiter, store } = setUp(true);
  const route = limiter.compile([model('a', window(3))], 'r');
  const verdicts = await Promise.all(
    Array.from({ length: 600 }, (_, at) => limiter.decide(route, subject({ clientIp: `10.0.${at >> 8}.${at & 255}` }))),
  );
  assert.deepEqual(
    store.calls.map(({ groups }) => groups.length),
    [256, 256, 88],
  );
  assert.ok(verdicts.every(({ admitted }) => admitted));
});

test('a failed call is decided by the local share; windows start from what was last seen, rates from nothing', async () => {
  const { limiter, store, clock, counted } = setUp(true);
  store.fleetSize = 2;
  const route = limiter.compile([model('a', window(10))], 'r');
  await Promise.all([1, 2, 3, 4].map(() => limiter.decide(route, subject())));
  store.fails = true;
  const failed = await limiter.decide(route, subject());
  // 6 were left, 3 of them for each of two gateways.
  assert.deepEqual([failed.admitted, failed.entries[0]!.mode, failed.entries[0]!.remaining], [true, 'local', 2]);
  assert.deepEqual(counted.slice(-2), ['a/r failed strict', 'a/r allowed local']);
  store.available = false;
  const verdicts = [1, 2, 3].map(() => now(limiter, route));
  assert.deepEqual(
    verdicts.map(({ admitted }) => admitted),
    [true, true, false],
  );
  assert.deepEqual(rateLimitLines(verdicts[0]!, route, 'standard').at(-1), ['X-RateLimit-Mode', 'local']);
  // Never seen: the share. One window after the loss: the share again.
  assert.equal(now(limiter, route, { clientIp: '10.0.0.9' }).entries[0]!.remaining, 4);
  clock.advanceSync(3_600_000);
  assert.equal(now(limiter, route).entries[0]!.remaining, 4);
  const rates = limiter.compile([model('b', rate(10))], 'r');
  clock.advanceSync(100);
  assert.equal(limiter.view([model('b', rate(10))])[0]!.mode, 'local');
  assert.equal(now(limiter, rates).admitted, true);
});

test('the local rate starts with no tokens and fills at the share', () => {
  const { limiter, store, clock } = setUp(true);
  store.fleetSize = 4;
  store.available = false;
  const route = limiter.compile([model('a', rate(40, 1_000_000, 8))], 'r');
  assert.equal(now(limiter, route).admitted, false);
  clock.advanceSync(100);
  assert.deepEqual(
    [now(limiter, route), now(limiter, route)].map(({ admitted }) => admitted),
    [true, false],
  );
  clock.advanceSync(5000);
  assert.deepEqual(
    [1, 2, 3].map(() => now(limiter, route).admitted),
    [true, true, false],
  );
});

test('a limit smaller than the fleet has a share of one; a cost above the share takes the whole share', () => {
  const { limiter, store, clock } = setUp(true);
  store.fleetSize = 5;
  store.available = false;
  const small = limiter.compile([model('a', window(3))], 'r');
  assert.deepEqual(
    [1, 2].map(() => now(limiter, small).admitted),
    [true, false],
  );
  const costly = limiter.compile([model('b', rate(10, 1_000_000, 10), { cost: 8 })], 'r');
  now(limiter, costly);
  clock.advanceSync(1000);
  assert.deepEqual(
    [1, 2].map(() => now(limiter, costly).admitted),
    [true, false],
  );
  const never = limiter.compile([model('c', rate(10), { cost: 11 })], 'r');
  assert.equal(now(limiter, never).retryAfterMs, undefined);
});

test('a quota goes on from its last remaining, for the running period only', async () => {
  const { limiter, store, clock } = setUp(true);
  const route = limiter.compile([model('a', { kind: 'quota', limit: 10, period: 'minute', timezone: 'UTC' })], 'r');
  await Promise.all(Array.from({ length: 9 }, () => limiter.decide(route, subject())));
  store.available = false;
  assert.deepEqual(
    [1, 2].map(() => now(limiter, route).admitted),
    [true, false],
  );
  clock.advanceSync(60_000);
  assert.equal(now(limiter, route).entries[0]!.remaining, 9);
});

test('the store is back: its decisions count again, and the next outage starts anew', async () => {
  const { limiter, store } = setUp(true);
  const route = limiter.compile([model('a', window(10))], 'r');
  store.available = false;
  for (let request = 0; request < 10; request++) assert.equal(now(limiter, route).admitted, true);
  assert.equal(now(limiter, route).admitted, false);
  store.available = true;
  const back = await limiter.decide(route, subject());
  assert.deepEqual([back.admitted, back.entries[0]!.mode, back.entries[0]!.remaining], [true, 'strict', 9]);
  store.available = false;
  assert.equal(now(limiter, route).entries[0]!.remaining, 8);
});

test('onStoreFailure: deny refuses with 503, allow lets through without numbers, beside a local limit', () => {
  const { limiter, store, counted } = setUp(true);
  store.available = false;
  const local = model('local', window(1));
  const allow = model('allow', window(5), { onStoreFailure: 'allow' });
  const deny = model('deny', window(5), { onStoreFailure: 'deny' });
  const open = limiter.compile([allow], 'r');
  const verdict = now(limiter, open);
  assert.equal(verdict.admitted, true);
  assert.deepEqual(rateLimitLines(verdict, open, 'standard'), [
    ['RateLimit-Policy', '"allow";q=5;w=3600'],
    ['X-RateLimit-Mode', 'local'],
  ]);
  const mixed = limiter.compile([allow, local], 'r');
  assert.deepEqual(
    [1, 2].map(() => now(limiter, mixed).admitted),
    [true, false],
  );
  assert.deepEqual(
    now(limiter, mixed).entries.map(({ name, ok }) => [name, ok]),
    [
      ['allow', true],
      ['local', false],
    ],
  );
  const closed = now(limiter, limiter.compile([local, deny], 'r'));
  assert.deepEqual([closed.admitted, closed.failure, closed.retryAfterMs], [false, 'store-failed', 1000]);
  assert.equal(limitProblem(closed).violatedPolicies, undefined);
  assert.equal(counted.at(-1), 'deny/r failed local');
});

test('a secret that the store brings later makes new keys, once', async () => {
  const clock = new FakeClock();
  const store = new FarStore(clock);
  const limiter = limiterOver(store, clock, undefined);
  const route = limiter.compile([model('a', window(10))], 'r');
  const hash = async () => (await limiter.decide(route, subject())).entries[0]!.keyHash;
  const first = await hash();
  store.secret = 'of the fleet';
  const second = await hash();
  assert.notEqual(first, second);
  assert.equal(await hash(), second);
});

test('the key in the store has the fixed form, and limits that share their first part a partition', async () => {
  const { limiter, store } = setUp(true);
  const shared = { source: 'header' as const, name: 'x-tenant' };
  const route = limiter.compile(
    [
      model('one', window(5), { key: [shared] }),
      model('two', rate(5), { key: [shared, { source: 'client.ip' }], scope: 'route' }),
      model('three', { kind: 'quota', limit: 5, period: 'day', timezone: 'UTC' }, { key: [shared] }),
      model('all', window(5), { key: [] }),
    ],
    'r',
  );
  await limiter.decide(route, subject({ headers: { 'x-tenant': 'acme' } }));
  const { keys } = store.calls[0]!.groups[0]!;
  const forms = keys.map(
    ({ storeKey }) => /^headgate:1:\{hg\.([0-9a-f]{2})\}:(\w+):(\w+):([\w-]{16})$/.exec(storeKey)!,
  );
  assert.deepEqual(
    forms.map((form) => [form[2], form[3]]),
    [
      ['one', 'window'],
      ['two', 'rate'],
      ['three', 'quota'],
      ['all', 'window'],
    ],
  );
  assert.deepEqual(
    forms.map((form) => Number.parseInt(form[1]!, 16)),
    keys.map(({ partition }) => partition),
  );
  assert.equal(new Set(keys.slice(0, 3).map(({ partition }) => partition)).size, 1);
  assert.deepEqual(
    forms.map((form) => form[4]),
    keys.map(({ hash }) => hash),
  );
});

test('a limit named twice counts once', () => {
  const { limiter } = setUp();
  const route = limiter.compile([model('a', window(10)), model('a', window(10))], 'r');
  const decision: Pick<GroupDecision, 'admitted'> = { admitted: now(limiter, route).entries.length };
  assert.equal(decision.admitted, 1);
  assert.equal(now(limiter, route).entries[0]!.remaining, 8);
});
