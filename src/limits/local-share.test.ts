import assert from 'node:assert/strict';
import { test } from 'node:test';
import { model, now, setUp, subject, window } from '../../test/kit/limits.ts';
import type { LimitSpec } from '../core/limit/spec.ts';
import type { RouteLimits } from './bound-limit.ts';
import type { Limiter } from './limiter.ts';

const quota: LimitSpec = { kind: 'quota', limit: 10, period: 'month', timezone: 'UTC' };

async function spend(limiter: Limiter, route: RouteLimits, requests: number): Promise<void> {
  await Promise.all(Array.from({ length: requests }, () => limiter.decide(route, subject())));
}

/** How many of many requests this gateway's share admits. */
function admitted(limiter: Limiter, ...routes: RouteLimits[]): number {
  return routes.flatMap((route) => Array.from({ length: 20 }, () => now(limiter, route))).filter((v) => v.admitted)
    .length;
}

for (const [name, spec] of Object.entries({ window: window(10), quota })) {
  test(`${name}: what one route saw of a key is known to every route that uses the limit`, async () => {
    const { limiter, store } = setUp(true);
    store.fleetSize = 2;
    const [one, other] = ['one', 'other'].map((route) => limiter.compile([model('a', spec)], route)) as [
      RouteLimits,
      RouteLimits,
    ];
    await spend(limiter, one, 6);
    store.available = false;
    // 4 are left, 2 of them for each of two gateways; over both routes, whichever is asked first.
    assert.equal(admitted(limiter, other, one), 2);
  });

  test(`${name}: what was seen of a key survives a reload`, async () => {
    const { limiter, store } = setUp(true);
    await spend(limiter, limiter.compile([model('a', spec)], 'r'), 7);
    const reloaded = limiter.compile([model('a', spec)], 'r');
    store.available = false;
    assert.equal(admitted(limiter, reloaded), 3);
  });
}

test('the route that saw a key last is the one believed', async () => {
  const { limiter, store } = setUp(true);
  const one = limiter.compile([model('a', window(10))], 'one');
  const other = limiter.compile([model('a', window(10))], 'other');
  await spend(limiter, one, 1);
  await spend(limiter, other, 8);
  store.available = false;
  assert.equal(admitted(limiter, one), 1);
});

test('limits with a bucket per route are seen apart', async () => {
  const { limiter, store } = setUp(true);
  const [one, other] = ['one', 'other'].map((route) =>
    limiter.compile([model('a', window(10), { scope: 'route' })], route),
  ) as [RouteLimits, RouteLimits];
  await spend(limiter, one, 10);
  store.available = false;
  assert.deepEqual([admitted(limiter, one), admitted(limiter, other)], [0, 10]);
});

test('a key in use is remembered through a flood of others, and the memory stays bounded', async () => {
  const { limiter, store } = setUp(true);
  const route = limiter.compile([model('a', window(10))], 'r');
  const hot = limiter.compile([model('hot', window(1000))], 'r');
  await spend(limiter, hot, 1);
  let clients = 0;
  for (let batch = 0; batch < 40; batch++) {
    const flood = Array.from({ length: 2500 }, () =>
      limiter.decide(route, subject({ clientIp: `10.${clients >> 16}.${(clients >> 8) & 255}.${clients++ & 255}` })),
    );
    await Promise.all(flood);
    await spend(limiter, hot, 1);
  }
  assert.ok(limiter.keysSeen < 70_000, String(limiter.keysSeen));
  store.available = false;
  assert.equal(now(limiter, hot).entries[0]!.remaining, 1000 - 41 - 1);
});
