/**
 * The `rate` kind: GCRA (the virtual scheduling algorithm of ITU-T I.371). The state is one instant, the theoretical
 * arrival time (TAT): how far it lies ahead of now is the debt, which the passing of time pays off.
 *
 * Everything is an integer. A limit counts in ticks, `ticksPerUs` of them in a microsecond: the interval of one unit is
 * rounded up to a whole tick and the tolerance is a multiple of that interval, so rounding only ever admits less, and a
 * rate of millions a second is not bent by whole microseconds. The state itself is in microseconds and picoseconds, so
 * that it outlives a change of the limit's value.
 */
export interface RateLimit {
  readonly kind: 'rate';
  readonly burst: number;
  /** Ticks that one unit takes to come back. */
  readonly interval: number;
  /** A power of ten, 1 to 1 000 000. */
  readonly ticksPerUs: number;
  /** Ticks of debt that are tolerated: burst × interval. */
  readonly tolerance: number;
}

/** The TAT: microseconds since the epoch, and picoseconds (0 to 999 999). All zero: nothing was ever taken. */
export interface RateState {
  us: number;
  ps: number;
}

const PS_PER_US = 1_000_000;
/** Ticks never exceed this, so that sums of two stay exact in a double. */
const MAX_TICKS = 2 ** 52;

/** A burst that takes more than 140 years to come back is cut to what comes back in that time. */
export function rateLimit(count: number, periodUs: number, burst: number): RateLimit {
  const ticks = (ticksPerUs: number) => (BigInt(periodUs) * BigInt(ticksPerUs) + BigInt(count) - 1n) / BigInt(count);
  let ticksPerUs = PS_PER_US;
  while (ticksPerUs > 1 && ticks(ticksPerUs) * BigInt(burst) > BigInt(MAX_TICKS)) ticksPerUs /= 10;
  const interval = Number(ticks(ticksPerUs));
  const most = Math.max(1, Math.min(burst, Math.floor(MAX_TICKS / interval)));
  return { kind: 'rate', burst: most, interval, ticksPerUs, tolerance: most * interval };
}

function debt(state: RateState, limit: RateLimit, nowUs: number): number {
  const ticks = (state.us - nowUs) * limit.ticksPerUs + Math.ceil((state.ps * limit.ticksPerUs) / PS_PER_US);
  return Math.max(0, ticks);
}

/** Units that may be taken now; negative while more was charged than the limit tolerates. */
export function rateLevel(state: RateState, limit: RateLimit, nowUs: number): number {
  return Math.floor((limit.tolerance - debt(state, limit, nowUs)) / limit.interval);
}

/** Microseconds until `units` (≤ burst) may be taken if nothing else is. */
export function rateWaitUs(state: RateState, limit: RateLimit, units: number, nowUs: number): number {
  const missing = debt(state, limit, nowUs) + units * limit.interval - limit.tolerance;
  return missing > 0 ? Math.ceil(missing / limit.ticksPerUs) : 0;
}

export function rateCharge(state: RateState, limit: RateLimit, units: number, nowUs: number): void {
  const ticks = Math.min(debt(state, limit, nowUs) + units * limit.interval, MAX_TICKS);
  const wholeUs = Math.floor(ticks / limit.ticksPerUs);
  state.us = nowUs + wholeUs;
  state.ps = (ticks - wholeUs * limit.ticksPerUs) * (PS_PER_US / limit.ticksPerUs);
}

/**
 * After a step back of the store's clock: a TAT that no charge can have set is clamped to an empty bucket. True when it
 * was. Only for a known step back, since a limit whose burst became smaller looks the same and must keep its debt.
 */
export function rateHeal(state: RateState, limit: RateLimit, nowUs: number): boolean {
  if (debt(state, limit, nowUs) <= limit.tolerance) return false;
  rateEmptyAt(state, limit, nowUs);
  return true;
}

/** The state of a key whose past was lost: no units at `lostUs`, whole again after the tolerance. */
export function rateEmptyAt(state: RateState, limit: RateLimit, lostUs: number): void {
  state.us = 0;
  state.ps = 0;
  rateCharge(state, limit, limit.burst, lostUs);
}

/** From this instant on the state says the same as none. */
export function rateExpiresUs(state: RateState): number {
  return state.ps > 0 ? state.us + 1 : state.us;
}
