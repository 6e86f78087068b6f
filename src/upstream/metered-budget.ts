import { RetryBudget } from '../core/retry/budget.ts';
import type { Cancel, ClockAndTimers, UpstreamMetrics } from '../ports.ts';

const GAUGE_PERIOD_MS = 1000;

/** The retry budget of an upstream, with its metrics. */
export class MeteredBudget {
  readonly #budget = new RetryBudget();
  readonly #metrics: UpstreamMetrics;
  readonly #clock: ClockAndTimers;
  /** The share of the route that asked last: what the gauge relates to. */
  #share = 0;
  #timer: Cancel | undefined;

  constructor(metrics: UpstreamMetrics, clock: ClockAndTimers) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  requested(nowMs: number): void {
    this.#budget.requested(nowMs);
  }

  trySpend(share: number, nowMs: number): boolean {
    const granted = this.#budget.trySpend(share, nowMs);
    if (!granted) this.#metrics.retried('budget');
    this.#share = share;
    this.#publish();
    return granted;
  }

  ratio(nowMs: number): number {
    return this.#budget.ratio(this.#share, nowMs);
  }

  stop(): void {
    this.#timer?.();
    this.#timer = undefined;
  }

  /** Keeps the gauge true until the window is empty, also where no request comes any more. */
  #publish(): void {
    this.#metrics.retryBudgetRatio = this.ratio(this.#clock.nowMs());
    if (this.#timer !== undefined || this.#metrics.retryBudgetRatio === 0) return;
    this.#timer = this.#clock.after(GAUGE_PERIOD_MS, () => {
      this.#timer = undefined;
      this.#publish();
    });
  }
}
