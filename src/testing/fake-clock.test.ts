import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from './fake-clock.ts';

test('timers fire in time order and see the time at which they were due', async () => {
  const clock = new FakeClock(100.5);
  const seen: [string, number][] = [];
  clock.after(20, () => seen.push(['b', clock.nowMs()]));
  clock.after(10, () => seen.push(['a', clock.nowMs()]));
  clock.after(20, () => seen.push(['c', clock.nowMs()]));
  clock.after(31, () => seen.push(['late', clock.nowMs()]));
  await clock.advance(30);
  assert.deepEqual(seen, [
    ['a', 110.5],
    ['b', 120.5],
    ['c', 120.5],
  ]);
  assert.equal(clock.nowMs(), 130.5);
  assert.equal(clock.pending, 1);
  assert.equal(clock.nextInMs, 1);
});

test('timers made by timers and by promises fire within the same advance', async () => {
  const clock = new FakeClock();
  const start = clock.nowMs();
  const seen: number[] = [];
  const tick = (): void => {
    seen.push(clock.nowMs() - start);
    Promise.resolve().then(() => clock.after(10, tick));
  };
  clock.after(10, tick);
  await clock.advance(35);
  assert.deepEqual(seen, [10, 20, 30]);
});

test('a cancelled timer never fires, and cancelling twice or late does nothing', async () => {
  const clock = new FakeClock();
  let fired = 0;
  const cancel = clock.after(1, () => fired++);
  const late = clock.after(1, () => fired++);
  cancel();
  cancel();
  await clock.advance(1);
  late();
  assert.equal(fired, 1);
  assert.equal(clock.pending, 0);
});

test('the wall clock follows, is an integer, and steps alone', () => {
  const clock = new FakeClock();
  const wall = clock.wallUs();
  const now = clock.nowMs();
  assert.ok(Number.isInteger(wall));
  clock.advanceSync(1.5);
  assert.equal(clock.wallUs() - wall, 1500);
  clock.stepWall(-3_600_000_000);
  assert.equal(clock.wallUs() - wall, 1500 - 3_600_000_000);
  assert.equal(clock.nowMs() - now, 1.5);
});

test('time does not move back', async () => {
  const clock = new FakeClock();
  assert.throws(() => clock.advanceSync(-1), RangeError);
  await assert.rejects(clock.advance(Number.NaN), RangeError);
});

test('a timer that fires advances time only through the advance that ran it', () => {
  const clock = new FakeClock();
  const start = clock.nowMs();
  clock.after(5, () => clock.advanceSync(10));
  clock.advanceSync(6);
  assert.equal(clock.nowMs() - start, 15);
});
