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

/** One item of `RateLimit`; `waitMs` until there is more, undefined when that is never or not known. */
export function remainingItem(name: string, remaining: number, waitMs: number | undefined): string {
  return waitMs === undefined ? `"${name}";r=${remaining}` : `"${name}";r=${remaining};t=${wholeSeconds(waitMs)}`;
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
