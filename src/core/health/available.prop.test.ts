import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../random.ts';
import { availability, mayEject } from './available.ts';
import { EndpointHealth, type EndpointStateName } from './endpoint-health.ts';
import type { OutlierSettings } from './outlier.ts';

const settings = (maxEjected: number): OutlierSettings => ({
  consecutiveFailures: 1,
  on: new Set(['connect']),
  baseEjectionMs: 5000,
  maxEjectionMs: 300_000,
  maxEjected,
});

function member(state: EndpointStateName, weight = 1): { weight: number; health: EndpointHealth } {
  const health = new EndpointHealth();
  if (state === 'down') health.checked(false, '', { fall: 1, rise: 1 }, 0);
  if (state === 'ejected' || state === 'half-open') health.eject(settings(1), '', () => 0, 0);
  if (state === 'half-open') health.endEjection(0);
  assert.equal(health.state, state);
  return { weight, health };
}

describe('who may be picked', () => {
  it('those that are up, and a half-open one until its trial is taken', () => {
    const members = (['up', 'down', 'ejected', 'half-open', 'up'] as const).map((state) => member(state));
    assert.deepEqual(availability(members).members, [members[0], members[3], members[4]]);
    members[3]!.health.begun();
    assert.deepEqual(availability(members).members, [members[0], members[4]]);
  });

  it('weight 0 gets nothing and counts for nothing', () => {
    const members = [member('up', 0), member('up'), member('down', 0), member('down', 0), member('down', 0)];
    const { members: picked, panic, healthy, total } = availability(members);
    assert.deepEqual([picked, panic, healthy, total], [[members[1]], false, 1, 1]);
  });

  it('below 30 % healthy all are used, ill or not', () => {
    const group = (up: number, down: number) =>
      [...new Array<EndpointStateName>(up).fill('up'), ...new Array<EndpointStateName>(down).fill('down')].map(
        (state) => member(state),
      );
    assert.equal(availability(group(3, 7)).panic, false);
    const panicking = availability(group(2, 8));
    assert.equal(panicking.panic, true);
    assert.equal(panicking.members.length, 10);
    assert.equal(availability(group(0, 1)).members.length, 1);
  });

  it('an empty group has none and does not panic', () => {
    assert.deepEqual(availability([]), { members: [], panic: false, healthy: 0, total: 0 });
  });
});

describe('who may be ejected', () => {
  it('never the last; of two and of three, one', () => {
    const single = [member('up')];
    assert.equal(mayEject(single, single[0]!, settings(1)), false);
    for (const count of [2, 3]) {
      const group = Array.from({ length: count }, () => member('up'));
      assert.equal(mayEject(group, group[0]!, settings(0.5)), true);
      group[0]!.health.eject(settings(1), '', () => 0, 0);
      assert.equal(mayEject(group, group[1]!, settings(0.5)), false);
    }
  });

  it('at least one, however small the share; at 50 % half of ten', () => {
    for (const [share, most] of [
      [0, 1],
      [0.05, 1],
      [0.5, 5],
      [1, 9],
    ] as const) {
      const group = Array.from({ length: 10 }, () => member('up'));
      let ejected = 0;
      for (const one of group) {
        if (!mayEject(group, one, settings(share))) continue;
        one.health.eject(settings(1), '', () => 0, 0);
        ejected += 1;
      }
      assert.equal(ejected, most, `share ${share}`);
    }
  });

  it('property: whatever happens, somebody may be picked, a trial is one request, and the share holds', () => {
    const step = fc.record({
      at: fc.nat(11),
      act: fc.constantFrom('fail', 'ok', 'neutral', 'begin', 'good', 'bad', 'over'),
    });
    const run = fc.record({
      count: fc.integer({ min: 1, max: 8 }),
      share: fc.constantFrom(0, 0.3, 0.5, 1),
      steps: fc.array(step, { maxLength: 120 }),
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(run, ({ count, share, steps, seed }) => {
        const group = Array.from({ length: count }, () => member('up'));
        const random = seededRandom(seed);
        const rules = settings(share);
        for (const [now, { at, act }] of steps.entries()) {
          const one = group[at % count]!;
          const { health } = one;
          if (act === 'good' || act === 'bad') health.checked(act === 'good', '', { fall: 2, rise: 2 }, now);
          if (act === 'over') health.endEjection(now);
          if (act === 'ok' && health.succeeded()) health.readmit(now);
          if (act === 'neutral') health.endedNeutral();
          if (act === 'begin' && availability(group).members.includes(one)) health.begun();
          if (act === 'fail') {
            const wasHalfOpen = health.state === 'half-open';
            if (health.failed(rules)) {
              if (mayEject(group, one, rules)) health.eject(rules, '', random, now);
              else if (wasHalfOpen) health.readmit(now);
            }
          }
          assert.ok(availability(group).members.length > 0);
          const out = group.filter(({ health: { state } }) => state === 'ejected').length;
          // Ejections that a bad check hid come to light with a good one; only then are there more.
          const checked = steps.some(({ act: name }) => name === 'bad');
          if (!checked) assert.ok(out <= Math.max(1, Math.floor(count * share)), `${out} out of ${count}`);
          if (!checked) assert.ok(group.some((other) => other.health.state === 'up'));
        }
      }),
      { numRuns: 500 },
    );
  });
});
