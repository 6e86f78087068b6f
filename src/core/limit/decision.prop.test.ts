import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideGroup, GroupDecision } from './decision.ts';
import { type CompiledLimit, compileLimit, freshState, type LimitState, level } from './kind.ts';

const NOW_US = 1_732_454_400_123_457;

const user = compileLimit({ kind: 'rate', count: 10, periodUs: 60_000_000, burst: 10 });
const org = compileLimit({ kind: 'window', limit: 1000, windowUs: 60_000_000 });
const all = compileLimit({ kind: 'quota', limit: 1000, period: 'minute', timezone: 'UTC' });

function decide(limits: CompiledLimit[], shadows: boolean[], states: LimitState[], costs: number[], count: number) {
  const out = new GroupDecision();
  decideGroup(limits, shadows, states, costs, count, NOW_US, out);
  return out;
}

test('all or none: one user of 500 requests takes exactly 10 from the user, the organisation and all', () => {
  const limits = [user, org, all];
  const states = limits.map((limit) => freshState(limit.kind));
  let admitted = 0;
  for (let request = 0; request < 500; request++) {
    admitted += decide(limits, [false, false, false], states, [1, 1, 1], 1).admitted;
  }
  assert.equal(admitted, 10);
  assert.deepEqual(
    limits.map((limit, at) => level(limit, states[at]!, NOW_US)),
    [0, 990, 990],
  );
});

test('a shadow limit refuses nobody, is charged for what it would let through, and never for a refused request', () => {
  const tight = compileLimit({ kind: 'window', limit: 3, windowUs: 1_000_000 });
  const states = [freshState('rate'), freshState('window')];
  const out = decide([user, tight], [false, true], states, [1, 1], 20);
  assert.equal(out.admitted, 10);
  assert.deepEqual([out.charged[0], out.charged[1], out.remaining[1], out.waitUs[1]], [10, 3, 0, 1_000_000]);
  const again = decide([user, tight], [false, true], [states[0]!, freshState('window')], [1, 1], 5);
  assert.deepEqual([again.admitted, again.charged[1], again.remaining[1]], [0, 0, 3]);
});

const spec = fc.oneof(
  fc.record({
    kind: fc.constant('rate' as const),
    count: fc.integer({ min: 1, max: 50 }),
    periodUs: fc.constant(1_000_000),
    burst: fc.integer({ min: 1, max: 20 }),
  }),
  fc.record({
    kind: fc.constant('window' as const),
    limit: fc.integer({ min: 1, max: 20 }),
    windowUs: fc.constant(1_000_000),
  }),
  fc.record({
    kind: fc.constant('quota' as const),
    limit: fc.integer({ min: 1, max: 20 }),
    period: fc.constant('minute' as const),
    timezone: fc.constant('UTC'),
  }),
);
const uses = fc.array(fc.record({ spec, shadow: fc.boolean(), cost: fc.integer({ min: 1, max: 4 }) }), {
  minLength: 1,
  maxLength: 4,
});

test('a group of n decides as n requests one after the other', () => {
  fc.assert(
    fc.property(uses, fc.integer({ min: 1, max: 25 }), (list, count) => {
      const limits = list.map((use) => compileLimit(use.spec));
      const shadows = list.map((use) => use.shadow);
      const costs = list.map((use) => use.cost);
      const together = limits.map((limit) => freshState(limit.kind));
      const oneByOne = limits.map((limit) => freshState(limit.kind));
      const group = decide(limits, shadows, together, costs, count);
      const singles = Array.from({ length: count }, () => decide(limits, shadows, oneByOne, costs, 1));
      assert.deepEqual(together, oneByOne);
      assert.equal(group.admitted, singles.filter((one) => one.admitted === 1).length);
      limits.forEach((_, at) => {
        assert.equal(
          group.charged[at],
          singles.reduce((sum, one) => sum + one.charged[at]!, 0),
        );
        // What is told to the i-th request is worked out from the last one's numbers.
        singles.forEach((one, index) => {
          if (index < group.charged[at]!) {
            const left = group.remaining[at]! + (group.charged[at]! - 1 - index) * costs[at]!;
            assert.equal(left, one.remaining[at]);
          }
        });
      });
    }),
  );
});

const steps = fc.array(
  fc.record({
    limit: fc.integer({ min: 0, max: 2 }),
    cost: fc.integer({ min: 1, max: 9 }),
    count: fc.integer({ min: 1, max: 5 }),
    laterUs: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 90_000_000 })),
  }),
  { maxLength: 40 },
);
/** Values that one state is decided by in turn, as after reloads; rates far below and above one unit a microsecond. */
const reloaded = fc.oneof(
  fc.array(
    fc.record({
      kind: fc.constant('rate' as const),
      count: fc.integer({ min: 1, max: 7_000_000 }),
      periodUs: fc.constantFrom(1_000_000, 60_000_000),
      burst: fc.integer({ min: 1, max: 1000 }),
    }),
    { minLength: 3, maxLength: 3 },
  ),
  fc.array(
    fc.record({
      kind: fc.constant('window' as const),
      limit: fc.integer({ min: 1, max: 300 }),
      windowUs: fc.constantFrom(1_000_000, 60_000_000),
    }),
    { minLength: 3, maxLength: 3 },
  ),
  fc.array(
    fc.record({
      kind: fc.constant('quota' as const),
      limit: fc.integer({ min: 1, max: 300 }),
      period: fc.constant('minute' as const),
      timezone: fc.constant('UTC'),
    }),
    { minLength: 3, maxLength: 3 },
  ),
);

test('what is said to remain is what the state then has, whatever limits it was charged by before', () => {
  fc.assert(
    fc.property(reloaded, steps, (specs, list) => {
      const limits = specs.map(compileLimit);
      const state = freshState(limits[0]!.kind);
      const out = new GroupDecision();
      let nowUs = NOW_US;
      for (const { limit, cost, count, laterUs } of list) {
        nowUs += laterUs;
        decideGroup([limits[limit]!], [false], [state], [cost], count, nowUs, out);
        assert.equal(out.remaining[0], Math.max(0, level(limits[limit]!, state, nowUs)));
      }
    }),
    { numRuns: 500 },
  );
});
