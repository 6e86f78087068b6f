import { quotaOf, RemainingItems } from '../core/limit/fields.ts';
import { type CompiledLimit, compileLimit } from '../core/limit/kind.ts';
import { FieldBlock } from '../http/head.ts';
import type { LimitMetrics, LimitMode, LimitOutcomeLabel } from '../ports.ts';
import { DecisionTiming } from './decision-timing.ts';
import { LimitException } from './limit-exception.ts';
import type { LimitKeys } from './limit-key.ts';
import type { LimitModel } from './limit-model.ts';
import { type LimitSet, limitSet, type StoreLimit } from './limit-store.ts';

/** What there is once for a limit of a name, over all routes and reloads. */
export class NamedLimit {
  /** Decisions since the start. */
  allowed = 0;
  refused = 0;
  /** Lines of `RateLimit`. */
  readonly items: RemainingItems<FieldBlock>;

  constructor(name: string) {
    this.items = new RemainingItems(name, (text) => new FieldBlock(['RateLimit', text]));
  }
}

/** A limit where a route uses it: everything that does not depend on the request is worked out. */
export class BoundLimit implements StoreLimit {
  readonly model: LimitModel;
  readonly name: string;
  readonly compiled: CompiledLimit;
  readonly shadow: boolean;
  /** The `q` of its policy. */
  readonly quota: number;
  readonly items: RemainingItems<FieldBlock>;
  readonly keys: LimitKeys;
  readonly except: LimitException | undefined;
  private readonly metrics: LimitMetrics;
  private readonly named: NamedLimit;

  constructor(model: LimitModel, keys: LimitKeys, metrics: LimitMetrics, named: NamedLimit) {
    this.model = model;
    this.name = model.name;
    this.compiled = compileLimit(model.spec);
    this.shadow = model.shadow;
    this.quota = quotaOf(model.spec);
    this.keys = keys;
    this.except = model.except === undefined ? undefined : new LimitException(model.except);
    this.metrics = metrics;
    this.named = named;
    this.items = named.items;
  }

  counted(outcome: LimitOutcomeLabel, mode: LimitMode): void {
    if (outcome === 'allowed') this.named.allowed++;
    else if (outcome !== 'failed') this.named.refused++;
    this.metrics.decided(outcome, mode);
  }

  took(durationMs: number): void {
    this.metrics.decisionDuration(durationMs / 1000);
  }
}

/** The limits that hold for one kind of request of a route: all of them, or those without an exception or a skipped key. */
export interface RouteSet {
  readonly set: LimitSet<BoundLimit>;
  readonly costs: readonly number[];
  /** Places of the limits that go on locally when the store fails. */
  readonly local: readonly number[];
  /** The set of those alone; undefined when there are none. */
  readonly localSet: RouteSet | undefined;
  /** Whether a limit refuses when the store fails. */
  readonly denies: boolean;
  readonly timing: DecisionTiming;
}

function routeSet(limits: readonly BoundLimit[]): RouteSet {
  const places = limits.map((_, at) => at);
  const local = places.filter((at) => limits[at]!.model.onStoreFailure === 'local');
  const partial = local.length > 0 && local.length < limits.length;
  const set: RouteSet & { localSet: RouteSet | undefined } = {
    set: limitSet(limits),
    costs: limits.map((limit) => limit.model.cost),
    local,
    localSet: partial ? routeSet(local.map((at) => limits[at]!)) : undefined,
    denies: limits.some((limit) => !limit.shadow && limit.model.onStoreFailure === 'deny'),
    timing: new DecisionTiming(),
  };
  if (local.length === limits.length) set.localSet = set;
  return set;
}

/** More limits than this do not fit a route: their sets are told apart by the bits of a number. */
export const MAX_LIMITS_PER_ROUTE = 30;

/** The limits of a route, compiled once per configuration. */
export class RouteLimits {
  readonly limits: readonly BoundLimit[];
  readonly all: number;
  private readonly whole: RouteSet;
  private readonly parts = new Map<number, RouteSet>();
  /** Value of `RateLimit-Policy`, and until when it holds (a quota's period may change its length). */
  policy: string | undefined;
  policyFromUs = 0;
  policyUntilUs = 0;

  private base: FieldBlock | undefined = undefined;
  private basePolicy = '';
  private withBase: FieldBlock | undefined = undefined;

  /** `block` with the policy's line. Nearly every answer of a route asks for the same. */
  withPolicy(block: FieldBlock, policy: string): FieldBlock {
    if (this.withBase !== undefined && this.base === block && this.basePolicy === policy) return this.withBase;
    this.base = block;
    this.basePolicy = policy;
    this.withBase = new FieldBlock([...block.lines, 'RateLimit-Policy', policy]);
    return this.withBase;
  }

  /** Throws a RangeError for too many limits. A limit named twice counts once. */
  constructor(limits: readonly BoundLimit[]) {
    if (limits.length > MAX_LIMITS_PER_ROUTE) throw new RangeError(`more than ${MAX_LIMITS_PER_ROUTE} limits`);
    this.limits = limits;
    this.all = 2 ** limits.length - 1;
    this.whole = routeSet(limits);
  }

  /** The set of the limits whose bits are set. */
  set(mask: number): RouteSet {
    if (mask === this.all) return this.whole;
    let part = this.parts.get(mask);
    if (part === undefined) {
      part = routeSet(this.limits.filter((_, at) => (mask & (1 << at)) !== 0));
      this.parts.set(mask, part);
    }
    return part;
  }
}
