import { policyItem, type RateLimitFields, wholeSeconds } from '../core/limit/fields.ts';
import { ceiling } from '../core/limit/kind.ts';
import type { LimitSpec } from '../core/limit/spec.ts';
import { addLine, EMPTY_BLOCK, FieldBlock, type OutgoingFields } from '../http/head.ts';
import type { RouteLimits } from './bound-limit.ts';
import { keyInWords } from './limit-key.ts';
import type { LimitVerdict, VerdictEntry } from './limit-verdict.ts';

export type HeaderMode = 'standard' | 'legacy' | 'both' | false;

/** Whether the entry's numbers are shown: a shadow limit is invisible, and of one let through unasked nothing is known. */
function isShown(entry: VerdictEntry): boolean {
  return !entry.shadow && !(entry.mode === 'local' && entry.limit.model.onStoreFailure !== 'local');
}

/** Of the entries shown, the one with the least r/q. */
function scarcest(entries: readonly VerdictEntry[]): VerdictEntry | undefined {
  let least: VerdictEntry | undefined;
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at]!;
    if (!isShown(entry)) continue;
    // r/q < R/Q, without dividing.
    if (least === undefined || entry.remaining * least.limit.quota < least.remaining * entry.limit.quota) least = entry;
  }
  return least;
}

function isViolated(entry: VerdictEntry): boolean {
  return !entry.ok && !entry.shadow;
}

function lineOf(entry: VerdictEntry): FieldBlock {
  return entry.limit.items.item(entry.remaining, entry.waitMs);
}

function itemOf(entry: VerdictEntry): string {
  return lineOf(entry).lines[1] as string;
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

/** `RateLimit`: what is left of the scarcest limit, or of every one that was violated. */
function limitOf({ entries, failure }: LimitVerdict): FieldBlock | undefined {
  if (failure === 'rate-limited') {
    return new FieldBlock(['RateLimit', entries.filter(isViolated).map(itemOf).join(', ')]);
  }
  // Of a request refused for the store's sake nothing was decided.
  const least = failure === 'store-failed' ? undefined : scarcest(entries);
  return least === undefined ? undefined : lineOf(least);
}

/** Values of `RateLimit-Policy` and `RateLimit`, to be merged with an upstream's own (`mergeUpstreamFields`). */
export function rateLimitFields(verdict: LimitVerdict, route: RouteLimits): RateLimitFields {
  return { policy: policyOf(route, verdict.entries[0]!.atUs), limit: limitOf(verdict)?.lines[1] };
}

/** Adds the same to the fields of an answer. As for all of these, the verdict has entries. */
export function addStandardFields(head: OutgoingFields, verdict: LimitVerdict, route: RouteLimits): void {
  const policy = policyOf(route, verdict.entries[0]!.atUs);
  // The same for every answer of the route: it joins what is rendered once.
  if (policy !== undefined) head.shared = route.withPolicy(head.shared ?? EMPTY_BLOCK, policy);
  head.varying = limitOf(verdict);
}

/** Adds `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds from now) of the limit nearest to its end. */
export function addLegacyFields(out: OutgoingFields, verdict: LimitVerdict): void {
  const shown = verdict.admitted ? scarcest(verdict.entries) : longestWait(verdict);
  if (shown === undefined) return;
  addLine(out, 'X-RateLimit-Limit', String(shown.limit.quota));
  addLine(out, 'X-RateLimit-Remaining', String(shown.remaining));
  if (shown.waitMs !== undefined) addLine(out, 'X-RateLimit-Reset', String(wholeSeconds(shown.waitMs)));
}

/** Whether it was decided without the store: `X-RateLimit-Mode: local`. */
export function isLocal({ entries }: LimitVerdict): boolean {
  return entries[0]!.mode === 'local';
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
