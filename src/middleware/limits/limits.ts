import { mergeUpstreamFields } from '../../core/limit/fields.ts';
import { FieldCode, maskOf } from '../../http/field-code.ts';
import { addLine, type ReplyHead } from '../../http/head.ts';
import { problemReply, type Reply } from '../../http/problem.ts';
import type { RouteLimits } from '../../limits/bound-limit.ts';
import {
  addLegacyFields,
  addStandardFields,
  type HeaderMode,
  isLocal,
  limitProblem,
  rateLimitFields,
} from '../../limits/limit-answer.ts';
import type { LimitVerdict } from '../../limits/limit-verdict.ts';
import type { Limiter } from '../../limits/limiter.ts';
import type { Exchange } from '../../proxy/exchange.ts';
import type { Middleware } from '../../proxy/hooks.ts';

const RATE_LIMIT_FIELDS = maskOf(FieldCode.rateLimit, FieldCode.rateLimitPolicy);
/** They speak of one limit: beside one of an endpoint's, none of ours. */
const LEGACY = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'] as const;

/** Enforces the limits of a route: decides, refuses with an explanation, and tells the client what is left. */
export function limitsMiddleware(limiter: Limiter, limits: RouteLimits, headers: HeaderMode): Middleware {
  return {
    name: 'limits',
    request: (exchange) => {
      const verdict = limiter.decide(limits, exchange);
      if (!(verdict instanceof Promise)) return judge(exchange, verdict);
      return verdict.then((late) => judge(exchange, late));
    },
    response: (exchange, reply) => {
      const { verdict } = exchange;
      if (headers !== false && verdict !== undefined && verdict.entries.length > 0) {
        addFields(reply, verdict, limits, headers);
      }
      return undefined;
    },
  };
}

function judge(exchange: Exchange, verdict: LimitVerdict): Reply | undefined {
  exchange.verdict = verdict;
  if (verdict.admitted) return undefined;
  const { detail, retryAfterS, violatedPolicies } = limitProblem(verdict);
  const kind = verdict.failure ?? 'rate-limited';
  exchange.reason = kind === 'rate-limited' ? 'RL' : 'RLSE';
  exchange.reasonDetail = detail;
  exchange.retryAfterMs = verdict.retryAfterMs;
  return problemReply(kind, detail, exchange.id, { retryAfterS, violatedPolicies });
}

/** Ours beside an endpoint's own, which are kept. */
function addFields(reply: ReplyHead, verdict: LimitVerdict, limits: RouteLimits, mode: HeaderMode): void {
  if (mode !== 'legacy') addStandard(reply, verdict, limits);
  if (mode !== 'standard' && !LEGACY.some((name) => theirs(reply, name) !== undefined)) {
    addLegacyFields(reply, verdict);
  }
  if (isLocal(verdict) && theirs(reply, 'x-ratelimit-mode') === undefined) addLine(reply, 'X-RateLimit-Mode', 'local');
}

function addStandard(reply: ReplyHead, verdict: LimitVerdict, limits: RouteLimits): void {
  const { fields } = reply;
  if (!fields.has(FieldCode.rateLimitPolicy) && !fields.has(FieldCode.rateLimit)) {
    addStandardFields(reply, verdict, limits);
    return;
  }
  const policy = theirs(reply, 'ratelimit-policy');
  const limit = theirs(reply, 'ratelimit');
  if (policy === undefined && limit === undefined) {
    addStandardFields(reply, verdict, limits);
    return;
  }
  const upstream = { policy, limit };
  const merged = mergeUpstreamFields(rateLimitFields(verdict, limits), upstream);
  if (merged === upstream) return;
  reply.dropCodes |= RATE_LIMIT_FIELDS;
  if (merged.policy !== undefined) addLine(reply, 'RateLimit-Policy', merged.policy);
  if (merged.limit !== undefined) addLine(reply, 'RateLimit', merged.limit);
}

/** An endpoint's own field, if it is to reach the client. */
function theirs({ fields, drop }: ReplyHead, name: string): string | undefined {
  const value = fields.get(name);
  return value !== undefined && drop?.has(name) === true ? undefined : value;
}
