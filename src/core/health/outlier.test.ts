import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EjectionBackoff, type OutlierEvent, type OutlierSettings, verdictOf } from './outlier.ts';

const settings = (on: readonly OutlierEvent[]): OutlierSettings => ({
  consecutiveFailures: 5,
  on: new Set(on),
  baseEjectionMs: 5000,
  maxEjectionMs: 300_000,
  maxEjected: 0.5,
});

describe('verdict of an attempt', () => {
  it('listed events are failures', () => {
    for (const event of ['connect', 'reset', 'timeout', 502, 503, 504] as const) {
      assert.equal(verdictOf(event, settings([event])), 'failure');
    }
  });

  it('a status that is not listed is an answer; a broken connection that is not listed says nothing', () => {
    for (const status of [502, 503, 504] as const) assert.equal(verdictOf(status, settings([])), 'success');
    for (const event of ['connect', 'reset', 'timeout'] as const)
      assert.equal(verdictOf(event, settings([])), 'neutral');
    assert.equal(verdictOf('connect', undefined), 'neutral');
  });

  it('success and neutral stay what they are', () => {
    assert.equal(verdictOf('success', settings([])), 'success');
    assert.equal(verdictOf('neutral', undefined), 'neutral');
  });
});

describe('ejection times', () => {
  it('double from the base to the maximum', () => {
    const backoff = new EjectionBackoff();
    const times = Array.from({ length: 8 }, () => backoff.next(settings([]), () => 0));
    assert.deepEqual(times, [5000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  });

  it('are spread by up to a quarter', () => {
    assert.equal(
      new EjectionBackoff().next(settings([]), () => 0.5),
      5625,
    );
    assert.ok(new EjectionBackoff().next(settings([]), () => 0.999_999) < 6250);
  });

  it('forget one ejection for every 30 s healthy, never more than there were', () => {
    const backoff = new EjectionBackoff();
    for (let i = 0; i < 3; i++) backoff.next(settings([]), () => 0);
    backoff.healthyFor(29_999);
    backoff.healthyFor(61_000);
    assert.equal(
      backoff.next(settings([]), () => 0),
      10_000,
    );
    backoff.healthyFor(10_000_000);
    assert.equal(
      backoff.next(settings([]), () => 0),
      5000,
    );
  });

  it('stay finite after any number of ejections', () => {
    const backoff = new EjectionBackoff();
    for (let i = 0; i < 5000; i++) assert.ok(backoff.next(settings([]), () => 0) <= 300_000);
  });
});
