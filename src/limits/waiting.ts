import type { GroupDecision } from '../core/limit/decision.ts';
import type { RouteSet } from './bound-limit.ts';
import type { LimitKey } from './limit-store.ts';
import type { LimitVerdict } from './limit-verdict.ts';
import type { TurnWaiter } from './turn.ts';

/** Makes verdicts of what the store said, or did not say, about a request. */
export interface Judge {
  decided(request: Waiting, decision: GroupDecision, index: number): LimitVerdict;
  failed(request: Waiting): LimitVerdict;
}

/** A request whose limits the store is asked about. A bug in its verdict rejects: it is answered as bugs are. */
export class Waiting implements TurnWaiter {
  readonly set: RouteSet;
  readonly keys: readonly LimitKey[];
  /** Monotonic. */
  readonly startMs: number;
  private readonly judge: Judge;
  private readonly resolve: (verdict: LimitVerdict) => void;
  private readonly reject: (bug: unknown) => void;

  constructor(
    judge: Judge,
    set: RouteSet,
    keys: readonly LimitKey[],
    startMs: number,
    resolve: (verdict: LimitVerdict) => void,
    reject: (bug: unknown) => void,
  ) {
    this.judge = judge;
    this.set = set;
    this.keys = keys;
    this.startMs = startMs;
    this.resolve = resolve;
    this.reject = reject;
  }

  decided(decision: GroupDecision, index: number): void {
    try {
      this.resolve(this.judge.decided(this, decision, index));
    } catch (bug) {
      this.reject(bug);
    }
  }

  failed(): void {
    try {
      this.resolve(this.judge.failed(this));
    } catch (bug) {
      this.reject(bug);
    }
  }
}
