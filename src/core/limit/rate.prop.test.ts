import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { step } from './decision.ts';
import { type CompiledLimit, ceiling, compileLimit, freshState, NEVER } from './kind.ts';
import type { RateLimit, RateState } from './rate.ts';

const START_US = 1_732_454_400_123_457;

const specs = fc.record({
  kind: fc.constant('rate' as const),
  count: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 5_000_000 })),
  periodUs: fc.constantFrom(1_000_000, 10_000_000, 60_000_000, 3_600_000_000, 86_400_000_000, 333_333),
  burst: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1_000_000 })),
});

/** Gaps in thousandths of the limit's own interval, so that arrivals meet the edge of what it admits. */
const arrivals = fc.array(fc.record({ gap: fc.nat(3000), cost: fc.integer({ min: 1, max: 5 }) }), {
  minLength: 1,
  maxLength: 120,
  size: 'max',
});

interface Admission {
  readonly us: number;
  readonly units: number;
}

/** Every interval [from, to] admits ≤ burst + count·t/period, in exact arithmetic. */
function assertBound(admissions: readonly Admission[], count: number, periodUs: number, burst: number): void {
  for (let from = 0; from < admissions.length; from++) {
    let units = 0n;
    for (let to = from; to < admissions.length; to++) {
      units += BigInt(admissions[to]!.units);
      const elapsedUs = BigInt(admissions[to]!.us - admissions[from]!.us);
      assert.ok(units * BigInt(periodUs) <= BigInt(burst) * BigInt(periodUs) + BigInt(count) * elapsedUs);
    }
  }
}

test('rate: every interval admits at most burst + rate·t', () => {
  fc.assert(
    fc.property(specs, arrivals, (spec, requests) => {
      const limit = compileLimit(spec);
      const state = freshState('rate');
      let us = START_US;
      const admissions: Admission[] = [];
      for (const { gap, cost } of requests) {
        us += Math.floor((gap * spec.periodUs) / spec.count / 1000);
        if (step(limit, state, cost, us).ok) admissions.push({ us, units: cost });
      }
      assertBound(admissions, spec.count, spec.periodUs, spec.burst);
    }),
  );
});

test('rate: the wait is exact: at its end the cost fits, a microsecond before it does not', () => {
  fc.assert(
    fc.property(specs, arrivals, (spec, requests) => {
      const limit = compileLimit(spec);
      const state = freshState('rate');
      let us = START_US;
      for (const { gap, cost } of requests) {
        us += Math.floor((gap * spec.periodUs) / spec.count / 1000);
        const { ok, waitUs } = step(limit, state, cost, us);
        if (ok) continue;
        if (cost > ceiling(limit)) {
          assert.equal(waitUs, NEVER);
          continue;
        }
        assert.ok(waitUs > 0);
        assert.equal(step(limit, { ...(state as RateState) }, cost, us + waitUs - 1).ok, false);
        assert.equal(step(limit, { ...(state as RateState) }, cost, us + waitUs).ok, true);
      }
    }),
  );
});

function admittedOf(limit: CompiledLimit, everyUs: number, forUs: number): number {
  const state = freshState('rate');
  let admitted = 0;
  for (let us = 0; us <= forUs; us += everyUs) if (step(limit, state, 1, START_US + us).ok) admitted++;
  return admitted;
}

test('rate: rounding costs next to nothing at rates that are no whole microseconds', () => {
  // 300 000 a second is a unit every 3.33 µs: in whole microseconds it would admit a quarter less.
  const limit = compileLimit({ kind: 'rate', count: 300_000, periodUs: 1_000_000, burst: 10 });
  const admitted = admittedOf(limit, 1, 1_000_000);
  assert.ok(admitted <= 300_010 && admitted >= 300_008, String(admitted));
});

test('rate: costs 7, 7, 7, 6 of a burst of 20: the third is refused and charges nothing; 21 never fits', () => {
  const limit = compileLimit({ kind: 'rate', count: 1, periodUs: 1_000_000, burst: 20 });
  const state = freshState('rate');
  assert.deepEqual(step(limit, state, 21, START_US), { ok: false, remaining: 20, waitUs: NEVER });
  const decisions = [7, 7, 7, 6].map((cost) => step(limit, state, cost, START_US));
  assert.deepEqual(
    decisions.map(({ ok, remaining }) => [ok, remaining]),
    [
      [true, 13],
      [true, 6],
      [false, 6],
      [true, 0],
    ],
  );
});

test('rate: the ticks are exact integers for any burst, and a burst of centuries is cut', () => {
  const limit = compileLimit({ kind: 'rate', count: 999_983, periodUs: 86_400_000_000, burst: 999_983 }) as RateLimit;
  assert.ok(limit.tolerance <= 2 ** 52 && limit.interval === Math.ceil((86_400_000_000 * limit.ticksPerUs) / 999_983));
  assert.equal(ceiling(compileLimit({ kind: 'rate', count: 1, periodUs: 86_400_000_000, burst: 100_000 })), 52_124);
});
