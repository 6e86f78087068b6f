import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GroupDecision } from '../../core/limit/decision.ts';
import { compileLimit } from '../../core/limit/kind.ts';
import type { LimitSpec } from '../../core/limit/spec.ts';
import { limitSet } from '../../limits/limit-store.ts';
import { limitStoreContract } from '../../limits/limit-store-contract.ts';
import { MemoryStore } from './memory-store.ts';

const START_US = 1_732_454_400_123_457;

function at(startUs = START_US) {
  const clock = { us: startUs };
  return { clock, store: new MemoryStore({ nowUs: () => clock.us }) };
}

function setOf(spec: LimitSpec) {
  return limitSet([{ name: 'a', compiled: compileLimit(spec), shadow: false }]);
}

const key = (name: string) => ({ storeKey: `x:1:{hg.00}:a:rate:${name}`, hash: name, partition: 0 });

for (const { name, run } of limitStoreContract) test(`memory: ${name}`, () => run(at().store));

test('memory: one decision at a time gives what the batch gives', () => {
  const { clock, store } = at();
  const set = setOf({ kind: 'rate', count: 10, periodUs: 1_000_000, burst: 2 });
  const out = new GroupDecision();
  const seen: [number, number][] = [];
  for (let request = 0; request < 4; request++) {
    store.takeOne(set, [key('one')], [1], out);
    seen.push([out.admitted, out.waitUs[0]!]);
  }
  assert.deepEqual(seen, [
    [1, 0],
    [1, 100_000],
    [0, 100_000],
    [0, 100_000],
  ]);
  clock.us += 100_000;
  store.takeOne(set, [key('one')], [1], out);
  assert.equal(out.admitted, 1);
});

test('memory: a denied request makes no key, and keys that say nothing any more go', () => {
  const { clock, store } = at();
  const set = setOf({ kind: 'rate', count: 10, periodUs: 1_000_000, burst: 2 });
  const out = new GroupDecision();
  store.takeOne(set, [key('never')], [3], out);
  assert.equal(store.size, 0);
  for (let client = 0; client < 5000; client++) store.takeOne(set, [key(`client-${client}`)], [1], out);
  assert.equal(store.size, 5000);
  clock.us += 100_000;
  for (let client = 0; client < 3000; client++) store.takeOne(set, [key(`new-${client}`)], [1], out);
  assert.ok(store.size < 3600, String(store.size));
  clock.us += 100_000;
  store.sweep(10_000);
  assert.equal(store.size, 0);
});

test('memory: a new key beside an old one that is swept for it does not take its place', () => {
  const { clock, store } = at();
  const spec: LimitSpec = { kind: 'rate', count: 10, periodUs: 1_000_000, burst: 5 };
  const [a, b] = [setOf(spec), setOf(spec)].flatMap(({ limits }) => limits);
  const both = limitSet([a!, b!]);
  const out = new GroupDecision();
  const old = { ...key('old'), slot: 0 };
  store.takeOne(limitSet([b!]), [old], [1], out);
  clock.us += 1_000_000;
  const keys = [{ ...key('new'), slot: 0 }, old];
  store.takeOne(both, keys, [1, 3], out);
  assert.deepEqual(out.remaining, [4, 2]);
  store.takeOne(both, keys, [1, 1], out);
  assert.deepEqual(out.remaining, [3, 1]);
  assert.equal(store.size, 2);
});

test('memory: a hint that holds no longer, or was another store\u2019s, is not believed', () => {
  const [one, other] = [at(), at()];
  const set = setOf({ kind: 'rate', count: 10, periodUs: 1_000_000, burst: 5 });
  const out = new GroupDecision();
  const hinted = { ...key('hinted'), slot: 0 };
  other.store.takeOne(set, [key('first there')], [5], out);
  for (const { store } of [one, other, one, other]) store.takeOne(set, [hinted], [1], out);
  assert.equal(out.remaining[0], 3);
  one.clock.us += 10_000_000;
  one.store.sweep(10);
  one.store.takeOne(set, [key('in its place')], [5], out);
  one.store.takeOne(set, [hinted], [1], out);
  assert.equal(out.remaining[0], 4);
});

test('memory: after a step back of the clock nothing waits for the time before it', () => {
  const { clock, store } = at();
  const set = setOf({ kind: 'rate', count: 10, periodUs: 1_000_000, burst: 2 });
  const out = new GroupDecision();
  for (let request = 0; request < 3; request++) store.takeOne(set, [key('one')], [1], out);
  clock.us -= 3_600_000_000;
  store.takeOne(set, [key('one')], [1], out);
  assert.deepEqual([out.admitted, out.waitUs[0]], [0, 100_000]);
  clock.us += 100_000;
  store.takeOne(set, [key('one')], [1], out);
  assert.equal(out.admitted, 1);
});
