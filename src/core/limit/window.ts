/**
 * The `window` kind: any rolling window (t − W, t] admits ≤ limit. The state is a list of charges, oldest first, each a
 * stamp and the units charged at it; a charge counts until its stamp is W old.
 *
 * Up to `EXACT_UP_TO` every charge keeps its own stamp, so capacity comes back to the microsecond. Above, charges inside
 * the same `grainUs` (W / SUB_WINDOWS) share the stamp of the latest of them: they count at most one grain longer than
 * they must, never shorter, and the list stays at SUB_WINDOWS + 2 entries. So the bound is exact at every size.
 */
export interface WindowLimit {
  readonly kind: 'window';
  readonly limit: number;
  readonly windowUs: number;
  /** Charges in the same grain share an entry; 1 = every charge its own. */
  readonly grainUs: number;
}

export interface WindowState {
  /** Units of all entries, those that no longer count included. */
  sum: number;
  /** Stamp and units in turn, oldest first, from `head` on; what is before `head` is waste. */
  entries: number[];
  head: number;
}

export const EXACT_UP_TO = 128;
export const SUB_WINDOWS = 100;
/** A key lost with a window up to this is empty for one window; a longer one accrues from the loss on. */
const EMPTY_UP_TO_US = 60_000_000;
/** Waste is cut off once it reaches this many numbers. */
const WASTE = 32;

export function windowLimit(limit: number, windowUs: number): WindowLimit {
  const grainUs = limit <= EXACT_UP_TO ? 1 : Math.max(1, Math.ceil(windowUs / SUB_WINDOWS));
  return { kind: 'window', limit, windowUs, grainUs };
}

export function emptyWindow(): WindowState {
  return { sum: 0, entries: [], head: 0 };
}

/** Index of the first entry that still counts. */
function firstLive(state: WindowState, limit: WindowLimit, nowUs: number): number {
  const { entries } = state;
  const horizonUs = nowUs - limit.windowUs;
  let at = state.head;
  while (at < entries.length && entries[at]! <= horizonUs) at += 2;
  return at;
}

function expiredUnits(state: WindowState, live: number): number {
  let units = 0;
  for (let at = state.head; at < live; at += 2) units += state.entries[at + 1]!;
  return units;
}

export function windowLevel(state: WindowState, limit: WindowLimit, nowUs: number): number {
  return limit.limit - state.sum + expiredUnits(state, firstLive(state, limit, nowUs));
}

/** Microseconds until `units` (≤ limit) may be taken if nothing else is. */
export function windowWaitUs(state: WindowState, limit: WindowLimit, units: number, nowUs: number): number {
  let at = firstLive(state, limit, nowUs);
  let missing = state.sum - expiredUnits(state, at) + units - limit.limit;
  if (missing <= 0) return 0;
  const { entries } = state;
  for (; at < entries.length; at += 2) {
    missing -= entries[at + 1]!;
    if (missing <= 0) return entries[at]! + limit.windowUs - nowUs;
  }
  return limit.windowUs;
}

export function windowCharge(state: WindowState, limit: WindowLimit, units: number, nowUs: number): void {
  const { entries } = state;
  const live = firstLive(state, limit, nowUs);
  state.sum += units - expiredUnits(state, live);
  state.head = live;
  const tail = entries.length - 2;
  if (tail >= live && sameGrain(entries[tail]!, nowUs, limit.grainUs)) {
    entries[tail] = nowUs;
    entries[tail + 1]! += units;
    return;
  }
  if (live === entries.length || live >= WASTE) {
    entries.splice(0, live);
    state.head = 0;
  }
  entries.push(nowUs, units);
}

function sameGrain(stampUs: number, nowUs: number, grainUs: number): boolean {
  return stampUs === nowUs || (grainUs > 1 && Math.floor(stampUs / grainUs) === Math.floor(nowUs / grainUs));
}

/** After a step back of the store's clock: stamps from the future count as now. True when there were any. */
export function windowHeal(state: WindowState, nowUs: number): boolean {
  const { entries, head } = state;
  let at = entries.length;
  let units = 0;
  while (at > head && entries[at - 2]! > nowUs) {
    units += entries[at - 1]!;
    at -= 2;
  }
  if (at === entries.length) return false;
  entries.length = at;
  entries.push(nowUs, units);
  return true;
}

/**
 * The state of a key whose past was lost at `lostUs`: as if the whole limit had been charged then (windows up to 60 s),
 * or evenly over the window before, so that L/W accrues from the loss on.
 */
export function windowEmptyAt(state: WindowState, limit: WindowLimit, lostUs: number): void {
  const steps = limit.windowUs <= EMPTY_UP_TO_US ? 1 : Math.min(SUB_WINDOWS, limit.limit);
  state.sum = limit.limit;
  state.head = 0;
  state.entries = [];
  let before = 0;
  for (let step = 1; step <= steps; step++) {
    const units = Math.floor((limit.limit * step) / steps);
    const stampUs = lostUs - limit.windowUs + Math.ceil(limit.windowUs * (step / steps));
    state.entries.push(stampUs, units - before);
    before = units;
  }
}

/** From this instant on the state says the same as none. */
export function windowExpiresUs(state: WindowState, limit: WindowLimit): number {
  const { entries } = state;
  return entries.length > state.head ? entries[entries.length - 2]! + limit.windowUs : 0;
}
