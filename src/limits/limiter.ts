import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { GroupDecision } from '../core/limit/decision.ts';
import type { LimitMode, Metrics } from '../ports.ts';
import { BoundLimit, type LimitCounts, RouteLimits, type RouteSet } from './bound-limit.ts';
import { LocalMode, type LocalStoreFactory } from './degraded.ts';
import { KeyHasher, SeenKey } from './limit-key.ts';
import type { LimitModel } from './limit-model.ts';
import { isSync, type LimitStore, type StoreFailure, type SyncLimitStore } from './limit-store.ts';
import type { LimitSubject } from './limit-subject.ts';
import { finish, type LimitVerdict, NOT_LIMITED, VerdictEntry, verdictOf } from './limit-verdict.ts';
import { Turn, type TurnWaiter } from './turn.ts';

export interface LimiterOptions {
  readonly store: LimitStore;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** First part of every key in the store. */
  readonly prefix: string;
  /** Keys the hashes; undefined: the store's, or a random one where the store has none. */
  readonly secret: string | undefined;
  /** Makes the store of the local mode. */
  readonly createLocal: LocalStoreFactory;
  /** Runs a function at the end of the turn; `setImmediate` where it is left out. */
  readonly defer?: (run: () => void) => void;
}

/** A limit in the admin view. */
export interface LimitView {
  readonly name: string;
  readonly mode: LimitMode;
  readonly allowed: number;
  readonly refused: number;
  readonly storeLatencyMs: number | undefined;
}

/** What a client is told to wait for when the store's failure refuses it. */
const STORE_RETRY_MS = 1000;

/**
 * Decides requests by the limits of their route over a store. Lives as long as the gateway: a reload compiles its routes
 * anew, what was spent stays in the store.
 */
export class Limiter {
  private readonly options: LimiterOptions;
  private readonly store: LimitStore;
  private readonly sync: SyncLimitStore | undefined;
  private readonly clock: Clock;
  private readonly hasher: KeyHasher;
  private readonly turn: Turn;
  private readonly local: LocalMode;
  private readonly counts = new Map<string, LimitCounts>();
  /** Used again by every decision that is made at once. */
  private readonly keys: SeenKey[] = [];
  private readonly decision = new GroupDecision();

  constructor(options: LimiterOptions) {
    this.options = options;
    this.store = options.store;
    this.sync = isSync(options.store) ? options.store : undefined;
    this.clock = options.clock;
    this.hasher = new KeyHasher(options.secret ?? options.store.secret ?? randomBytes(24).toString('base64url'));
    this.turn = new Turn(options.store, options.defer ?? ((run) => setImmediate(run)));
    this.local = new LocalMode(options.store, options.createLocal);
  }

  /** Compiles the limits of a route ('' = requests that match none). A limit named twice counts once. */
  compile(models: readonly LimitModel[], routeName: string): RouteLimits {
    const limits = [...new Map(models.map((model) => [model.name, model])).values()].map(
      (model) =>
        new BoundLimit(
          model,
          routeName,
          this.hasher,
          this.options.prefix,
          this.options.metrics.limit(model.name, routeName),
          this.countsOf(model.name),
        ),
    );
    return new RouteLimits(limits);
  }

  /** Decides one request: at once where the store is in memory or away, else with a promise that never rejects. */
  decide(route: RouteLimits, subject: LimitSubject): LimitVerdict | Promise<LimitVerdict> {
    const { limits } = route;
    if (limits.length === 0) return NOT_LIMITED;
    if (this.options.secret === undefined && this.store.secret !== undefined) this.hasher.rekey(this.store.secret);
    const { keys } = this;
    let found = 0;
    let mask = 0;
    for (let at = 0; at < limits.length; at++) {
      const limit = limits[at]!;
      if (limit.except?.holds(subject)) continue;
      const key = limit.keys.resolve(subject);
      if (key instanceof SeenKey) {
        keys[found++] = key;
        mask |= 1 << at;
      } else if (key === 'deny') {
        const refused = this.withoutKey(limit);
        if (!refused.admitted) return refused;
      }
    }
    return found === 0 ? NOT_LIMITED : this.ask(route.set(mask), keys, found);
  }

  /** The limits in use, for the admin API. */
  view(models: Iterable<LimitModel>): LimitView[] {
    const mode = this.sync === undefined && (this.local.active || !this.store.available) ? 'local' : 'strict';
    return [...models].map(({ name }) => ({
      name,
      mode,
      ...this.countsOf(name),
      storeLatencyMs: this.store.latencyMs,
    }));
  }

  private ask(set: RouteSet, keys: SeenKey[], found: number): LimitVerdict | Promise<LimitVerdict> {
    const startMs = this.clock.nowMs();
    if (this.sync !== undefined) {
      this.sync.takeOne(set.set, keys, set.costs, this.decision);
      return this.made(verdictOf(set, keys, this.decision, 0, 'strict'), startMs);
    }
    if (!this.store.available) return this.made(this.decideLocally(set, keys), startMs);
    const own = keys.slice(0, found);
    return new Promise((resolve) => {
      this.turn.add(set.set, own, set.costs, new Waiting(this, set, own, startMs, resolve));
    });
  }

  /** @internal The store decided about a request. */
  decided(set: RouteSet, keys: readonly SeenKey[], decision: GroupDecision, index: number, startMs: number) {
    this.local.leave();
    const { atUs } = decision;
    for (let at = 0; at < set.set.limits.length; at++) {
      keys[at]!.remaining = decision.remaining[at]!;
      keys[at]!.seenUs = atUs;
    }
    return this.made(verdictOf(set, keys, decision, index, 'strict'), startMs);
  }

  /** @internal The store gave no decision about a request. */
  failed(set: RouteSet, keys: readonly SeenKey[], startMs: number): LimitVerdict {
    for (const limit of set.set.limits) limit.counted('failed', 'strict');
    return this.made(this.decideLocally(set, keys), startMs);
  }

  private made(verdict: LimitVerdict, startMs: number): LimitVerdict {
    const tookMs = this.clock.nowMs() - startMs;
    for (const entry of verdict.entries) entry.limit.took(tookMs);
    return verdict;
  }

  /** By each limit's `onStoreFailure`: refused, let through, or decided by this gateway's share. */
  private decideLocally(set: RouteSet, keys: readonly SeenKey[]): LimitVerdict {
    const atUs = this.store.nowUs();
    const unasked = (at: number) =>
      new VerdictEntry(set.set.limits[at]!, keys[at]!.hash, set.costs[at]!, true, 0, undefined, 'local', atUs);
    if (set.denies) {
      const entries = set.set.limits.map((_, at) => unasked(at));
      for (const entry of entries) entry.limit.counted('failed', 'local');
      return { admitted: false, entries, failure: 'store-failed', retryAfterMs: STORE_RETRY_MS };
    }
    if (set.localSet === undefined)
      return finish(
        true,
        set.set.limits.map((_, at) => unasked(at)),
      );
    if (set.localSet === set) {
      return verdictOf(set, keys, this.local.decide(set.set, set.costs, keys), 0, 'local');
    }
    const ownKeys = set.local.map((at) => keys[at]!);
    const own = verdictOf(
      set.localSet,
      ownKeys,
      this.local.decide(set.localSet.set, set.localSet.costs, ownKeys),
      0,
      'local',
    );
    const entries = set.set.limits.map((_, at) => own.entries[set.local.indexOf(at)] ?? unasked(at));
    return { ...own, entries };
  }

  /**
   * `onMissingKey: deny`: refused like a limit that admits nothing, without a time to retry, since a repetition fails the
   * same way. A shadow limit only counts it.
   */
  private withoutKey(limit: BoundLimit): LimitVerdict {
    const entry = new VerdictEntry(limit, '', limit.model.cost, false, 0, undefined, 'strict', this.store.nowUs());
    return finish(limit.shadow, [entry]);
  }

  private countsOf(name: string): LimitCounts {
    let counts = this.counts.get(name);
    if (counts === undefined) {
      counts = { allowed: 0, refused: 0 };
      this.counts.set(name, counts);
    }
    return counts;
  }
}

class Waiting implements TurnWaiter {
  private readonly limiter: Limiter;
  private readonly set: RouteSet;
  private readonly keys: readonly SeenKey[];
  private readonly startMs: number;
  private readonly resolve: (verdict: LimitVerdict) => void;

  constructor(
    limiter: Limiter,
    set: RouteSet,
    keys: readonly SeenKey[],
    startMs: number,
    resolve: (verdict: LimitVerdict) => void,
  ) {
    this.limiter = limiter;
    this.set = set;
    this.keys = keys;
    this.startMs = startMs;
    this.resolve = resolve;
  }

  decided(decision: GroupDecision, index: number): void {
    this.resolve(this.limiter.decided(this.set, this.keys, decision, index, this.startMs));
  }

  failed(_failure: StoreFailure): void {
    this.resolve(this.limiter.failed(this.set, this.keys, this.startMs));
  }
}
