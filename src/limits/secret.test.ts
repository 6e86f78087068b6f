import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FarStore, limiterOver, model, now, setUp, subject, window } from '../../test/kit/limits.ts';
import { FakeClock } from '../testing/fake-clock.ts';

test('a changed secret makes new keys on every route, compiled before or after; the first one gives the old keys', () => {
  const { limiter } = setUp();
  const before = limiter.compile([model('a', window(10))], 'one');
  const hash = (route = before) => now(limiter, route).entries[0]!.keyHash;
  const first = hash();
  limiter.setSecret('another');
  const second = hash();
  assert.notEqual(second, first);
  assert.equal(hash(limiter.compile([model('a', window(10))], 'two')), second);
  limiter.setSecret('another');
  assert.equal(hash(), second);
  limiter.setSecret('secret');
  assert.equal(hash(), first);
});

test('in memory, a secret that is taken out of the configuration is used no longer', () => {
  const { limiter } = setUp();
  const route = limiter.compile([model('a', window(10))], 'r');
  const first = now(limiter, route).entries[0]!.keyHash;
  limiter.setSecret(undefined);
  const second = now(limiter, route).entries[0]!.keyHash;
  assert.notEqual(second, first);
  limiter.setSecret(undefined);
  assert.equal(now(limiter, route).entries[0]!.keyHash, second);
});

test('a store of a fleet is told of the configured secret; without one its own holds as soon as it is known', async () => {
  const clock = new FakeClock();
  const store = new FarStore(clock);
  const limiter = limiterOver(store, clock, 'secret');
  const route = limiter.compile([model('a', window(10))], 'r');
  const hash = async () => (await limiter.decide(route, subject())).entries[0]!.keyHash;
  const configured = await hash();
  limiter.setSecret(undefined);
  assert.deepEqual(store.secretsSet, [undefined]);
  // Until the fleet's is known the present one stays: the others may still have it.
  assert.equal(await hash(), configured);
  store.secret = 'of the fleet';
  const fleets = await hash();
  assert.notEqual(fleets, configured);
  limiter.setSecret('secret');
  assert.deepEqual(store.secretsSet, [undefined, 'secret']);
  assert.equal(await hash(), configured);
});

test('the local share does not take what was seen under the old secret for the new key', async () => {
  const clock = new FakeClock();
  const store = new FarStore(clock);
  const limiter = limiterOver(store, clock, 'secret');
  const route = limiter.compile([model('a', window(10))], 'r');
  await limiter.decide(route, subject());
  limiter.setSecret('another');
  assert.equal(limiter.keysSeen, 0);
  store.available = false;
  assert.equal(now(limiter, route).entries[0]!.remaining, 9);
});
