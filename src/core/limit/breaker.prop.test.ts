import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../random.ts';
import { Breaker, DEFAULT_BREAKER } from './breaker.ts';

function closed(): Breaker {
  const breaker = new Breaker(seededRandom(1));
  breaker.probeSucceeded();
  return breaker;
}

test('breaker: opens on the fifth failure in a row, not before', () => {
  const breaker = closed();
  for (let failure = 0; failure < 4; failure++) breaker.failed(failure);
  breaker.succeeded(4);
  for (let failure = 0; failure < 4; failure++) breaker.failed(5 + failure);
  assert.equal(breaker.open, false);
  breaker.failed(9);
  assert.equal(breaker.open, true);
});

test('breaker: opens when half of the calls of the last second failed, and forgets older ones', () => {
  const breaker = closed();
  for (let call = 0; call < 12 && !breaker.open; call++) {
    if (call % 2 === 0) breaker.failed(call * 2000);
    else breaker.succeeded(call * 2000);
  }
  assert.equal(breaker.open, false);
  for (let call = 0; call < 12 && !breaker.open; call++) {
    if (call % 2 === 0) breaker.failed(50_000 + call);
    else breaker.succeeded(50_000 + call);
  }
  assert.equal(breaker.open, true);
});

const event = fc.record({ afterMs: fc.nat(400), kind: fc.constantFrom('ok', 'failed', 'trip', 'probe-ok') });

test('breaker: only a probe closes it, and probes keep their distance', () => {
  const shortestMs = DEFAULT_BREAKER.probeIntervalMs * 0.8;
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), fc.nat(), (events, seed) => {
      const breaker = new Breaker(seededRandom(seed));
      let nowMs = 0;
      let lastProbeMs = Number.NEGATIVE_INFINITY;
      for (const { afterMs, kind } of events) {
        nowMs += afterMs;
        const wasOpen = breaker.open;
        const probed = breaker.takeProbe(nowMs);
        if (probed) {
          assert.ok(wasOpen && nowMs - lastProbeMs >= shortestMs);
          lastProbeMs = nowMs;
          assert.equal(breaker.takeProbe(nowMs), false);
        }
        if (kind === 'ok') breaker.succeeded(nowMs);
        else if (kind === 'failed') breaker.failed(nowMs);
        else if (kind === 'trip') breaker.trip(nowMs);
        else if (probed) breaker.probeSucceeded();
        if (wasOpen && !breaker.open) assert.ok(probed && kind === 'probe-ok');
      }
    }),
  );
});
