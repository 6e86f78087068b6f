import type { GroupDecision } from '../core/limit/decision.ts';
import { NEVER } from '../core/limit/kind.ts';
import type { LimitEntry, LimitMode } from '../ports.ts';
import type { BoundLimit, RouteSet } from './bound-limit.ts';
import type { LimitKey } from './limit-store.ts';

/** What the limits of a route say about a request. */
export interface LimitVerdict {
  readonly admitted: boolean;
  /** In the order of the route's limits; those that do not hold for the request are left out. */
  readonly entries: readonly VerdictEntry[];
  /** Kind of the failure to answer with (`errors.ts`) when it was not admitted. */
  readonly failure: 'rate-limited' | 'store-failed' | undefined;
  /** Until a repetition can be admitted; undefined when admitted, and when a repetition never can. */
  readonly retryAfterMs: number | undefined;
}

/** A limit's entry, with the limit itself for the fields of the answer. */
export class VerdictEntry implements LimitEntry {
  readonly limit: BoundLimit;
  readonly keyHash: string;
  readonly cost: number;
  readonly ok: boolean;
  readonly remaining: number;
  readonly waitMs: number | undefined;
  readonly mode: LimitMode;
  readonly atUs: number;

  constructor(
    limit: BoundLimit,
    keyHash: string,
    cost: number,
    ok: boolean,
    remaining: number,
    waitMs: number | undefined,
    mode: LimitMode,
    atUs: number,
  ) {
    this.limit = limit;
    this.keyHash = keyHash;
    this.cost = cost;
    this.ok = ok;
    this.remaining = remaining;
    this.waitMs = waitMs;
    this.mode = mode;
    this.atUs = atUs;
  }

  get name(): string {
    return this.limit.name;
  }

  get shadow(): boolean {
    return this.limit.shadow;
  }
}

export const NOT_LIMITED: LimitVerdict = {
  admitted: true,
  entries: [],
  failure: undefined,
  retryAfterMs: undefined,
};

/** Reads one request's verdict out of its group's decision, and counts it. */
export function verdictOf(
  route: RouteSet,
  keys: readonly LimitKey[],
  decision: GroupDecision,
  index: number,
  mode: LimitMode,
): LimitVerdict {
  const { limits } = route.set;
  const admitted = index < decision.admitted;
  const entries: VerdictEntry[] = new Array(limits.length);
  for (let at = 0; at < limits.length; at++) {
    entries[at] = entryOf(limits[at]!, keys[at]!.hash, route.costs[at]!, decision, at, index, mode);
  }
  return finish(admitted, entries);
}

function entryOf(
  limit: BoundLimit,
  keyHash: string,
  cost: number,
  decision: GroupDecision,
  at: number,
  index: number,
  mode: LimitMode,
): VerdictEntry {
  const charged = decision.charged[at]!;
  const left = decision.remaining[at]!;
  const wasCharged = index < charged;
  // A request of a group that was not charged fits only where another limit refused it.
  const ok = wasCharged || (index >= decision.admitted && left >= cost);
  const remaining = wasCharged ? left + (charged - 1 - index) * cost : left;
  const us = ok ? decision.moreUs[at]! : decision.waitUs[at]!;
  return new VerdictEntry(limit, keyHash, cost, ok, remaining, millis(us), mode, decision.atUs);
}

function millis(us: number): number | undefined {
  return us === NEVER ? undefined : Math.ceil(us / 1000);
}

/** The verdict that follows from the entries. */
export function finish(admitted: boolean, entries: readonly VerdictEntry[]): LimitVerdict {
  for (const entry of entries) count(entry, admitted);
  if (admitted) return { admitted, entries, failure: undefined, retryAfterMs: undefined };
  let retryAfterMs: number | undefined = 0;
  for (const entry of entries) {
    if (entry.ok || entry.shadow) continue;
    // One limit that can never admit it makes every wait pointless.
    retryAfterMs = entry.waitMs === undefined ? undefined : Math.max(retryAfterMs!, entry.waitMs);
    if (retryAfterMs === undefined) break;
  }
  return { admitted, entries, failure: 'rate-limited', retryAfterMs };
}

function count(entry: VerdictEntry, admitted: boolean): void {
  if (!entry.ok) entry.limit.counted(entry.shadow ? 'shadow_denied' : 'denied', entry.mode);
  else if (admitted) entry.limit.counted('allowed', entry.mode);
}
