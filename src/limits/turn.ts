import type { GroupDecision } from '../core/limit/decision.ts';
import {
  type LimitKey,
  type LimitSet,
  type LimitStore,
  MAX_GROUPS,
  StoreFailure,
  type TakeGroup,
  type TakeReply,
} from './limit-store.ts';

/** Who waits for the decision about one request. Exactly one of the two is called. */
export interface TurnWaiter {
  /** `index` is the request's place in its group: it was admitted when `index < decision.admitted`. */
  decided(decision: GroupDecision, index: number): void;
  failed(failure: StoreFailure): void;
}

class OpenGroup implements TakeGroup {
  readonly set: LimitSet;
  readonly keys: readonly LimitKey[];
  readonly costs: readonly number[];
  readonly waiters: TurnWaiter[] = [];
  /** Another group with the same first key. */
  next: OpenGroup | undefined = undefined;

  constructor(set: LimitSet, keys: readonly LimitKey[], costs: readonly number[]) {
    this.set = set;
    this.keys = keys;
    this.costs = costs;
  }

  get count(): number {
    return this.waiters.length;
  }

  takes(set: LimitSet, keys: readonly LimitKey[], costs: readonly number[]): boolean {
    if (this.set !== set) return false;
    for (let at = 0; at < set.limits.length; at++) {
      if (this.keys[at]!.storeKey !== keys[at]!.storeKey || this.costs[at] !== costs[at]) return false;
    }
    return true;
  }
}

/**
 * Collects the decisions of one turn of the event loop, requests that are alike as one group, and asks the store for all
 * of them at once when the turn ends. Whatever the store does, every waiter hears: what it throws, or answers beside the
 * port's contract, is a bug that is reported, and a failure to those who wait.
 */
export class Turn {
  private readonly store: LimitStore;
  private readonly defer: (run: () => void) => void;
  private readonly onBug: (error: unknown) => void;
  private readonly flush = () => this.ask();
  private byFirstKey = new Map<string, OpenGroup>();
  private groups: OpenGroup[] = [];

  /** `defer` runs a function at the end of the turn, once everything that arrived with it was read. */
  constructor(store: LimitStore, defer: (run: () => void) => void, onBug: (error: unknown) => void) {
    this.store = store;
    this.defer = defer;
    this.onBug = onBug;
  }

  /** `keys` is kept. */
  add(set: LimitSet, keys: readonly LimitKey[], costs: readonly number[], waiter: TurnWaiter): void {
    if (this.groups.length === 0) this.defer(this.flush);
    const first = keys[0]!.storeKey;
    const known = this.byFirstKey.get(first);
    let group = known;
    while (group !== undefined && !group.takes(set, keys, costs)) group = group.next;
    if (group === undefined) {
      group = new OpenGroup(set, keys, costs);
      group.next = known;
      this.byFirstKey.set(first, group);
      this.groups.push(group);
    }
    group.waiters.push(waiter);
  }

  private ask(): void {
    const { groups } = this;
    this.groups = [];
    this.byFirstKey = new Map();
    for (let from = 0; from < groups.length; from += MAX_GROUPS) this.take(groups.slice(from, from + MAX_GROUPS));
  }

  private take(groups: readonly OpenGroup[]): void {
    let reply: TakeReply | Promise<TakeReply>;
    try {
      reply = this.store.take({ groups, carried: undefined });
    } catch (error) {
      this.fail(groups, error);
      return;
    }
    if (!(reply instanceof Promise)) {
      this.answer(groups, reply);
      return;
    }
    reply.then(
      (later) => this.answer(groups, later),
      (error: unknown) => this.fail(groups, error),
    );
  }

  private answer(groups: readonly OpenGroup[], reply: TakeReply | undefined): void {
    const decisions = reply?.decisions ?? [];
    for (let at = 0; at < decisions.length && at < groups.length; at++) {
      const { waiters } = groups[at]!;
      for (let index = 0; index < waiters.length; index++) this.tell(waiters[index]!, decisions[at]!, index);
    }
    if (decisions.length >= groups.length) return;
    const missing = new Error(`the store decided ${decisions.length} of ${groups.length} groups`);
    this.fail(groups.slice(decisions.length), missing);
  }

  private tell(waiter: TurnWaiter, decision: GroupDecision, index: number): void {
    try {
      waiter.decided(decision, index);
    } catch (error) {
      this.onBug(error);
    }
  }

  private fail(groups: readonly OpenGroup[], error: unknown): void {
    if (!(error instanceof StoreFailure)) this.onBug(error);
    const failure = error instanceof StoreFailure ? error : new StoreFailure('error', String(error));
    for (const { waiters } of groups) for (const waiter of waiters) this.tellFailed(waiter, failure);
  }

  private tellFailed(waiter: TurnWaiter, failure: StoreFailure): void {
    try {
      waiter.failed(failure);
    } catch (error) {
      this.onBug(error);
    }
  }
}
