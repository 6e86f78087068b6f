import type { SnapshotModel } from '../config/snapshot.ts';
import { compileRouter } from '../core/route/match.ts';
import { hasStar } from '../core/route/rewrite.ts';
import type { FlatFields } from '../http/head.ts';
import type { Reply } from '../http/problem.ts';
import type { Limiter } from '../limits/limiter.ts';
import { builtInMiddleware } from '../middleware/registry.ts';
import type { Metrics } from '../ports.ts';
import type { HeaderEdits, RouteModel } from '../proxy/route-model.ts';
import type { Route, Snapshot, StarRedirect } from '../proxy/snapshot.ts';
import type { Upstreams } from '../upstream/upstreams.ts';

export interface RouteDeps {
  readonly metrics: Metrics;
  readonly limiter: Limiter;
  readonly upstreams: Upstreams;
}

/** Where no route matches: named '' in logs and metrics, and governed by `defaults` alone. */
const NO_ROUTE: RouteModel = {
  name: '',
  place: 'routes',
  match: { hosts: [], paths: [], methods: [], headers: [], query: [] },
  action: { kind: 'respond', status: 404, headers: [], body: '' },
  limits: [],
  responseTimeoutMs: undefined,
  responseTimeoutPlace: '',
  streamTimeoutMs: undefined,
  streamTimeoutPlace: '',
  retry: undefined,
  stripPrefix: undefined,
  rewrite: undefined,
  requestHeaders: undefined,
  responseHeaders: undefined,
  bodyLimitBytes: undefined,
};

/** Works out, once per configuration, all that a request would else have to. */
export function buildSnapshot(model: SnapshotModel, deps: RouteDeps): Snapshot {
  return Object.freeze({
    router: compileRouter(model.routes.map((route) => route.match)),
    routes: model.routes.map((route) => buildRoute(route, model, deps)),
    noRoute: { ...buildRoute({ ...NO_ROUTE, limits: model.defaultLimits }, model, deps), reply: undefined },
  });
}

function buildRoute(model: RouteModel, { rateLimitHeaders }: SnapshotModel, deps: RouteDeps): Route {
  const limits = model.limits.length === 0 ? undefined : deps.limiter.compile(model.limits, model.name);
  const middleware = builtInMiddleware({ limiter: deps.limiter, limits, rateLimitHeaders });
  return {
    model,
    metrics: deps.metrics.route(model.name),
    upstream: model.action.kind === 'upstream' ? deps.upstreams.get(model.action.upstream) : undefined,
    reply: replyOf(model),
    redirect: starRedirectOf(model),
    requestHooks: middleware.flatMap(({ request }) => (request === undefined ? [] : [request])),
    responseHooks: middleware.flatMap(({ response }) => (response === undefined ? [] : [response])),
    finishHooks: middleware.flatMap(({ finish }) => (finish === undefined ? [] : [finish])),
    requestDrop: dropOf(model.requestHeaders),
    requestExtra: extraOf(model.requestHeaders),
    responseDrop: dropOf(model.responseHeaders),
    responseExtra: extraOf(model.responseHeaders),
  };
}

function dropOf(edits: HeaderEdits | undefined): ReadonlySet<string> | undefined {
  if (edits === undefined || edits.set.length + edits.remove.length === 0) return undefined;
  return new Set([...edits.set.map(([name]) => name), ...edits.remove].map((name) => name.toLowerCase()));
}

function extraOf(edits: HeaderEdits | undefined): FlatFields {
  return edits === undefined ? [] : [...edits.set, ...edits.add].flat();
}

function starRedirectOf({ action }: RouteModel): StarRedirect | undefined {
  return action.kind === 'redirect' && hasStar(action.to) ? action : undefined;
}

/** The answer of a route that needs no endpoint and nothing of the request, as octets. */
function replyOf({ action }: RouteModel): Reply | undefined {
  if (action.kind === 'upstream') return undefined;
  if (action.kind === 'redirect') {
    return hasStar(action.to) ? undefined : { status: action.status, fields: ['Location', action.to], body: '' };
  }
  const body = Buffer.from(action.body, 'utf8').toString('latin1');
  const fields = action.headers.flat();
  const isTyped = action.headers.some(([name]) => name.toLowerCase() === 'content-type');
  if (!isTyped && body !== '') fields.push('Content-Type', 'text/plain; charset=utf-8');
  return { status: action.status, fields, body };
}
