import { policyItem, quotaOf, type RateLimitFields, remainingItem, wholeSeconds } from '../core/limit/fields.ts';
import { ceiling } from '../core/limit/kind.ts';
import type { LimitSpec } from '../core/limit/spec.ts';
import type { RouteLimits } from './bound-limit.ts';
import { keyInWords } from './limit-key.ts';
import type { LimitVerdict, VerdictEntry } from './limit-verdict.ts';

export type HeaderMode = 'standard' | 'legacy' | 'both' | false;
export type FieldLine = readonly [name: string, value: string];

const NO_LINES: readonly FieldLine[] = [];
const LOCAL_LINE: FieldLine = ['X-RateLimit-Mode', 'local'];

/** Whether the entry's numbers are shown: a shadow limit is invisible, and of one let through unasked nothing is known. */
function isShown(entry: VerdictEntry): boolean {
  return !entry.shadow && !(entry.mode === 'local' && entry.limit.model.onStoreFailure !== 'local');
}

/** Of the entries shown, the one with the least r/q. */
function scarcest(entries: readonly VerdictEntry[]): VerdictEntry | undefined {
  let least: VerdictEntry | undefined;
  let leastShare = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    if (!isShown(entry)) continue;
    const share = entry.remaining / quotaOf(entry.limit.model.spec);
    if (share >= leastShare) continue;
    least = entry;
    leastShare = share;
  }
  return least;
}

function isViolated(entry: VerdictEntry): boolean {
  return !entry.ok && !entry.shadow;
}

function itemOf(entry: VerdictEntry): string {
  return remainingItem(entry.name, entry.remaining, entry.waitMs);
}

/** The policy of the route, put together once and again only when a quota's period ends. */
function policyOf(route: RouteLimits, atUs: number): string | undefined {
  if (atUs >= route.policyFromUs && atUs < route.policyUntilUs) return route.policy;
  let fromUs = 0;
  let untilUs = Number.POSITIVE_INFINITY;
  const items: string[] = [];
  for (const { compiled, model, shadow } of route.limits) {
    if (shadow) continue;
    let runningUs = 0;
    if (compiled.kind === 'quota') {
      compiled.calendar.locate(atUs);
      const { startUs, endUs } = compiled.calendar;
      fromUs = Math.max(fromUs, startUs);
      untilUs = Math.min(untilUs, endUs);
      runningUs = endUs - startUs;
    }
    items.push(policyItem(model.name, model.spec, runningUs));
  }
  route.policyFromUs = fromUs;
  route.policyUntilUs = untilUs;
  route.policy = items.length === 0 ? undefined : items.join(', ');
  return route.policy;
}

/** Values of `RateLimit-Policy` and `RateLimit`, to be merged with an upstream's own (`mergeUpstreamFields`). */
export function rateLimitFields(verdict: LimitVerdict, route: RouteLimits): RateLimitFields {
  const { entries } = verdict;
  if (entries.length === 0) return { policy: undefined, limit: undefined };
  const policy = policyOf(route, entries[0]!.atUs);
  if (verdict.failure === 'rate-limited') {
    return { policy, limit: entries.filter(isViolated).map(itemOf).join(', ') };
  }
  // Of a request refused for the store's sake nothing was decided.
  const least = verdict.failure === 'store-failed' ? undefined : scarcest(entries);
  return { policy, limit: least === undefined ? undefined : itemOf(least) };
}

/**
 * The rate-limit fields of an answer, `Retry-After` aside. `legacy` has `X-RateLimit-Limit`, `-Remaining` and `-Reset`
 * (seconds from now) of the limit nearest to its end.
 */
export function rateLimitLines(verdict: LimitVerdict, route: RouteLimits, mode: HeaderMode): readonly FieldLine[] {
  const { entries } = verdict;
  if (mode === false || entries.length === 0) return NO_LINES;
  const lines: FieldLine[] = [];
  if (mode !== 'legacy') {
    const { policy, limit } = rateLimitFields(verdict, route);
    if (policy !== undefined) lines.push(['RateLimit-Policy', policy]);
    if (limit !== undefined) lines.push(['RateLimit', limit]);
  }
  if (mode !== 'standard') pushLegacy(lines, verdict);
  if (entries[0]!.mode === 'local') lines.push(LOCAL_LINE);
  return lines;
}

function pushLegacy(lines: FieldLine[], verdict: LimitVerdict): void {
  const shown = verdict.admitted ? scarcest(verdict.entries) : longestWait(verdict);
  if (shown === undefined) return;
  lines.push(['X-RateLimit-Limit', String(quotaOf(shown.limit.model.spec))]);
  lines.push(['X-RateLimit-Remaining', String(shown.remaining)]);
  if (shown.waitMs !== undefined) lines.push(['X-RateLimit-Reset', String(wholeSeconds(shown.waitMs))]);
}

/** Of the violated limits, the one that holds longest; one that never admits the cost before all. */
function longestWait(verdict: LimitVerdict): VerdictEntry | undefined {
  let longest: VerdictEntry | undefined;
  for (const entry of verdict.entries) {
    if (!isViolated(entry)) continue;
    if (entry.waitMs === undefined) return entry;
    if (longest === undefined || entry.waitMs > longest.waitMs!) longest = entry;
  }
  return longest;
}

/** What the problem document of a refusal says. */
export interface LimitProblem {
  readonly detail: string;
  /** `violated-policies` of a 429; undefined when the store's failure is the reason. */
  readonly violatedPolicies: readonly string[] | undefined;
  /** Value of `Retry-After`, seconds; undefined = none. */
  readonly retryAfterS: number | undefined;
}

export function limitProblem(verdict: LimitVerdict): LimitProblem {
  const retryAfterS = verdict.retryAfterMs === undefined ? undefined : wholeSeconds(verdict.retryAfterMs);
  if (verdict.failure === 'store-failed') {
    return { detail: 'The limits of this route cannot be checked now.', violatedPolicies: undefined, retryAfterS };
  }
  const entry = longestWait(verdict)!;
  const violatedPolicies = verdict.entries.filter(isViolated).map((one) => one.name);
  return { detail: detailOf(entry, retryAfterS), violatedPolicies, retryAfterS };
}

function detailOf(entry: VerdictEntry, retryAfterS: number | undefined): string {
  const { model, compiled } = entry.limit;
  if (entry.keyHash === '') return `Limit "${model.name}" needs ${keyInWords(model)}, and the request has none.`;
  const allows = `Limit "${model.name}" allows ${inWords(model.spec)}.`;
  if (retryAfterS !== undefined) return `${allows} Retry in ${retryAfterS} s.`;
  return `${allows} This request costs ${entry.cost}, more than the ${ceiling(compiled)} it ever admits at once.`;
}

function inWords(spec: LimitSpec): string {
  if (spec.kind === 'quota') return `${requests(spec.limit)} per ${spec.period}`;
  if (spec.kind === 'window') return `${requests(spec.limit)} per ${spec.windowUs / 1_000_000} s`;
  const rate = `${requests(spec.count)} per ${spec.periodUs / 1_000_000} s`;
  return spec.burst === spec.count ? rate : `${rate} with bursts of ${spec.burst}`;
}

function requests(count: number): string {
  return count === 1 ? '1 request' : `${count} requests`;
}
