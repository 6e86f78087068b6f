import type { Random } from '../random.ts';

/** What counts as a failure for consecutive-failure ejection: values of `outlierDetection.on`. */
export type OutlierEvent = 'connect' | 'reset' | 'timeout' | 502 | 503 | 504;

export interface OutlierSettings {
  readonly consecutiveFailures: number;
  readonly on: ReadonlySet<OutlierEvent>;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  /** Share of the endpoints that may be ejected at once, 0 to 1; at least one may be where there are two, the last never. */
  readonly maxEjected: number;
}

/** How an attempt counts for its endpoint. */
export type Verdict = 'success' | 'failure' | 'neutral';

/**
 * An event that is not listed is no failure: a status is then an answer like any other, while a broken connection proves
 * nothing good and counts for nothing. `success` stands for every answer, an application's own 500 included; `neutral` for
 * an attempt that says nothing of the endpoint (the client left, the gateway gave up its own way).
 */
export function verdictOf(
  outcome: OutlierEvent | 'success' | 'neutral',
  settings: OutlierSettings | undefined,
): Verdict {
  if (outcome === 'success' || outcome === 'neutral') return outcome;
  if (settings?.on.has(outcome)) return 'failure';
  return typeof outcome === 'number' ? 'success' : 'neutral';
}

const DECAY_MS = 30_000;
const MAX_JITTER = 0.25;

/**
 * How long the next ejection lasts: base·2^k up to the maximum, times U(1, 1.25) so that endpoints that fell together do
 * not come back together; k = ejections before, less one for every 30 s healthy since.
 */
export class EjectionBackoff {
  #exponent = 0;

  /** Counts the ejection and returns its length in milliseconds. */
  next(settings: OutlierSettings, random: Random): number {
    const lengthMs = Math.min(settings.maxEjectionMs, settings.baseEjectionMs * 2 ** this.#exponent);
    this.#exponent += 1;
    return lengthMs * (1 + random() * MAX_JITTER);
  }

  healthyFor(durationMs: number): void {
    this.#exponent = Math.max(0, this.#exponent - Math.floor(durationMs / DECAY_MS));
  }
}
