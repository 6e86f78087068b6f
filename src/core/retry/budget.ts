const BUCKETS = 10;
const BUCKET_MS = 1000;
/** Retries a second that are allowed whatever the traffic, so that a quiet upstream can retry at all. */
const FLOOR_PER_SECOND = 3;

/**
 * How many retries an upstream may cause: a share of the requests of the last 10 s plus 3 a second, counted in ten buckets
 * of one second. A share, not a number: when the upstream is ill, retries can add 10 % to its load, never a multiple, and
 * the rule composes over a fleet without coordination (the budget of Finagle and Linkerd).
 *
 * Requests count once, however often they are tried. The share is the route's, the counts are the upstream's.
 */
export class RetryBudget {
  readonly #requests = new Float64Array(BUCKETS);
  readonly #retries = new Float64Array(BUCKETS);
  #requestsSum = 0;
  #retriesSum = 0;
  /** Number of the newest bucket, counted from the clock's origin. */
  #newest = Number.NEGATIVE_INFINITY;

  /** Counts a request, at its first attempt. */
  requested(nowMs: number): void {
    this.#turn(nowMs);
    this.#requests[this.#slot()]! += 1;
    this.#requestsSum += 1;
  }

  /** Takes one retry out of the budget when it is scheduled; false = none is left. `share`: 0 to 1. */
  trySpend(share: number, nowMs: number): boolean {
    this.#turn(nowMs);
    if (this.#retriesSum + 1 > this.#allowed(share)) return false;
    this.#retries[this.#slot()]! += 1;
    this.#retriesSum += 1;
    return true;
  }

  /** Retries of the last 10 s over those allowed, 0 to 1 (above 1 once the traffic that allowed them is over). */
  ratio(share: number, nowMs: number): number {
    this.#turn(nowMs);
    return this.#retriesSum / this.#allowed(share);
  }

  #allowed(share: number): number {
    return share * this.#requestsSum + (FLOOR_PER_SECOND * BUCKETS * BUCKET_MS) / 1000;
  }

  #slot(): number {
    return ((this.#newest % BUCKETS) + BUCKETS) % BUCKETS;
  }

  /** Empties the buckets between the newest and now. */
  #turn(nowMs: number): void {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    if (bucket <= this.#newest) return;
    const passed = bucket - this.#newest;
    if (passed >= BUCKETS) {
      this.#clear();
      this.#newest = bucket;
      return;
    }
    for (let step = 0; step < passed; step++) {
      this.#newest += 1;
      const slot = this.#slot();
      this.#requestsSum -= this.#requests[slot]!;
      this.#retriesSum -= this.#retries[slot]!;
      this.#requests[slot] = 0;
      this.#retries[slot] = 0;
    }
  }

  #clear(): void {
    this.#requests.fill(0);
    this.#retries.fill(0);
    this.#requestsSum = 0;
    this.#retriesSum = 0;
  }
}
