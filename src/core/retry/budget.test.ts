import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { backoffMs } from './backoff.ts';
import { RetryBudget } from './budget.ts';

const SHARE = 0.1;

function spendAll(budget: RetryBudget, nowMs: number, share = SHARE): number {
  let spent = 0;
  while (budget.trySpend(share, nowMs)) spent += 1;
  return spent;
}

describe('retry budget', () => {
  it('a quiet upstream may retry 3 a second, 30 in ten seconds', () => {
    const budget = new RetryBudget();
    assert.equal(spendAll(budget, 5), 30);
    assert.equal(spendAll(budget, 9000), 0);
    assert.equal(spendAll(budget, 10_000), 30, 'the second in which they were spent is out of the window');
  });

  it('is the share of the requests of the last 10 s on top', () => {
    const budget = new RetryBudget();
    for (let i = 0; i < 1000; i++) budget.requested(i);
    assert.equal(spendAll(budget, 999), 130);
    assert.equal(budget.ratio(SHARE, 999), 1);
    assert.equal(spendAll(budget, 10_500), 30);
  });

  it('the share is the route’s', () => {
    const budget = new RetryBudget();
    for (let i = 0; i < 1000; i++) budget.requested(0);
    assert.equal(spendAll(budget, 0, 0), 30);
    assert.equal(spendAll(budget, 0, 0.2), 200);
  });

  it('an upstream that fails everything at 1000 a second gets 103 retries a second', () => {
    const budget = new RetryBudget();
    let retries = 0;
    for (let ms = 0; ms < 60_000; ms++) {
      budget.requested(ms);
      // Two more attempts wanted for each.
      for (let i = 0; i < 2; i++) if (budget.trySpend(SHARE, ms) && ms >= 20_000) retries += 1;
    }
    const perSecond = retries / 40;
    assert.ok(Math.abs(perSecond - 103) <= 2.1, `${perSecond}`);
  });

  it('works with a clock of any origin, and over a long silence', () => {
    for (const origin of [-123_456.7, 0, 7e9]) {
      const budget = new RetryBudget();
      budget.requested(origin);
      assert.equal(spendAll(budget, origin), 30);
      assert.equal(budget.ratio(SHARE, origin + 1e6), 0);
      assert.equal(spendAll(budget, origin + 1e6), 30);
    }
  });

  it('property: a retry is granted exactly when it keeps within the share of the window’s requests plus 30', () => {
    const steps = fc.array(fc.record({ gapMs: fc.nat(1500), retry: fc.boolean(), times: fc.nat(40) }), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(steps, (list) => {
        const budget = new RetryBudget();
        let events: { second: number; retry: boolean }[] = [];
        let now = 0;
        for (const { gapMs, retry, times } of list) {
          now += gapMs;
          const second = Math.floor(now / 1000);
          events = events.filter((event) => event.second > second - 10);
          for (let i = 0; i < times; i++) {
            const retries = events.filter((event) => event.retry).length;
            const allowed = SHARE * (events.length - retries) + 30;
            assert.equal(budget.ratio(SHARE, now), retries / allowed);
            if (retry) assert.equal(budget.trySpend(SHARE, now), retries + 1 <= allowed);
            else budget.requested(now);
            if (!retry || retries + 1 <= allowed) events.push({ second, retry });
          }
        }
      }),
    );
  });
});

describe('backoff', () => {
  it('is uniform in [0, 25·2^n), at most 250 ms', () => {
    for (const [retries, topMs] of [
      [0, 25],
      [1, 50],
      [2, 100],
      [3, 200],
      [4, 250],
      [50, 250],
    ] as const) {
      assert.equal(
        backoffMs(retries, false, () => 0),
        0,
      );
      assert.equal(
        backoffMs(retries, false, () => 0.5),
        topMs / 2,
      );
      assert.ok(backoffMs(retries, false, () => 0.999_999) < topMs);
    }
  });

  it('the first retry elsewhere after a failure to connect does not wait; the second does', () => {
    assert.equal(
      backoffMs(0, true, () => 0.9),
      0,
    );
    assert.equal(
      backoffMs(1, true, () => 0.5),
      25,
    );
  });
});
