/** A connection that the endpoint closed after t idle is from then on kept for this share of t. */
const KEPT_SHARE = 0.8;
/** Ages below are no habit worth keeping to: a connection kept for so short a time is as good as none. */
const SHORTEST_MS = 100;
/** Closes within this time of each other come from one cause. */
const SAME_CAUSE_MS = 100;
/** Two ages are alike up to this factor. */
const ALIKE = 1.25;
/** After so long without news of it, what was learned is put to the test. */
const DOUBT_AFTER_MS = 60_000;

/**
 * What an endpoint's closing of idle connections teaches: the age at which it closes them. One that restarts closes old
 * and young connections at once, which teaches nothing. Endpoints change, so what was learned is doubted after a while:
 * then one connection is kept past the limit without being used (see `EndpointPool`), and tells whether it still holds.
 */
export class LearnedIdle {
  /** How long a connection may stay idle, milliseconds; Infinity = nothing is known. */
  limitMs = Number.POSITIVE_INFINITY;
  private beforeMs = Number.POSITIVE_INFINITY;
  private lastMs = Number.NEGATIVE_INFINITY;
  private lastAgeMs = 0;
  private survivedMs = Number.NEGATIVE_INFINITY;

  /** The endpoint closed a connection that was idle for `ageMs`. */
  closed(ageMs: number, nowMs: number): void {
    const isSameCause = nowMs - this.lastMs < SAME_CAUSE_MS;
    const isAlike = ageMs < this.lastAgeMs * ALIKE && this.lastAgeMs < ageMs * ALIKE;
    if (isSameCause && !isAlike) {
      this.limitMs = this.beforeMs;
      return;
    }
    if (!isSameCause) this.beforeMs = this.limitMs;
    this.lastMs = nowMs;
    this.lastAgeMs = ageMs;
    if (ageMs >= SHORTEST_MS) this.limitMs = Math.min(this.limitMs, ageMs * KEPT_SHARE);
  }

  /** Whether the limit is old enough to be put to the test: a connection is to be kept twice as long, unused. */
  isDoubted(nowMs: number): boolean {
    return this.limitMs !== Number.POSITIVE_INFINITY && nowMs - Math.max(this.lastMs, this.survivedMs) > DOUBT_AFTER_MS;
  }

  /** A connection that nobody used was still open at `ageMs`: that long is safe. */
  survived(ageMs: number, nowMs: number): void {
    this.limitMs = Math.max(this.limitMs, ageMs);
    this.survivedMs = nowMs;
  }
}
