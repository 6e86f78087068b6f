import type { GroupDecision } from '../core/limit/decision.ts';
import type { CompiledLimit } from '../core/limit/kind.ts';
import type { Renewal, Return, Settlement } from '../core/limit/reservation.ts';

/** One key of one limit, as the store knows it. */
export interface LimitKey {
  /** `<prefix>:1:{hg.P}:<limit>:<kind>:<hash>` */
  readonly storeKey: string;
  /** 96 bits, base64url: all that is ever shown of the key. */
  readonly hash: string;
  /** P, 0 to 255: keys of one partition live in one slot of a Redis Cluster. */
  readonly partition: number;
  /** Where a store in memory last found the key: a hint, of use only where it still holds; undefined = none is kept. */
  slot?: number;
}

/** A limit as the store needs it. */
export interface StoreLimit {
  readonly name: string;
  readonly compiled: CompiledLimit;
  /** Evaluated and charged, never refuses. */
  readonly shadow: boolean;
}

/** What belongs together in a decision; one object per set, so that requests with the same one are found to be alike. */
export interface LimitSet<L extends StoreLimit = StoreLimit> {
  readonly limits: readonly L[];
  /** `compiled` and `shadow` of the limits, as lists. */
  readonly compiled: readonly CompiledLimit[];
  readonly shadows: readonly boolean[];
}

/** Requests with the same limits, keys and costs: `count` of them, in order. Costs are integers ≥ 1. */
export interface TakeGroup {
  readonly set: LimitSet;
  readonly keys: readonly LimitKey[];
  readonly costs: readonly number[];
  readonly count: number;
}

interface OfKey {
  readonly limit: StoreLimit;
  readonly key: LimitKey;
}

/** What a call settles, gives back and renews. Applied first, whatever the call then decides. */
export interface Carried {
  readonly settlements: readonly (Settlement & OfKey)[];
  readonly returns: readonly (Return & OfKey)[];
  readonly renewals: readonly (Renewal & OfKey)[];
}

export interface TakeCall {
  /** At most `MAX_GROUPS`. */
  readonly groups: readonly TakeGroup[];
  readonly carried: Carried | undefined;
}

export interface TakeReply {
  /** The store's time, microseconds since the epoch. */
  readonly atUs: number;
  /** One decision per group, in the order of the call. */
  readonly decisions: readonly GroupDecision[];
}

export const MAX_GROUPS = 256;

/** Why a store gave no decision: it was slow, gone, or said no. An expected failure, made without a stack. */
export class StoreFailure {
  readonly kind: 'deadline' | 'connection' | 'error';
  readonly detail: string;

  constructor(kind: StoreFailure['kind'], detail: string) {
    this.kind = kind;
    this.detail = detail;
  }
}

/** A gateway of the fleet, as its last heartbeat told. */
export interface FleetMember {
  readonly id: string;
  /** Undefined where it did not tell. */
  readonly version: string | undefined;
  readonly configHash: string | undefined;
  /** Processes that decide in it, ≥ 1. */
  readonly workers: number;
}

/**
 * What the fleet shares: charges by key. A batch port: one call carries all decisions of a turn, and a store that
 * answers at once does so without a promise. Every store passes the suite in `limit-store-contract.ts`.
 */
export interface LimitStore {
  /** Whether it is worth asking. False: decisions are made without the store, at once. */
  readonly available: boolean;
  /** Decides a call; a promise rejects with a `StoreFailure`, and within the store's deadline. */
  take(call: TakeCall): TakeReply | Promise<TakeReply>;
  /** The store's time as well as it is known here, microseconds since the epoch. */
  nowUs(): number;
  /** Gateways on this store, ≥ 1; the last number seen while it is away. */
  readonly fleetSize: number;
  /**
   * Among how many a limit is shared out while the store is away: the workers of all gateways, ≥ `fleetSize`. Where it is
   * left out each gateway is one.
   */
  readonly sharers?: number;
  /** Who they are, as last seen, this one included; undefined where the store keeps no list, or has not answered yet. */
  readonly members: readonly FleetMember[] | undefined;
  /** The secret that the fleet shares, once it is known; undefined where each gateway has its own. */
  readonly secret: string | undefined;
  /** Smoothed duration of a call, milliseconds; undefined before the first and for a store in memory. */
  readonly latencyMs: number | undefined;
  /** Another secret is configured, or (undefined) none: `secret` is then the fleet's, once it is known. */
  setSecret?(configured: string | undefined): void;
}

/** A store that decides at once. */
export interface SyncLimitStore extends LimitStore {
  take(call: TakeCall): TakeReply;
  /** Decides one request into `out`. The hot path: no allocation. */
  takeOne(set: LimitSet, keys: readonly LimitKey[], costs: readonly number[], out: GroupDecision): void;
}

export function isSync(store: LimitStore): store is SyncLimitStore {
  return 'takeOne' in store;
}

export function limitSet<L extends StoreLimit>(limits: readonly L[]): LimitSet<L> {
  return { limits, compiled: limits.map((one) => one.compiled), shadows: limits.map((one) => one.shadow) };
}
