import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { step } from './decision.ts';
import { compileLimit, emptyAt, freshState, heal, level } from './kind.ts';
import { EXACT_UP_TO, SUB_WINDOWS, type WindowState } from './window.ts';

const START_US = 1_732_454_400_123_457;
const windowsUs = fc.constantFrom(1_000_000, 60_000_000, 1_234_567);
const small = fc.integer({ min: 1, max: 12 });
const large = fc.integer({ min: EXACT_UP_TO + 1, max: 400 });

/** Gaps in millionths of a window: bursts, trickles inside a grain, steps to just before and after the edge. */
const share = fc.oneof(fc.constant(0), fc.nat(4_000), fc.nat(50_000), fc.integer({ min: 985_000, max: 1_005_000 }));
const gaps = fc.array(
  fc.record({
    share,
    cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 200 })),
  }),
  { minLength: 1, maxLength: 150, size: 'max' },
);

function copy(state: WindowState): WindowState {
  return { sum: state.sum, entries: [...state.entries], head: state.head };
}

test('window: every rolling window admits at most the limit, small and large', () => {
  fc.assert(
    fc.property(windowsUs, fc.oneof(small, large), gaps, (windowUs, limit, requests) => {
      const compiled = compileLimit({ kind: 'window', limit, windowUs });
      const state = freshState('window');
      const admissions: { us: number; units: number }[] = [];
      let us = START_US;
      for (const { share, cost } of requests) {
        us += Math.floor((share * windowUs) / 1_000_000);
        if (step(compiled, state, cost, us).ok) admissions.push({ us, units: cost });
        const inside = admissions.filter((one) => one.us > us - windowUs).reduce((sum, one) => sum + one.units, 0);
        assert.ok(inside <= limit, `${inside} in one window of ${limit}`);
      }
    }),
  );
});

test('window: up to the threshold capacity comes back to the microsecond, above it at most one grain late', () => {
  fc.assert(
    fc.property(windowsUs, fc.oneof(small, large), gaps, (windowUs, limit, requests) => {
      const compiled = compileLimit({ kind: 'window', limit, windowUs });
      const slackUs = limit <= EXACT_UP_TO ? 0 : Math.ceil(windowUs / SUB_WINDOWS);
      const state = freshState('window');
      const admissions: { us: number; units: number }[] = [];
      let us = START_US;
      for (const { share, cost } of requests) {
        us += Math.floor((share * windowUs) / 1_000_000);
        const { ok } = step(compiled, state, cost, us);
        const horizonUs = us - windowUs - slackUs;
        const counted = admissions.filter((one) => one.us > horizonUs).reduce((sum, one) => sum + one.units, 0);
        assert.ok(ok || counted + cost > limit, `refused ${cost} with ${counted} of ${limit}`);
        if (ok) admissions.push({ us, units: cost });
      }
    }),
  );
});

test('window: the wait is exact: at its end the cost fits, a microsecond before it does not', () => {
  fc.assert(
    fc.property(windowsUs, fc.oneof(small, large), gaps, (windowUs, limit, requests) => {
      const compiled = compileLimit({ kind: 'window', limit, windowUs });
      const state = freshState('window') as WindowState;
      let us = START_US;
      for (const { share, cost } of requests) {
        us += Math.floor((share * windowUs) / 1_000_000);
        const { ok, waitUs } = step(compiled, state, cost, us);
        if (ok || cost > limit) continue;
        assert.equal(step(compiled, copy(state), cost, us + waitUs - 1).ok, false);
        assert.equal(step(compiled, copy(state), cost, us + waitUs).ok, true);
      }
    }),
  );
});

test('window: the state of a large limit does not grow with what is admitted', () => {
  const compiled = compileLimit({ kind: 'window', limit: 5000, windowUs: 1_000_000 });
  const state = freshState('window') as WindowState;
  for (let us = 0; us < 3_000_000; us += 250) step(compiled, state, 1, START_US + us);
  assert.ok(state.entries.length - state.head <= 2 * (SUB_WINDOWS + 2));
  assert.ok(state.entries.length <= 2 * (SUB_WINDOWS + 2) + 32);
});

test('window: after a step back stamps from the future count as now and no longer', () => {
  const compiled = compileLimit({ kind: 'window', limit: 3, windowUs: 1_000_000 });
  const state = freshState('window');
  for (const us of [0, 10, 20]) assert.ok(step(compiled, state, 1, START_US + us).ok);
  const backUs = START_US - 3_600_000_000;
  assert.equal(heal(compiled, state, backUs, true), true);
  assert.deepEqual(step(compiled, state, 1, backUs), { ok: false, remaining: 0, waitUs: 1_000_000 });
  assert.ok(step(compiled, state, 1, backUs + 1_000_000).ok);
});

test('window: what was lost is empty for a window, and accrues over it when it is longer than a minute', () => {
  const short = compileLimit({ kind: 'window', limit: 10, windowUs: 60_000_000 });
  const shortState = freshState('window');
  emptyAt(short, shortState, START_US, START_US);
  assert.equal(level(short, shortState, START_US + 59_999_999), 0);
  assert.equal(level(short, shortState, START_US + 60_000_000), 10);
  const long = compileLimit({ kind: 'window', limit: 1000, windowUs: 3_600_000_000 });
  const longState = freshState('window');
  emptyAt(long, longState, START_US, START_US);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3_600_000_000 }), (elapsedUs) => {
      const units = level(long, longState, START_US + elapsedUs);
      assert.ok(units <= (1000 * elapsedUs) / 3_600_000_000);
      assert.ok(units >= (1000 * elapsedUs) / 3_600_000_000 - 10);
    }),
  );
});
