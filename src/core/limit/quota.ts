import type { QuotaCalendar } from './calendar.ts';

/** The `quota` kind: each calendar period admits ≤ limit. The state is a count and the end of the period it counts for. */
export interface QuotaLimit {
  readonly kind: 'quota';
  readonly limit: number;
  readonly calendar: QuotaCalendar;
}

export interface QuotaState {
  /** End of the period that `count` belongs to, microseconds; the state says nothing from then on. */
  endUs: number;
  count: number;
  /** When what was known of this period was lost; 0 = it was not. */
  lostUs: number;
}

/** Units spent in the running period. A period that ends later than the running one (a clock set back) counts too. */
function spent(state: QuotaState, nowUs: number): number {
  return state.endUs > nowUs ? state.count : 0;
}

/** What the running period admits in all so far: the limit, or what accrued of it since a loss. */
function budget(state: QuotaState, limit: QuotaLimit, nowUs: number): number {
  if (state.lostUs === 0 || state.endUs <= nowUs) return limit.limit;
  const { startUs, endUs } = limit.calendar;
  return Math.min(limit.limit, Math.floor(limit.limit * ((nowUs - state.lostUs) / (endUs - startUs))));
}

export function quotaLevel(state: QuotaState, limit: QuotaLimit, nowUs: number): number {
  limit.calendar.locate(nowUs);
  return budget(state, limit, nowUs) - spent(state, nowUs);
}

/** Microseconds until `units` (≤ limit) may be taken if nothing else is. */
export function quotaWaitUs(state: QuotaState, limit: QuotaLimit, units: number, nowUs: number): number {
  limit.calendar.locate(nowUs);
  const { startUs, endUs } = limit.calendar;
  const wanted = spent(state, nowUs) + units;
  if (wanted <= budget(state, limit, nowUs)) return 0;
  if (state.lostUs === 0 || wanted > limit.limit) return endUs - nowUs;
  const accruedUs = state.lostUs + Math.ceil((wanted * (endUs - startUs)) / limit.limit);
  return Math.max(1, Math.min(accruedUs, endUs) - nowUs);
}

export function quotaCharge(state: QuotaState, limit: QuotaLimit, units: number, nowUs: number): void {
  limit.calendar.locate(nowUs);
  if (state.endUs <= nowUs) {
    state.count = 0;
    state.lostUs = 0;
  }
  state.count += units;
  state.endUs = limit.calendar.endUs;
}

/** After a step back of the store's clock: what counts for a later period counts for the running one. True when it did. */
export function quotaHeal(state: QuotaState, limit: QuotaLimit, nowUs: number): boolean {
  limit.calendar.locate(nowUs);
  if (state.endUs <= limit.calendar.endUs) return false;
  state.endUs = limit.calendar.endUs;
  if (state.lostUs > nowUs) state.lostUs = nowUs;
  return true;
}

/** The state of a key whose past was lost: nothing at `lostUs`, the limit accrues over a period from then on. */
export function quotaEmptyAt(state: QuotaState, limit: QuotaLimit, lostUs: number, nowUs: number): void {
  limit.calendar.locate(nowUs);
  const running = lostUs >= limit.calendar.startUs && lostUs < limit.calendar.endUs;
  state.count = 0;
  state.endUs = running ? limit.calendar.endUs : 0;
  state.lostUs = running ? lostUs : 0;
}
