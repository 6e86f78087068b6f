/** Calendar periods of a quota. */
export type QuotaPeriod = 'minute' | 'hour' | 'day' | 'week' | 'month';

/** What a limit admits, the key and policy aside. All counts are integers ≥ 1. */
export type LimitSpec =
  /** Any interval of length t admits ≤ burst + count·t/periodUs. */
  | { readonly kind: 'rate'; readonly count: number; readonly periodUs: number; readonly burst: number }
  /** Any rolling window of windowUs admits ≤ limit. */
  | { readonly kind: 'window'; readonly limit: number; readonly windowUs: number }
  /** Each calendar period (in `timezone`, an IANA name) admits ≤ limit. */
  | { readonly kind: 'quota'; readonly limit: number; readonly period: QuotaPeriod; readonly timezone: string };

/** The most that can ever be admitted at once: a cost above it never fits. */
export function capacity(spec: LimitSpec): number {
  return spec.kind === 'rate' ? spec.burst : spec.limit;
}
