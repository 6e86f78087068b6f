import { decideGroup, GroupDecision } from '../../core/limit/decision.ts';
import { type CompiledLimit, charge, expiresUs, heal, type LimitState } from '../../core/limit/kind.ts';
import type { QuotaState } from '../../core/limit/quota.ts';
import type { RateState } from '../../core/limit/rate.ts';
import { excess } from '../../core/limit/reservation.ts';
import type { WindowState } from '../../core/limit/window.ts';
import type {
  Carried,
  LimitKey,
  LimitSet,
  StoreLimit,
  SyncLimitStore,
  TakeCall,
  TakeGroup,
  TakeReply,
} from '../../limits/limit-store.ts';
import type { Cancel, Timers } from '../../ports.ts';

/** Fills in the state of a key that is not there; it comes in fresh. */
export type Seed = (limit: CompiledLimit, key: LimitKey, nowUs: number, state: LimitState) => void;

export interface MemoryStoreOptions {
  /** The time it decides by, microseconds since the epoch. */
  readonly nowUs: () => number;
  readonly seed?: Seed;
}

const FIRST_CAPACITY = 1024;
/** Slots looked at for each new key: so the store never holds many more keys than are alive. */
const SWEPT_PER_INSERT = 2;
const SWEPT_PER_SECOND = 50_000;
const NO_ENTRIES: number[] = [];

/**
 * The store of one machine: the pure kinds over a table in memory. A key takes a slot of plain numbers (a rate or quota
 * needs no object of its own); slots whose state says nothing any more are swept, a few for every new key.
 */
export class MemoryStore implements SyncLimitStore {
  readonly available = true;
  readonly fleetSize = 1;
  readonly members = undefined;
  readonly secret = undefined;
  readonly latencyMs = undefined;
  readonly nowUs: () => number;
  private readonly seed: Seed | undefined;
  private readonly slots = new Map<string, number>();
  /** By slot: TAT and its picoseconds, end and count of a quota, sum and head of a window. */
  private first = new Float64Array(FIRST_CAPACITY);
  private second = new Float64Array(FIRST_CAPACITY);
  private expires = new Float64Array(FIRST_CAPACITY);
  private readonly entries: (number[] | undefined)[] = [];
  private readonly keys: (string | undefined)[] = [];
  private readonly free: number[] = [];
  private hand = 0;
  private seenUs = 0;
  /** States that slots are read into, by place in the decision and kind. */
  private readonly rates: RateState[] = [];
  private readonly windows: WindowState[] = [];
  private readonly quotas: QuotaState[] = [];
  private readonly states: LimitState[] = [];
  private readonly healed: boolean[] = [];
  /** Where the keys of the decision were found, by place in it. */
  private readonly found: (number | undefined)[] = [];

  constructor(options: MemoryStoreOptions) {
    this.nowUs = options.nowUs;
    this.seed = options.seed;
  }

  /** Keys held, those not swept yet included. */
  get size(): number {
    return this.slots.size;
  }

  /** Sweeps once a second, so that keys go in silence too. */
  startSweeping(timers: Timers): Cancel {
    let cancel: Cancel;
    const sweep = () => {
      this.sweep(SWEPT_PER_SECOND);
      cancel = timers.after(1000, sweep);
    };
    cancel = timers.after(1000, sweep);
    return () => cancel();
  }

  take(call: TakeCall): TakeReply {
    const atUs = this.nowUs();
    if (call.carried !== undefined) this.apply(call.carried, atUs);
    const decisions = call.groups.map((group) => {
      const out = new GroupDecision();
      this.decide(group.set, group.keys, group.costs, group.count, atUs, out);
      return out;
    });
    if (atUs > this.seenUs) this.seenUs = atUs;
    return { atUs, decisions };
  }

  takeOne(set: LimitSet, keys: readonly LimitKey[], costs: readonly number[], out: GroupDecision): void {
    const nowUs = this.nowUs();
    this.decide(set, keys, costs, 1, nowUs, out);
    if (nowUs > this.seenUs) this.seenUs = nowUs;
  }

  /** Looks at up to `most` slots and lets go of those that say nothing any more. */
  sweep(most: number): void {
    const nowUs = this.nowUs();
    const slots = this.keys.length;
    for (let looked = 0; looked < most && looked < slots; looked++) {
      if (this.hand >= slots) this.hand = 0;
      const slot = this.hand++;
      const key = this.keys[slot];
      if (key === undefined || this.expires[slot]! > nowUs) continue;
      this.slots.delete(key);
      this.keys[slot] = undefined;
      this.entries[slot] = undefined;
      this.free.push(slot);
    }
  }

  private decide(
    set: LimitSet,
    keys: readonly LimitKey[],
    costs: TakeGroup['costs'],
    count: number,
    nowUs: number,
    out: GroupDecision,
  ): void {
    const { compiled } = set;
    const { states, healed } = this;
    for (let at = 0; at < compiled.length; at++) healed[at] = this.load(at, compiled[at]!, keys[at]!, nowUs);
    decideGroup(compiled, set.shadows, states, costs, count, nowUs, out);
    for (let at = 0; at < compiled.length; at++) {
      if (out.charged[at]! > 0 || healed[at]) this.store(at, compiled[at]!, keys[at]!);
    }
  }

  /** Reads a key's state into the place `at`; true when it had to be clamped. */
  private load(at: number, limit: CompiledLimit, key: LimitKey, nowUs: number): boolean {
    const slot = this.find(key);
    const state = this.read(at, limit.kind, slot);
    this.found[at] = slot;
    this.states[at] = state;
    if (slot !== undefined) return heal(limit, state, nowUs, nowUs < this.seenUs);
    if (this.seed !== undefined) this.seed(limit, key, nowUs, state);
    return false;
  }

  /** The slot of a key: where its hint says, or where the table does. */
  private find(key: LimitKey): number | undefined {
    const hint = key.slot;
    if (hint !== undefined && this.keys[hint] === key.storeKey) return hint;
    const slot = this.slots.get(key.storeKey);
    if (hint !== undefined && slot !== undefined) key.slot = slot;
    return slot;
  }

  private read(at: number, kind: CompiledLimit['kind'], slot: number | undefined): LimitState {
    const first = slot === undefined ? 0 : this.first[slot]!;
    const second = slot === undefined ? 0 : this.second[slot]!;
    if (kind === 'rate') {
      const state = (this.rates[at] ??= { us: 0, ps: 0 });
      state.us = first;
      state.ps = second;
      return state;
    }
    if (kind === 'quota') {
      const state = (this.quotas[at] ??= { endUs: 0, count: 0, lostUs: 0 });
      state.endUs = first;
      state.count = second;
      state.lostUs = 0;
      return state;
    }
    const state = (this.windows[at] ??= { sum: 0, entries: NO_ENTRIES, head: 0 });
    state.sum = first;
    state.head = second;
    state.entries = (slot === undefined ? undefined : this.entries[slot]) ?? [];
    return state;
  }

  /** Keeps the state at the place `at`. Its slot may have been swept since it was found, for a new key beside it. */
  private store(at: number, limit: CompiledLimit, key: LimitKey): void {
    const state = this.states[at]!;
    const found = this.found[at];
    const isThere = found !== undefined && this.keys[found] === key.storeKey;
    const slot = isThere ? found : (this.slots.get(key.storeKey) ?? this.newSlot(key.storeKey));
    this.expires[slot] = expiresUs(limit, state);
    if (limit.kind === 'rate') {
      this.first[slot] = (state as RateState).us;
      this.second[slot] = (state as RateState).ps;
    } else if (limit.kind === 'quota') {
      this.first[slot] = (state as QuotaState).endUs;
      this.second[slot] = (state as QuotaState).count;
    } else {
      const window = state as WindowState;
      this.first[slot] = window.sum;
      this.second[slot] = window.head;
      this.entries[slot] = window.entries;
    }
  }

  private newSlot(storeKey: string): number {
    this.sweep(SWEPT_PER_INSERT);
    const slot = this.free.pop() ?? this.keys.length;
    if (slot >= this.first.length) this.grow();
    this.keys[slot] = storeKey;
    this.entries[slot] = undefined;
    this.slots.set(storeKey, slot);
    return slot;
  }

  private grow(): void {
    const larger = (from: Float64Array) => {
      const to = new Float64Array(from.length * 2);
      to.set(from);
      return to;
    };
    this.first = larger(this.first);
    this.second = larger(this.second);
    this.expires = larger(this.expires);
  }

  /** Nothing is ever reserved for a time here, so returns and renewals name nothing that is known. */
  private apply(carried: Carried, nowUs: number): void {
    for (const one of carried.settlements) {
      const units = excess(one.spent, one.reserved);
      if (units > 0) this.chargeUnits(one.limit, one.key, units, nowUs);
    }
  }

  private chargeUnits(limit: StoreLimit, key: LimitKey, units: number, nowUs: number): void {
    this.load(0, limit.compiled, key, nowUs);
    charge(limit.compiled, this.states[0]!, units, nowUs);
    this.store(0, limit.compiled, key);
  }
}
