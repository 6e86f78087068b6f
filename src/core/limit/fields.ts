import type { LimitSpec } from './spec.ts';
import { parseStringList } from './structured-list.ts';

/**
 * Values of `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) and of `Retry-After`. Names of
 * limits hold no character that a Structured Fields string would escape.
 */

/** Whole seconds, rounded up, at least one: what `t` and `Retry-After` say of a wait in milliseconds. */
export function wholeSeconds(waitMs: number): number {
  return Math.max(1, Math.ceil(waitMs / 1000));
}

/** The quota that `q` states: the most of one window, or of one burst where that is more. */
export function quotaOf(spec: LimitSpec): number {
  return spec.kind === 'rate' ? Math.max(spec.count, spec.burst) : spec.limit;
}

/** One item of `RateLimit-Policy`. `runningUs` is the length of a quota's running period. */
export function policyItem(name: string, spec: LimitSpec, runningUs: number): string {
  const lengthUs = spec.kind === 'rate' ? spec.periodUs : spec.kind === 'window' ? spec.windowUs : runningUs;
  const window = lengthUs % 1_000_000 === 0 && lengthUs > 0 ? `;w=${lengthUs / 1_000_000}` : '';
  return `"${name}";q=${quotaOf(spec)}${window}`;
}

const ITEMS_KEPT = 64;
/** Spreads neighbouring waits over the places of the items kept. */
const PER_SECOND = 31;

/** The items of one limit in `RateLimit`. The few that come again and again are kept, as `make` puts their text. */
export class RemainingItems<T> {
  private readonly name: string;
  private readonly make: (text: string) => T;
  /** By place: the item, and the `r` and `t` that it says (-1 = none). */
  private readonly items: (T | undefined)[] = new Array(ITEMS_KEPT).fill(undefined);
  private readonly remaining = new Float64Array(ITEMS_KEPT);
  private readonly seconds = new Float64Array(ITEMS_KEPT);

  constructor(name: string, make: (text: string) => T) {
    this.name = name;
    this.make = make;
  }

  /** `waitMs` until there is more; undefined when that is never or not known. */
  item(remaining: number, waitMs: number | undefined): T {
    const seconds = waitMs === undefined ? -1 : wholeSeconds(waitMs);
    const place = (remaining + PER_SECOND * seconds) & (ITEMS_KEPT - 1);
    const kept = this.items[place];
    if (kept !== undefined && this.remaining[place] === remaining && this.seconds[place] === seconds) return kept;
    const start = `"${this.name}";r=${remaining}`;
    const item = this.make(seconds < 0 ? start : `${start};t=${seconds}`);
    this.items[place] = item;
    this.remaining[place] = remaining;
    this.seconds[place] = seconds;
    return item;
  }
}

export interface RateLimitFields {
  readonly policy: string | undefined;
  readonly limit: string | undefined;
}

function rename(value: string, clashing: ReadonlySet<string>): string {
  return value.replace(/"([^"]*)"/g, (item, name: string) => (clashing.has(name) ? `"headgate/${name}"` : item));
}

/**
 * The gateway's own fields beside an upstream's. The upstream's are kept as they are; ours are appended only where every
 * field of theirs parses as a list of strings, and under `headgate/<name>` where they use the name; else ours are left out.
 */
export function mergeUpstreamFields(own: RateLimitFields, upstream: RateLimitFields): RateLimitFields {
  const theirs = new Set<string>();
  for (const value of [upstream.policy, upstream.limit]) {
    const names = value === undefined ? [] : parseStringList(value);
    if (names === undefined) return upstream;
    for (const name of names) theirs.add(name);
  }
  return { policy: append(upstream.policy, own.policy, theirs), limit: append(upstream.limit, own.limit, theirs) };
}

function append(
  theirs: string | undefined,
  ours: string | undefined,
  clashing: ReadonlySet<string>,
): string | undefined {
  if (ours === undefined) return theirs;
  const named = rename(ours, clashing);
  return theirs === undefined || theirs.trim() === '' ? named : `${theirs}, ${named}`;
}
