import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { GroupDecision } from '../core/limit/decision.ts';
import type { LimitMode, Log, Metrics } from '../ports.ts';
import { BoundLimit, NamedLimit, RouteLimits, type RouteSet } from './bound-limit.ts';
import { BugReport } from './bug-report.ts';
import { LocalMode, type LocalStoreFactory } from './degraded.ts';
import { LastSeen } from './last-seen.ts';
import { KeyHasher, LimitKeys } from './limit-key.ts';
import type { LimitModel } from './limit-model.ts';
import { isSync, type LimitKey, type LimitStore, type SyncLimitStore } from './limit-store.ts';
import type { LimitSubject } from './limit-subject.ts';
import { finish, type LimitVerdict, NOT_LIMITED, VerdictEntry, verdictOf } from './limit-verdict.ts';
import { Turn } from './turn.ts';
import { type Judge, Waiting } from './waiting.ts';

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
  /** Hears of bugs that requests are spared; where it is left out, the process warns. */
  readonly log?: Pick<Log, 'error'>;
}

/** The figures of a limit, for the admin API. */
export interface LimiterView {
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
export class Limiter implements Judge {
  private readonly options: LimiterOptions;
  private readonly store: LimitStore;
  private readonly sync: SyncLimitStore | undefined;
  private readonly clock: Clock;
  private readonly hasher: KeyHasher;
  private readonly turn: Turn;
  private readonly local: LocalMode;
  private readonly lastSeen = new LastSeen();
  private readonly named = new Map<string, NamedLimit>();
  /** Of limits that have the same keys on every route. */
  private readonly keysEverywhere = new WeakMap<LimitModel, LimitKeys>();
  private configuredSecret: string | undefined;
  /** Used again by every decision that is made at once. */
  private readonly keys: LimitKey[] = [];
  private readonly decision = new GroupDecision();

  constructor(options: LimiterOptions) {
    this.options = options;
    this.store = options.store;
    this.sync = isSync(options.store) ? options.store : undefined;
    this.clock = options.clock;
    this.configuredSecret = options.secret;
    this.hasher = new KeyHasher(options.secret ?? options.store.secret ?? randomSecret());
    const bugs = new BugReport(options.clock, options.log);
    this.turn = new Turn(options.store, options.defer ?? ((run) => setImmediate(run)), (bug) => bugs.report(bug));
    this.local = new LocalMode(options.store, options.createLocal, this.lastSeen);
  }

  /**
   * Another secret is configured, or (undefined) none any more: every key is hashed anew, on routes already compiled too,
   * and what was spent stays behind under the old keys. Without one the fleet's holds, the present one until that is
   * known; where the store is this process's own, a random one.
   */
  setSecret(configured: string | undefined): void {
    if (configured === this.configuredSecret) return;
    this.configuredSecret = configured;
    this.store.setSecret?.(configured);
    if (configured !== undefined) this.rekey(configured);
    else if (this.sync !== undefined) this.rekey(randomSecret());
  }

  /** Keys of which it is remembered what the store last said. */
  get keysSeen(): number {
    return this.lastSeen.size;
  }

  /** Compiles the limits of a route ('' = requests that match none). A limit named twice counts once. */
  compile(models: readonly LimitModel[], routeName: string): RouteLimits {
    const limits = [...new Map(models.map((model) => [model.name, model])).values()].map(
      (model) =>
        new BoundLimit(
          model,
          this.keysOf(model, routeName),
          this.options.metrics.limit(model.name, routeName),
          this.limitNamed(model.name),
        ),
    );
    return new RouteLimits(limits);
  }

  private keysOf(model: LimitModel, routeName: string): LimitKeys {
    const { hasher } = this;
    const { prefix } = this.options;
    if (model.scope === 'route' || model.key.some(({ source }) => source === 'route'))
      return new LimitKeys(model, routeName, hasher, prefix);
    let keys = this.keysEverywhere.get(model);
    if (keys === undefined) {
      keys = new LimitKeys(model, '', hasher, prefix);
      this.keysEverywhere.set(model, keys);
    }
    return keys;
  }

  /**
   * Decides one request: at once where the store is in memory or away, else with a promise. It rejects, like this throws,
   * for a bug alone.
   */
  decide(route: RouteLimits, subject: LimitSubject): LimitVerdict | Promise<LimitVerdict> {
    const { limits } = route;
    if (limits.length === 0) return NOT_LIMITED;
    if (this.configuredSecret === undefined && this.store.secret !== undefined) this.rekey(this.store.secret);
    const { keys } = this;
    let found = 0;
    let mask = 0;
    for (let at = 0; at < limits.length; at++) {
      const limit = limits[at]!;
      if (limit.except?.holds(subject)) continue;
      const key = limit.keys.resolve(subject);
      if (typeof key !== 'string') {
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
  view(models: Iterable<LimitModel>): LimiterView[] {
    const mode = this.sync === undefined && (this.local.active || !this.store.available) ? 'local' : 'strict';
    return [...models].map(({ name }) => ({
      name,
      mode,
      allowed: this.limitNamed(name).allowed,
      refused: this.limitNamed(name).refused,
      storeLatencyMs: this.store.latencyMs,
    }));
  }

  private ask(set: RouteSet, keys: readonly LimitKey[], found: number): LimitVerdict | Promise<LimitVerdict> {
    if (this.sync !== undefined) return this.decideAtOnce(this.sync, set, keys);
    const startMs = this.clock.nowMs();
    if (!this.store.available) return this.made(this.decideLocally(set, keys), startMs);
    const own = keys.slice(0, found);
    return new Promise((resolve, reject) => {
      this.turn.add(set.set, own, set.costs, new Waiting(this, set, own, startMs, resolve, reject));
    });
  }

  private decideAtOnce(store: SyncLimitStore, set: RouteSet, keys: readonly LimitKey[]): LimitVerdict {
    const { timing } = set;
    if (timing.isDue()) {
      const startMs = this.clock.nowMs();
      store.takeOne(set.set, keys, set.costs, this.decision);
      timing.lastMs = this.clock.nowMs() - startMs;
    } else store.takeOne(set.set, keys, set.costs, this.decision);
    const verdict = verdictOf(set, keys, this.decision, 0, 'strict');
    took(verdict, timing.lastMs);
    return verdict;
  }

  /** @internal The store decided about a request. */
  decided({ set, keys, startMs }: Waiting, decision: GroupDecision, index: number): LimitVerdict {
    this.local.leave();
    for (let at = 0; at < keys.length; at++) {
      this.lastSeen.saw(keys[at]!.storeKey, decision.remaining[at]!, decision.atUs);
    }
    return this.made(verdictOf(set, keys, decision, index, 'strict'), startMs);
  }

  /** @internal The store gave no decision about a request. */
  failed({ set, keys, startMs }: Waiting): LimitVerdict {
    for (const limit of set.set.limits) limit.counted('failed', 'strict');
    return this.made(this.decideLocally(set, keys), startMs);
  }

  private made(verdict: LimitVerdict, startMs: number): LimitVerdict {
    took(verdict, this.clock.nowMs() - startMs);
    return verdict;
  }

  /** By each limit's `onStoreFailure`: refused, let through, or decided by this gateway's share. */
  private decideLocally(set: RouteSet, keys: readonly LimitKey[]): LimitVerdict {
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

  /** What was seen under the old keys is of no more use. */
  private rekey(secret: string): void {
    if (this.hasher.rekey(secret)) this.lastSeen.forget();
  }

  private limitNamed(name: string): NamedLimit {
    let named = this.named.get(name);
    if (named === undefined) {
      named = new NamedLimit(name);
      this.named.set(name, named);
    }
    return named;
  }
}

function randomSecret(): string {
  return randomBytes(24).toString('base64url');
}

function took({ entries }: LimitVerdict, durationMs: number): void {
  for (let at = 0; at < entries.length; at++) entries[at]!.limit.took(durationMs);
}
