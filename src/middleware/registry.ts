import type { RouteLimits } from '../limits/bound-limit.ts';
import type { HeaderMode } from '../limits/limit-answer.ts';
import type { Limiter } from '../limits/limiter.ts';
import type { Middleware } from '../proxy/hooks.ts';
import { limitsMiddleware } from './limits/limits.ts';

/** What a route's built-in features are made from. */
export interface MiddlewareDeps {
  readonly limiter: Limiter;
  /** Undefined where the route has no limits. */
  readonly limits: RouteLimits | undefined;
  readonly rateLimitHeaders: HeaderMode;
}

/** The one list of built-in middleware, in the order in which a request meets it. */
export function builtInMiddleware({ limiter, limits, rateLimitHeaders }: MiddlewareDeps): readonly Middleware[] {
  return limits === undefined ? [] : [limitsMiddleware(limiter, limits, rateLimitHeaders)];
}
