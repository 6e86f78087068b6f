// Hot path: the straight line of a request. Each step either answers or goes on to the next.
import { canonicalPath } from '../core/route/path.ts';
import { redirectTarget } from '../core/route/rewrite.ts';
import type { Reply } from '../http/problem.ts';
import type { Exchange } from './exchange.ts';
import { forward } from './forward.ts';
import type { RequestHook } from './hooks.ts';
import type { StarRedirect } from './snapshot.ts';

const NO_CONTENT: Reply = { status: 204, fields: ['Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'], body: '' };

/** Takes a request from its head to its route, its limits and its endpoint. */
export function serve(exchange: Exchange): void {
  try {
    if (answerSpecialMethod(exchange) || !findRoute(exchange)) return;
    const limit = exchange.route.model.bodyLimitBytes;
    if (limit !== undefined && (exchange.head.bodyLength ?? 0) > limit) {
      exchange.refuse('body-too-large', bodyLimitDetail(exchange, limit));
      return;
    }
    runRequestHooks(exchange, 0);
  } catch (error) {
    exchange.crash(error);
  }
}

export function bodyLimitDetail(exchange: Exchange, limitBytes: number): string {
  return `route "${exchange.routeName}" takes bodies of at most ${limitBytes} bytes (${exchange.route.model.place}.bodyLimit)`;
}

/** `TRACE`, `OPTIONS *` and a spent `Max-Forwards` (RFC 9110 §7.6.2, §9.3.7, §9.3.8) end here. */
function answerSpecialMethod(exchange: Exchange): boolean {
  const { method, path } = exchange.head;
  if (method !== 'OPTIONS' && method !== 'TRACE') return false;
  exchange.path = path;
  if (method === 'TRACE') {
    exchange.refuse('method-not-allowed', 'TRACE is not allowed.', { allow: NO_CONTENT.fields[1] });
    return true;
  }
  if (path !== '*' && !/^0+$/.test(exchange.head.get('max-forwards') ?? '')) return false;
  exchange.answer(NO_CONTENT);
  return true;
}

function findRoute(exchange: Exchange): boolean {
  const { head } = exchange;
  const { snapshot } = exchange.context;
  const path = canonicalPath(head.path);
  if (path === undefined) {
    exchange.path = head.path;
    exchange.refuse('bad-request', 'The path could be understood in more than one way.');
    return false;
  }
  exchange.path = path;
  const hit = snapshot.router.match(head.host, path, head.method, exchange);
  if (hit === undefined) return true;
  exchange.hit = hit;
  exchange.route.metrics.inFlight--;
  exchange.route = snapshot.routes[hit.route] as Exchange['route'];
  exchange.route.metrics.inFlight++;
  return true;
}

/** One loop over the request hooks of the route; after each await the exchange is asked whether it is still wanted. */
function runRequestHooks(exchange: Exchange, at: number): void {
  const hooks = exchange.route.requestHooks;
  while (at < hooks.length) {
    const outcome = (hooks[at++] as RequestHook)(exchange);
    if (outcome === undefined) continue;
    if (outcome instanceof Promise) {
      outcome.then(
        (reply) => continueHooks(exchange, at, reply),
        (error: unknown) => exchange.crash(error),
      );
      return;
    }
    exchange.answer(outcome);
    return;
  }
  act(exchange);
}

function continueHooks(exchange: Exchange, at: number, reply: Reply | undefined): void {
  if (exchange.finished) return;
  try {
    if (reply === undefined) runRequestHooks(exchange, at);
    else exchange.answer(reply);
  } catch (error) {
    exchange.crash(error);
  }
}

/** The end of the line: the route's own answer, or an endpoint's. */
function act(exchange: Exchange): void {
  const { route } = exchange;
  if (route.reply !== undefined) exchange.answer(route.reply);
  else if (route.upstream !== undefined) forward(exchange, route.upstream);
  else if (route.redirect !== undefined) exchange.answer(redirectReply(exchange, route.redirect));
  else exchange.refuse('no-route', `No route matches ${exchange.method} ${exchange.path}.`);
}

function redirectReply({ path, hit, head }: Exchange, { status, to }: StarRedirect): Reply {
  return { status, fields: ['Location', redirectTarget(to, path, hit?.starAt ?? -1, head.query)], body: '' };
}
