import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FarStore, limiterOver, model, subject, window } from '../../test/kit/limits.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { StoreFailure, type TakeCall, type TakeReply } from './limit-store.ts';
import { Limiter } from './limiter.ts';
import { Turn } from './turn.ts';

/** A store with a bug: `take` does what the test says. */
class BrokenStore extends FarStore {
  misbehave: ((call: TakeCall) => Promise<TakeReply>) | undefined;

  override take(call: TakeCall): Promise<TakeReply> {
    return this.misbehave?.(call) ?? super.take(call);
  }
}

function setUpBroken(misbehave: BrokenStore['misbehave']) {
  const clock = new FakeClock();
  const store = new BrokenStore(clock);
  const logged: Record<string, unknown>[] = [];
  const log = { error: (message: string, fields = {}) => void logged.push({ message, ...fields }) };
  const limiter = limiterOver(store, clock, 'secret', { log });
  const route = limiter.compile([model('a', window(10))], 'r');
  store.misbehave = misbehave;
  const decide = (clientIp: string) => limiter.decide(route, subject({ clientIp }));
  return { clock, store, limiter, route, logged, decide };
}

const throwing = () => {
  throw new TypeError('a bug');
};

test('a store that throws: every request of the turn goes on by the local share, and the bug is logged', async () => {
  const { decide, logged, store } = setUpBroken(throwing);
  // More than one call holds: the second call is not forgotten for the first one's sake.
  const asked = Array.from({ length: 300 }, (_, at) => decide(`10.0.${at >> 8}.${at & 255}`));
  const verdicts = await Promise.all(asked);
  assert.ok(verdicts.every(({ admitted, entries }) => admitted && entries[0]!.mode === 'local'));
  assert.equal(logged.length, 1);
  assert.match(String(logged[0]!.stack), /TypeError: a bug/);
  store.misbehave = undefined;
  assert.equal((await decide('10.9.9.9')).entries[0]!.mode, 'strict');
});

test('a promise that rejects with what is no StoreFailure is a bug too; an expected failure is not logged', async () => {
  const { decide, logged, store } = setUpBroken(() => Promise.reject(new TypeError('a bug')));
  assert.equal((await decide('10.0.0.1')).entries[0]!.mode, 'local');
  assert.equal(logged.length, 1);
  store.misbehave = () => Promise.reject(new StoreFailure('deadline', 'slow'));
  assert.equal((await decide('10.0.0.1')).entries[0]!.mode, 'local');
  assert.equal(logged.length, 1);
});

test('a reply with too few decisions fails those that are missing, and only those', async () => {
  const { decide, logged, store } = setUpBroken(undefined);
  const plain = (call: TakeCall) => FarStore.prototype.take.call(store, call) as Promise<TakeReply>;
  store.misbehave = async (call) => {
    const reply = await plain(call);
    return { ...reply, decisions: reply.decisions.slice(0, 1) };
  };
  const [first, second] = await Promise.all([decide('10.0.0.1'), decide('10.0.0.2')]);
  assert.equal(first!.entries[0]!.mode, 'strict');
  assert.equal(second!.entries[0]!.mode, 'local');
  assert.equal(logged.length, 1);
});

test('a bug that repeats is logged once a second, with how often it was met', async () => {
  const { decide, logged, clock } = setUpBroken(throwing);
  for (let request = 0; request < 5; request++) await decide('10.0.0.1');
  assert.equal(logged.length, 1);
  clock.advanceSync(1000);
  await decide('10.0.0.1');
  assert.deepEqual(
    logged.map(({ times }) => times),
    [1, 5],
  );
});

test('a decision that cannot be read rejects for its own request alone: it is answered as a bug', async () => {
  const { decide, store } = setUpBroken(undefined);
  const plain = (call: TakeCall) => FarStore.prototype.take.call(store, call) as Promise<TakeReply>;
  store.misbehave = async (call) => {
    const reply = await plain(call);
    Object.defineProperty(reply.decisions[0]!, 'remaining', { value: undefined });
    return reply;
  };
  const [first, second] = await Promise.allSettled([decide('10.0.0.1'), decide('10.0.0.2')]);
  assert.equal(first!.status, 'rejected');
  assert.equal(second!.status, 'fulfilled');
});

test('without a log a bug is still seen: as a warning of the process', async () => {
  const clock = new FakeClock();
  const store = new BrokenStore(clock);
  const limiter = limiterOver(store, clock, 'secret');
  assert.ok(limiter instanceof Limiter);
  store.misbehave = throwing;
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
  await limiter.decide(limiter.compile([model('a', window(10))], 'r'), subject());
  assert.match((await warned).message, /a bug/);
});

test('a waiter that throws does not keep the others waiting', () => {
  const clock = new FakeClock();
  const store = new BrokenStore(clock);
  const bugs: unknown[] = [];
  let flush = () => {};
  const turn = new Turn(
    store,
    (run) => {
      flush = run;
    },
    (bug) => bugs.push(bug),
  );
  const failed: string[] = [];
  const waiter = (name: string) => ({
    decided: throwing,
    failed: () => {
      failed.push(name);
      if (name === 'first') throw new Error('again');
    },
  });
  store.misbehave = throwing;
  const set = { limits: [{ name: 'a' }], compiled: [], shadows: [] } as never;
  for (const name of ['first', 'second'])
    turn.add(set, [{ storeKey: name, hash: name, partition: 0 }], [1], waiter(name));
  flush();
  assert.deepEqual(failed, ['first', 'second']);
  assert.equal(bugs.length, 2);
});
