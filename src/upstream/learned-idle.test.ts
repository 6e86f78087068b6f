import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LearnedIdle } from './learned-idle.ts';

test('after one close a connection is kept for less than the age that the endpoint closed it at', () => {
  const learned = new LearnedIdle();
  assert.equal(learned.limitMs, Number.POSITIVE_INFINITY);
  learned.closed(1000, 5000);
  assert.equal(learned.limitMs, 800);
});

test('a restart, which closes young and old at once, teaches nothing', () => {
  const learned = new LearnedIdle();
  learned.closed(30_000, 1_000_000);
  const known = learned.limitMs;
  for (const [age, at] of [
    [100, 1_050_000],
    [3000, 1_050_001],
    [700, 1_050_002],
  ] as const)
    learned.closed(age, at);
  assert.equal(learned.limitMs, known);
});

test('several closed together at the same age teach that age', () => {
  const learned = new LearnedIdle();
  for (const age of [1000, 1004, 999]) learned.closed(age, 20_000);
  assert.ok(Math.abs(learned.limitMs - 799.2) < 0.01);
});

test('what was learned is doubted after a minute without news', () => {
  const learned = new LearnedIdle();
  assert.equal(learned.isDoubted(1_000_000), false, 'nothing was learned');
  learned.closed(1000, 0);
  assert.deepEqual([learned.isDoubted(60_000), learned.isDoubted(60_001)], [false, true]);
  learned.closed(1000, 60_001);
  assert.deepEqual([learned.limitMs, learned.isDoubted(60_002)], [800, false]);
  learned.survived(1600, 200_000);
  assert.deepEqual([learned.limitMs, learned.isDoubted(200_001)], [1600, false]);
  learned.closed(1500, 200_010);
  assert.equal(learned.limitMs, 1200, 'what a test found does not shield what comes right after');
});
