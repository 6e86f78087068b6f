import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limiterOver, model, now, window } from '../../test/kit/limits.ts';
import { MemoryStore } from '../adapters/memory/memory-store.ts';
import type { LimitMetrics, Metrics } from '../ports.ts';
import { FakeClock } from '../testing/fake-clock.ts';

/** A clock whose every reading takes a little longer than the one before. */
class SlowingClock extends FakeClock {
  reads = 0;

  override nowMs(): number {
    this.advanceSync(this.reads++ / 1000);
    return super.nowMs();
  }
}

test('of decisions at once the first are timed, then one of 16, which stands for the 15 after it', () => {
  const clock = new SlowingClock();
  const durations: number[] = [];
  const handle: LimitMetrics = { decided() {}, decisionDuration: (seconds) => durations.push(seconds) };
  const metrics = { limit: () => handle } as Partial<Metrics> as Metrics;
  const limiter = limiterOver(new MemoryStore({ nowUs: () => clock.wallUs() }), clock, 'secret', { metrics });
  const route = limiter.compile([model('a', window(1000))], 'r');
  const reads = clock.reads;
  for (let request = 0; request < 64; request++) now(limiter, route);
  assert.equal(clock.reads - reads, 2 * 64);
  for (let request = 0; request < 64; request++) now(limiter, route);
  assert.equal(clock.reads - reads, 2 * (64 + 4));
  assert.equal(durations.length, 128);
  const runs = durations.map((duration, at) => (duration === durations[at - 1] ? '.' : 'T')).join('');
  assert.equal(runs, 'T'.repeat(64) + `T${'.'.repeat(15)}`.repeat(4));
});
