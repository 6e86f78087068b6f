import { type CompiledLimit, ceiling, charge, type LimitState, level, NEVER, waitUs } from './kind.ts';

/** A limit's part in the decision about a request. */
export interface Decision {
  readonly ok: boolean;
  /** Units left after the decision, ≥ 0. */
  readonly remaining: number;
  /** Denied: microseconds until the same cost would fit (`NEVER`: above the capacity). Admitted: 0. */
  readonly waitUs: number;
}

/**
 * The decision about a group: `count` requests with the same limits, keys and costs, in order, at one instant. The first
 * `admitted` of them go through. The lists have one place per limit and are used again by the next decision.
 */
export class GroupDecision {
  admitted = 0;
  /** The store's time of the decision, microseconds since the epoch. */
  atUs = 0;
  /** Requests charged to the limit: `admitted`, or fewer for a shadow limit that would have refused some. */
  readonly charged: number[] = [];
  /** Units left after the group, ≥ 0. Less than the cost: the next such request violates the limit. */
  readonly remaining: number[] = [];
  /** Microseconds until there are more units than `remaining`; `NEVER` when the limit is full. */
  readonly moreUs: number[] = [];
  /** Microseconds until the cost fits; 0 when it does, `NEVER` when it is above the capacity. */
  readonly waitUs: number[] = [];
}

/**
 * All or none over several limits: a request is admitted when every enforced limit has room for its cost, and then every
 * limit is charged; else none is. A shadow limit refuses nobody: it is charged for the admitted requests that it would
 * have let through. `states` are changed in place. Twin of the groups in `take.lua`.
 */
export function decideGroup(
  limits: readonly CompiledLimit[],
  shadows: readonly boolean[],
  states: readonly LimitState[],
  costs: readonly number[],
  count: number,
  nowUs: number,
  out: GroupDecision,
): void {
  let admitted = count;
  for (let at = 0; at < limits.length; at++) {
    const left = level(limits[at]!, states[at]!, nowUs);
    const cost = costs[at]!;
    const fits = left < cost ? 0 : cost === 1 ? left : Math.floor(left / cost);
    // Until it is known how many are admitted, the lists hold what is left before the group, and how many of it fit.
    out.remaining[at] = left;
    out.charged[at] = fits;
    if (!shadows[at] && fits < admitted) admitted = fits;
  }
  out.admitted = admitted;
  out.atUs = nowUs;
  for (let at = 0; at < limits.length; at++) {
    const limit = limits[at]!;
    const state = states[at]!;
    const cost = costs[at]!;
    const charged = Math.min(admitted, out.charged[at]!);
    out.charged[at] = charged;
    if (charged > 0) charge(limit, state, charged * cost, nowUs);
    // What fits and is charged lowers the level by just so much, in every kind.
    const left = Math.max(0, out.remaining[at]! - charged * cost);
    out.remaining[at] = left;
    out.moreUs[at] = left >= ceiling(limit) ? NEVER : waitUs(limit, state, left + 1, nowUs);
    out.waitUs[at] = left >= cost ? 0 : waitUs(limit, state, cost, nowUs);
  }
}

const STEP_SHADOW = [false];

/** One decision of one limit: the step every kind is tested by. `state` is changed in place when the cost fits. */
export function step(limit: CompiledLimit, state: LimitState, cost: number, nowUs: number): Decision {
  const out = new GroupDecision();
  decideGroup([limit], STEP_SHADOW, [state], [cost], 1, nowUs, out);
  const ok = out.admitted === 1;
  return { ok, remaining: out.remaining[0]!, waitUs: ok ? 0 : out.waitUs[0]! };
}
