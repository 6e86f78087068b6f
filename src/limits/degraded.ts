import { GroupDecision } from '../core/limit/decision.ts';
import { type CompiledLimit, ceiling, charge, emptyAt, type LimitState } from '../core/limit/kind.ts';
import type { QuotaState } from '../core/limit/quota.ts';
import { rateLimit } from '../core/limit/rate.ts';
import type { LimitSpec } from '../core/limit/spec.ts';
import { windowLimit } from '../core/limit/window.ts';
import type { BoundLimit } from './bound-limit.ts';
import type { LastSeen, Seen } from './last-seen.ts';
import { type LimitKey, type LimitSet, type LimitStore, limitSet, type SyncLimitStore } from './limit-store.ts';

/** Makes a store in memory whose absent keys are filled in by `seed`. */
export type LocalStoreFactory = (
  nowUs: () => number,
  seed: (limit: CompiledLimit, key: LimitKey, nowUs: number, state: LimitState) => void,
) => SyncLimitStore;

/** What one of `gateways` may admit of a limit: never less than one unit. */
function shareOf(spec: LimitSpec, compiled: CompiledLimit, gateways: number): CompiledLimit {
  const share = (units: number) => Math.max(1, Math.floor(units / gateways));
  if (spec.kind === 'rate') return rateLimit(spec.count, spec.periodUs * gateways, share(spec.burst));
  if (spec.kind === 'window') return windowLimit(share(spec.limit), spec.windowUs);
  return { ...(compiled as CompiledLimit & { kind: 'quota' }), limit: share(spec.limit) };
}

interface ShareSet {
  readonly set: LimitSet;
  readonly costs: readonly number[];
}

interface Outage {
  readonly sinceUs: number;
  readonly gateways: number;
  readonly local: SyncLimitStore;
  readonly shares: Map<LimitSet<BoundLimit>, ShareSet>;
}

/**
 * How limits go on while the store is away.
 *
 *   with the store → local     a call failed, or the store says that it is not there
 *   local → with the store     a call succeeded
 *
 * Local, this process spends its share of every limit, the fleet with all its workers taken as large as it was last seen;
 * it starts with what the store last said was left. What was spent locally ends with the outage.
 */
export class LocalMode {
  private outage: Outage | undefined;
  private readonly store: LimitStore;
  private readonly createLocal: LocalStoreFactory;
  private readonly lastSeen: LastSeen;

  constructor(store: LimitStore, createLocal: LocalStoreFactory, lastSeen: LastSeen) {
    this.store = store;
    this.createLocal = createLocal;
    this.lastSeen = lastSeen;
  }

  get active(): boolean {
    return this.outage !== undefined;
  }

  enter(): void {
    if (this.outage !== undefined) return;
    const sinceUs = this.store.nowUs();
    const gateways = Math.max(1, this.store.sharers ?? this.store.fleetSize);
    const local = this.createLocal(
      () => this.store.nowUs(),
      (limit, key, nowUs, state) => seedShare(limit, this.lastSeen.of(key.storeKey), nowUs, state, sinceUs, gateways),
    );
    this.outage = { sinceUs, gateways, local, shares: new Map() };
  }

  leave(): void {
    this.outage = undefined;
  }

  /** Decides one request by this gateway's share. Enters the local mode when it was not on. */
  decide(set: LimitSet<BoundLimit>, costs: readonly number[], keys: readonly LimitKey[]): GroupDecision {
    this.enter();
    const { local, shares, gateways } = this.outage!;
    let share = shares.get(set);
    if (share === undefined) {
      share = shareSet(set, costs, gateways);
      shares.set(set, share);
    }
    const out = new GroupDecision();
    local.takeOne(share.set, keys, share.costs, out);
    return out;
  }
}

function shareSet(set: LimitSet<BoundLimit>, costs: readonly number[], gateways: number): ShareSet {
  const limits = set.limits.map((limit) => ({
    name: limit.name,
    shadow: limit.shadow,
    compiled: shareOf(limit.model.spec, limit.compiled, gateways),
  }));
  // A cost above the share that the whole limit would admit takes the whole share.
  const shareCosts = limits.map((limit, at) => {
    const cost = costs[at]!;
    return cost <= ceiling(set.compiled[at]!) ? Math.min(cost, ceiling(limit.compiled)) : cost;
  });
  return { set: limitSet(limits), costs: shareCosts };
}

/** The state of a key at the start of an outage: a rate has nothing, a window or quota what was last seen of it. */
function seedShare(
  share: CompiledLimit,
  seen: Seen | undefined,
  nowUs: number,
  state: LimitState,
  sinceUs: number,
  gateways: number,
): void {
  if (share.kind === 'rate') {
    emptyAt(share, state, sinceUs, nowUs);
    return;
  }
  const spent = spentAtStart(share, seen, sinceUs, gateways);
  if (spent <= 0) return;
  if (share.kind === 'window') {
    charge(share, state, spent, sinceUs);
    return;
  }
  share.calendar.locate(sinceUs);
  const quota = state as QuotaState;
  quota.count = spent;
  quota.endUs = share.calendar.endUs;
}

function spentAtStart(share: CompiledLimit, seen: Seen | undefined, sinceUs: number, gateways: number): number {
  if (seen === undefined || isStale(share, seen.atUs, sinceUs)) return 0;
  return ceiling(share) - Math.min(ceiling(share), Math.floor(seen.remaining / gateways));
}

/** Whether what was seen is so old that all it counted has come back since. */
function isStale(share: CompiledLimit, seenUs: number, sinceUs: number): boolean {
  if (share.kind === 'window') return seenUs <= sinceUs - share.windowUs;
  if (share.kind === 'rate') return false;
  share.calendar.locate(sinceUs);
  return seenUs < share.calendar.startUs;
}
