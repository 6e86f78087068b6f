import { performance } from 'node:perf_hooks';
import type { Cancel, ClockAndTimers } from '../../ports.ts';

/** Node fires a timer with a longer delay at once, so longer ones are cut to it. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;
/** How far the derived wall time may run from the system's before it follows it: `Date.now()` itself is cut to 1 ms. */
const TOLERATED_DRIFT_MS = 2;
/** The system's clock is looked at so often at most: within this time a step of it is followed. */
const COMPARED_EVERY_MS = 50;

/**
 * The clock of production. `wallUs` has microseconds, which `Date` has not: it is the monotonic clock on an anchor, and
 * the anchor follows the system's clock when that is stepped or slewed. Reading it reads one clock, not two. Timers do
 * not keep the process alive.
 */
export class SystemClock implements ClockAndTimers {
  #anchorMs: number;
  #comparedMs: number;

  constructor() {
    this.#comparedMs = performance.now();
    this.#anchorMs = Date.now() - this.#comparedMs;
  }

  nowMs(): number {
    return performance.now();
  }

  wallUs(): number {
    const monotonicMs = performance.now();
    if (monotonicMs - this.#comparedMs >= COMPARED_EVERY_MS) this.#compare(monotonicMs);
    return Math.floor((this.#anchorMs + monotonicMs) * 1000);
  }

  #compare(monotonicMs: number): void {
    const systemMs = Date.now();
    const aheadMs = this.#anchorMs + monotonicMs - systemMs;
    if (aheadMs < -1 || aheadMs > TOLERATED_DRIFT_MS) this.#anchorMs = systemMs - monotonicMs;
    this.#comparedMs = monotonicMs;
  }

  after(delayMs: number, run: () => void): Cancel {
    const timer = setTimeout(run, Math.min(Math.max(0, delayMs), LONGEST_DELAY_MS));
    timer.unref();
    return () => clearTimeout(timer);
  }
}
