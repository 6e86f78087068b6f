import type { Random } from '../random.ts';

export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly consecutiveFailures: number;
  /** Share of the calls inside `windowMs` whose failure opens it, once there were `minCalls`. */
  readonly failureRatio: number;
  readonly minCalls: number;
  readonly windowMs: number;
  /** Between two probes while open; spread by ± 20 %, so that a fleet does not probe in step. */
  readonly probeIntervalMs: number;
}

export const DEFAULT_BREAKER: BreakerOptions = {
  consecutiveFailures: 5,
  failureRatio: 0.5,
  minCalls: 10,
  windowMs: 1000,
  probeIntervalMs: 250,
};

const SLICES = 10;
const JITTER = 0.2;

/**
 * Whether the store is asked at all.
 *
 *   closed → open      5 failures in a row, half of the calls of the last second, or the connection lost
 *   open → closed      a probe succeeded; nothing else closes it
 *
 * Open, there is one probe per interval and every decision is made without the store. Pure: time and randomness are
 * handed in; the caller runs the probes at `nextProbeMs`.
 */
export class Breaker {
  readonly options: BreakerOptions;
  /** Monotonic milliseconds at which the next probe is due; meaningful while open. */
  nextProbeMs = 0;
  private opened = true;
  private inARow = 0;
  private readonly calls = new Array<number>(SLICES).fill(0);
  private readonly failures = new Array<number>(SLICES).fill(0);
  private slice = 0;
  private readonly random: Random;

  /** Starts open, its first probe due at once: nothing is known of the store yet. */
  constructor(random: Random, options: BreakerOptions = DEFAULT_BREAKER) {
    this.random = random;
    this.options = options;
  }

  get open(): boolean {
    return this.opened;
  }

  /** A call was answered. While open that changes nothing: only a probe closes it. */
  succeeded(nowMs: number): void {
    this.inARow = 0;
    this.count(nowMs, false);
  }

  /** A call was not answered in time, or with an error that says "not now". */
  failed(nowMs: number): void {
    if (this.opened) return;
    this.inARow++;
    this.count(nowMs, true);
    if (this.inARow >= this.options.consecutiveFailures || this.tooMany()) this.trip(nowMs);
  }

  /** The connection is gone: opens at once. */
  trip(nowMs: number): void {
    this.opened = true;
    this.scheduleProbe(nowMs);
  }

  /** Whether a probe is to be sent now; asking takes it, the next one is due an interval later. */
  takeProbe(nowMs: number): boolean {
    if (!this.opened || nowMs < this.nextProbeMs) return false;
    this.scheduleProbe(nowMs);
    return true;
  }

  probeSucceeded(): void {
    this.opened = false;
    this.inARow = 0;
    this.calls.fill(0);
    this.failures.fill(0);
  }

  private scheduleProbe(nowMs: number): void {
    this.nextProbeMs = nowMs + this.options.probeIntervalMs * (1 - JITTER + 2 * JITTER * this.random());
  }

  private count(nowMs: number, failed: boolean): void {
    const now = Math.floor(nowMs / (this.options.windowMs / SLICES));
    if (now - this.slice >= SLICES) this.slice = now - SLICES;
    while (this.slice < now) {
      this.slice++;
      this.calls[this.slice % SLICES] = 0;
      this.failures[this.slice % SLICES] = 0;
    }
    this.calls[now % SLICES]!++;
    if (failed) this.failures[now % SLICES]!++;
  }

  private tooMany(): boolean {
    let calls = 0;
    let failures = 0;
    for (let at = 0; at < SLICES; at++) {
      calls += this.calls[at]!;
      failures += this.failures[at]!;
    }
    return calls >= this.options.minCalls && failures >= calls * this.options.failureRatio;
  }
}
