/** A connection that the endpoint closed after t idle is from then on kept for this share of t. */
const KEPT_SHARE = 0.8;
/** Ages below are no habit worth keeping to: a connection kept for so short a time is as good as none. */
const SHORTEST_MS = 100;
/** Closes within this time of each other come from one cause. */
const SAME_CAUSE_MS = 100;
/** Two ages are alike up to this factor. */
const ALIKE = 1.25;
/** After so long without a close, twice the age is tried again. */
const DOUBT_AFTER_MS = 600_000;

/**
 * What an endpoint's closing of idle connections teaches: the age at which it closes them. One that restarts closes old
 * and young connections at once, which teaches nothing. What was learned is doubted after a while, for endpoints change.
 */
export class LearnedIdle {
  private limit = Number.POSITIVE_INFINITY;
  private before = Number.POSITIVE_INFINITY;
  private lastMs = Number.NEGATIVE_INFINITY;
  private lastAgeMs = 0;

  /** The endpoint closed a connection that was idle for `ageMs`. */
  closed(ageMs: number, nowMs: number): void {
    const isSameCause = nowMs - this.lastMs < SAME_CAUSE_MS;
    const isAlike = ageMs < this.lastAgeMs * ALIKE && this.lastAgeMs < ageMs * ALIKE;
    if (isSameCause && !isAlike) {
      this.limit = this.before;
      return;
    }
    if (!isSameCause) this.before = this.limit;
    this.lastMs = nowMs;
    this.lastAgeMs = ageMs;
    if (ageMs >= SHORTEST_MS) this.limit = Math.min(this.limit, ageMs * KEPT_SHARE);
  }

  /** How long a connection may stay idle, milliseconds; Infinity = nothing is known. */
  limitMs(nowMs: number): number {
    if (this.limit !== Number.POSITIVE_INFINITY && nowMs - this.lastMs > DOUBT_AFTER_MS) {
      this.limit *= 2;
      this.lastMs = nowMs;
    }
    return this.limit;
  }
}
