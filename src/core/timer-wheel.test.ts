import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TimerWheel, WheelTimer } from './timer-wheel.ts';

const TICK_MS = 20;

test('a timer fires once, at its deadline or up to one tick and one turn later, never early', () => {
  const move = fc.record({
    timer: fc.nat(4),
    delayMs: fc.integer({ min: 0, max: 40_000 }),
    stepMs: fc.integer({ min: 0, max: 900 }),
  });
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
      let nowMs = 12_345.6;
      const wheel = new TimerWheel(TICK_MS, nowMs);
      const due: (number | undefined)[] = [undefined, undefined, undefined, undefined, undefined];
      const timers = due.map(
        (_, index) =>
          new WheelTimer(() => {
            const deadline = due[index];
            assert.ok(deadline !== undefined && deadline <= nowMs, 'fired early or twice');
            due[index] = undefined;
          }),
      );
      const settle = (): void => {
        for (const deadline of due) assert.ok(deadline === undefined || deadline > nowMs - TICK_MS - 1, 'not fired');
      };
      for (const { timer, delayMs, stepMs } of moves) {
        due[timer] = nowMs + delayMs;
        wheel.arm(timers[timer] as WheelTimer, nowMs + delayMs);
        nowMs += stepMs;
        wheel.advance(nowMs);
        settle();
      }
      for (let step = 0; step < 100; step++) {
        nowMs += 500;
        wheel.advance(nowMs);
        settle();
      }
      assert.equal(wheel.linked, 0);
    }),
  );
});

test('a disarmed or removed timer does not fire, and a timer may arm others when it fires', () => {
  const wheel = new TimerWheel(TICK_MS, 0);
  const fired: string[] = [];
  const later = new WheelTimer(() => fired.push('later'));
  const first = new WheelTimer(() => {
    fired.push('first');
    wheel.arm(later, 200);
  });
  const off = new WheelTimer(() => fired.push('off'));
  const gone = new WheelTimer(() => fired.push('gone'));
  wheel.arm(first, 50);
  wheel.arm(off, 50);
  wheel.arm(gone, 50);
  wheel.disarm(off);
  wheel.remove(gone);
  wheel.advance(100);
  assert.deepEqual(fired, ['first']);
  wheel.advance(300);
  assert.deepEqual(fired, ['first', 'later']);
  assert.equal(wheel.linked, 0);
});
