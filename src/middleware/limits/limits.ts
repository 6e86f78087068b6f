import { mergeUpstreamFields } from '../../core/limit/fields.ts';
import { FieldCode, maskOf } from '../../http/field-code.ts';
import type { ReplyHead } from '../../http/head.ts';
import { problemReply, type Reply } from '../../http/problem.ts';
import type { RouteLimits } from '../../limits/bound-limit.ts';
import { type HeaderMode, limitProblem, rateLimitFields, rateLimitLines } from '../../limits/limit-answer.ts';
import type { LimitVerdict } from '../../limits/limit-verdict.ts';
import type { Limiter } from '../../limits/limiter.ts';
import type { Exchange } from '../../proxy/exchange.ts';
import type { Middleware } from '../../proxy/hooks.ts';

const RATE_LIMIT_FIELDS = maskOf(FieldCode.rateLimit, FieldCode.rateLimitPolicy);

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
      if (headers !== false && exchange.verdict !== undefined) addFields(reply, exchange.verdict, limits, headers);
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
function addFields(reply: ReplyHead, verdict: LimitVerdict, limits: RouteLimits, headers: HeaderMode): void {
  const policy = reply.fields.get('ratelimit-policy');
  const limit = reply.fields.get('ratelimit');
  const isAlone = policy === undefined && limit === undefined;
  for (const [name, value] of rateLimitLines(verdict, limits, headers)) {
    if (isAlone || !name.startsWith('RateLimit')) reply.extra.push(name, value);
  }
  if (isAlone || headers === 'legacy') return;
  const merged = mergeUpstreamFields(rateLimitFields(verdict, limits), { policy, limit });
  reply.dropCodes |= RATE_LIMIT_FIELDS;
  if (merged.policy !== undefined) reply.extra.push('RateLimit-Policy', merged.policy);
  if (merged.limit !== undefined) reply.extra.push('RateLimit', merged.limit);
}
