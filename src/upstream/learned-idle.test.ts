import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LearnedIdle } from './learned-idle.ts';

test('after one close a connection is kept for less than the age that the endpoint closed it at', () => {
  const learned = new LearnedIdle();
  assert.equal(learned.limitMs(0), Number.POSITIVE_INFINITY);
  learned.closed(1000, 5000);
  assert.equal(learned.limitMs(5001), 800);
});

test('a restart, which closes young and old at once, teaches nothing', () => {
  const learned = new LearnedIdle();
  learned.closed(30_000, 1_000_000);
  const known = learned.limitMs(1_000_000);
  for (const [age, at] of [
    [100, 1_050_000],
    [3000, 1_050_001],
    [700, 1_050_002],
  ] as const)
    learned.closed(age, at);
  assert.equal(learned.limitMs(1_050_003), known);
});

test('several closed together at the same age teach that age', () => {
  const learned = new LearnedIdle();
  for (const age of [1000, 1004, 999]) learned.closed(age, 20_000);
  assert.ok(Math.abs(learned.limitMs(20_001) - 799.2) < 0.01);
});

test('what was learned is doubted after ten minutes without a close', () => {
  const learned = new LearnedIdle();
  learned.closed(1000, 0);
  assert.equal(learned.limitMs(599_000), 800);
  assert.equal(learned.limitMs(600_001), 1600);
  assert.equal(learned.limitMs(600_002), 1600);
});
