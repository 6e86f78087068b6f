import { QuotaCalendar } from './calendar.ts';
import {
  type QuotaLimit,
  type QuotaState,
  quotaCharge,
  quotaEmptyAt,
  quotaHeal,
  quotaLevel,
  quotaWaitUs,
} from './quota.ts';
import {
  type RateLimit,
  type RateState,
  rateCharge,
  rateEmptyAt,
  rateExpiresUs,
  rateHeal,
  rateLevel,
  rateLimit,
  rateWaitUs,
} from './rate.ts';
import type { LimitSpec } from './spec.ts';
import {
  emptyWindow,
  type WindowLimit,
  type WindowState,
  windowCharge,
  windowEmptyAt,
  windowExpiresUs,
  windowHeal,
  windowLevel,
  windowLimit,
  windowWaitUs,
} from './window.ts';

/** What a limit admits, in the numbers its kind computes with. */
export type CompiledLimit = RateLimit | WindowLimit | QuotaLimit;
/** What was charged to one key. Which of the three it is follows from the limit's kind. */
export type LimitState = RateState | WindowState | QuotaState;

/** The wait of what can never fit. */
export const NEVER = -1;

/** Throws a RangeError for a time zone that is not known. */
export function compileLimit(spec: LimitSpec): CompiledLimit {
  switch (spec.kind) {
    case 'rate':
      return rateLimit(spec.count, spec.periodUs, spec.burst);
    case 'window':
      return windowLimit(spec.limit, spec.windowUs);
    case 'quota':
      return { kind: 'quota', limit: spec.limit, calendar: new QuotaCalendar(spec.period, spec.timezone) };
  }
}

/** The most that can ever be taken at once. */
export function ceiling(limit: CompiledLimit): number {
  return limit.kind === 'rate' ? limit.burst : limit.limit;
}

/** The state of a key of which nothing is known: everything may be taken. */
export function freshState(kind: CompiledLimit['kind']): LimitState {
  if (kind === 'rate') return { us: 0, ps: 0 };
  return kind === 'window' ? emptyWindow() : { endUs: 0, count: 0, lostUs: 0 };
}

/** Units that the charges alone leave to be taken at `nowUs`; may be negative. */
export function level(limit: CompiledLimit, state: LimitState, nowUs: number): number {
  switch (limit.kind) {
    case 'rate':
      return rateLevel(state as RateState, limit, nowUs);
    case 'window':
      return windowLevel(state as WindowState, limit, nowUs);
    case 'quota':
      return quotaLevel(state as QuotaState, limit, nowUs);
  }
}

/** Microseconds until `units` may be taken if nothing else is; `NEVER` when they are more than the limit ever admits. */
export function waitUs(limit: CompiledLimit, state: LimitState, units: number, nowUs: number): number {
  if (units > ceiling(limit)) return NEVER;
  switch (limit.kind) {
    case 'rate':
      return rateWaitUs(state as RateState, limit, units, nowUs);
    case 'window':
      return windowWaitUs(state as WindowState, limit, units, nowUs);
    case 'quota':
      return quotaWaitUs(state as QuotaState, limit, units, nowUs);
  }
}

/** Charges `units`, whether they fit or not: who calls has asked `level`, or records what was already spent. */
export function charge(limit: CompiledLimit, state: LimitState, units: number, nowUs: number): void {
  switch (limit.kind) {
    case 'rate':
      rateCharge(state as RateState, limit, units, nowUs);
      return;
    case 'window':
      windowCharge(state as WindowState, limit, units, nowUs);
      return;
    case 'quota':
      quotaCharge(state as QuotaState, limit, units, nowUs);
  }
}

/**
 * Clamps state from the future after a step back of the store's clock; true when the state changed and must be kept.
 * Windows and quotas show the step by themselves; for a rate it takes `steppedBack`, the caller having seen a later time.
 */
export function heal(limit: CompiledLimit, state: LimitState, nowUs: number, steppedBack: boolean): boolean {
  switch (limit.kind) {
    case 'rate':
      return steppedBack && rateHeal(state as RateState, limit, nowUs);
    case 'window':
      return windowHeal(state as WindowState, nowUs);
    case 'quota':
      return quotaHeal(state as QuotaState, limit, nowUs);
  }
}

/** Fills in the state of a key whose past was lost at `lostUs` (≤ nowUs): nothing may be taken at that instant. */
export function emptyAt(limit: CompiledLimit, state: LimitState, lostUs: number, nowUs: number): void {
  switch (limit.kind) {
    case 'rate':
      rateEmptyAt(state as RateState, limit, lostUs);
      return;
    case 'window':
      windowEmptyAt(state as WindowState, limit, lostUs);
      return;
    case 'quota':
      quotaEmptyAt(state as QuotaState, limit, lostUs, nowUs);
  }
}

/** From this instant on the state says the same as none, and its key may go. */
export function expiresUs(limit: CompiledLimit, state: LimitState): number {
  switch (limit.kind) {
    case 'rate':
      return rateExpiresUs(state as RateState);
    case 'window':
      return windowExpiresUs(state as WindowState, limit);
    case 'quota':
      return (state as QuotaState).endUs;
  }
}
