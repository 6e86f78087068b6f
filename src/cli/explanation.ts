import { keyTexts, limitText, shownOr } from '../admin/views.ts';
import { compileEdits } from '../config/compile/routes.ts';
import { compileConfig } from '../config/compile.ts';
import { effectiveConfig } from '../config/effective.ts';
import type { LoadedConfig } from '../config/load.ts';
import { redact, redactText } from '../config/redact.ts';
import type { Config } from '../config/schema.ts';
import type { SnapshotModel } from '../config/snapshot.ts';
import { clientOf } from '../core/ip.ts';
import { explainMatch, verdictText } from '../core/route/explain.ts';
import { pathParam, type RouteHit } from '../core/route/match.ts';
import { redirectTarget, rewritePath } from '../core/route/rewrite.ts';
import { LimitException } from '../limits/limit-exception.ts';
import { keyValue } from '../limits/limit-key.ts';
import type { LimitModel } from '../limits/limit-model.ts';
import type { LimitSubject } from '../limits/limit-subject.ts';
import type { HeaderEdits, RouteModel } from '../proxy/route-model.ts';
import type { UpstreamModel } from '../upstream/upstream-model.ts';
import type { AskedRequest } from './request-asked.ts';

export interface KeyPartExplanation {
  readonly part: string;
  /** `null`: the request has none, and `onMissingKey` says what then. */
  readonly value: string | null;
}

export interface LimitExplanation {
  readonly name: string;
  readonly kind: LimitModel['spec']['kind'];
  readonly value: string;
  readonly cost: number;
  readonly shadow: boolean;
  readonly key: readonly KeyPartExplanation[];
  /** What the missing parts of the key lead to; `null` where none is missing. */
  readonly onMissingKey: LimitModel['onMissingKey'] | null;
  /** `except` holds: not limited, not counted. */
  readonly excepted: boolean;
}

export interface ForwardExplanation {
  readonly upstream: string;
  readonly balance: string;
  readonly endpoints: readonly string[];
  /** Path and query that the endpoint sees. */
  readonly target: string;
  /** The Host that it sees; `null`: that of the endpoint picked. */
  readonly host: string | null;
  readonly set: readonly (readonly [string, string])[];
  readonly add: readonly (readonly [string, string])[];
  readonly remove: readonly string[];
}

export interface RouteExplanation {
  readonly name: string;
  readonly place: string;
  readonly action: RouteModel['action']['kind'];
  readonly params: Readonly<Record<string, string>>;
  readonly forward: ForwardExplanation | null;
  /** Status and target of an answer of the gateway's own. */
  readonly answer: { readonly status: number; readonly to: string | null } | null;
}

export interface Explanation {
  readonly outcome: 'route' | 'no-route' | 'refused';
  readonly request: { readonly method: string; readonly host: string; readonly path: string; readonly client: string };
  /** Why the gateway refuses the request before it looks for a route. */
  readonly refused: { readonly status: number; readonly detail: string } | null;
  readonly route: RouteExplanation | null;
  /** In the order in which the route names them; `defaults.limits` where no route matches. */
  readonly limits: readonly LimitExplanation[];
  readonly others: readonly { readonly name: string; readonly why: string }[];
}

/** A configuration as it decides, and as it may be shown. */
interface Explained {
  readonly model: SnapshotModel;
  /** In force, its secrets hidden. */
  readonly shown: Config;
  readonly secrets: LoadedConfig['secrets'];
}

/** What a gateway with this configuration would do with a request. The real values decide; secrets are not shown. */
export function explainRequest({ config, secrets }: LoadedConfig, request: AskedRequest): Explanation {
  const model = compileConfig(config);
  const explained: Explained = { model, shown: redact(effectiveConfig(config), secrets), secrets };
  const { method, host, path, rawPath, clientIp } = request;
  const asked = { method, host, path: path ?? rawPath, client: clientIp };
  const refused = refusalOf(request);
  if (refused !== null || path === undefined) {
    return { outcome: 'refused', request: asked, refused, route: null, limits: [], others: [] };
  }
  const matches = model.routes.map((route) => route.match);
  const { hit, verdicts } = explainMatch(matches, host, path, method, request);
  const nameOf = (index: number): string => explained.shown.routes[index]!.name ?? model.routes[index]!.name;
  const others = verdicts.flatMap((verdict, index) =>
    verdict.kind === 'matched' ? [] : [{ name: nameOf(index), why: verdictText(verdict, nameOf) }],
  );
  const limits = hit === undefined ? model.defaultLimits : model.routes[hit.route]!.limits;
  const subject = subjectOf(request, path, hit);
  const routeName = hit === undefined ? '' : nameOf(hit.route);
  return {
    outcome: hit === undefined ? 'no-route' : 'route',
    request: asked,
    refused: null,
    route: hit === undefined ? null : explainRoute(explained, hit, request, path),
    limits: limits.map((limit) => explainLimit(limit, explained.shown.limits[limit.name]!, subject, routeName)),
    others,
  };
}

function refusalOf({ method, path }: AskedRequest): Explanation['refused'] {
  if (method === 'TRACE') return { status: 405, detail: 'TRACE is not allowed' };
  if (method === 'CONNECT') return { status: 501, detail: 'CONNECT is not implemented' };
  if (path === undefined) return { status: 400, detail: 'the path could be understood in more than one way' };
  return null;
}

function subjectOf(request: AskedRequest, path: string, hit: RouteHit | undefined): LimitSubject {
  const { method, host, clientIp } = request;
  return {
    method,
    host,
    path,
    clientIp,
    header: (name) => request.header(name),
    cookie: (name) => request.cookie(name),
    query: (name) => request.query(name),
    pathParam: (name) => (hit === undefined ? undefined : pathParam(hit, name)),
  };
}

function explainLimit(
  limit: LimitModel,
  shown: Config['limits'][string],
  subject: LimitSubject,
  routeName: string,
): LimitExplanation {
  const parts = keyTexts(limit.key, shown);
  const key = limit.key.map((source, index): KeyPartExplanation => {
    const part = parts[index]!;
    const value = keyValue(source, subject, routeName);
    if (value === undefined || value === '') return { part, value: null };
    return { part, value: source.source === 'client.ip' ? clientOf(value, limit.ipv6Prefix) : value };
  });
  if (limit.scope === 'route') key.push({ part: 'scope: route', value: routeName });
  return {
    name: limit.name,
    kind: limit.spec.kind,
    value: limitText(limit.spec, shown),
    cost: limit.cost,
    shadow: limit.shadow,
    key,
    onMissingKey: key.some(({ value }) => value === null) ? limit.onMissingKey : null,
    excepted: limit.except !== undefined && new LimitException(limit.except).holds(subject),
  };
}

function explainRoute(explained: Explained, hit: RouteHit, request: AskedRequest, path: string): RouteExplanation {
  const { model, shown } = explained;
  const route = model.routes[hit.route]!;
  const { action } = route;
  const params = Object.fromEntries(hit.paramNames.map((name, index) => [name, hit.paramValues[index] ?? '']));
  return {
    name: shown.routes[hit.route]!.name ?? route.name,
    place: route.place,
    action: action.kind,
    params,
    forward: action.kind === 'upstream' ? explainForward(explained, hit, action.upstream, request, path) : null,
    answer:
      action.kind === 'upstream'
        ? null
        : { status: action.status, to: redirectedTo(explained, hit, action, request, path) },
  };
}

function redirectedTo(
  { secrets }: Explained,
  hit: RouteHit,
  action: RouteModel['action'],
  request: AskedRequest,
  path: string,
): string | null {
  if (action.kind !== 'redirect') return null;
  const to = redirectTarget(action.to, path, hit.starAt, request.queryText);
  return redactText(to, ['routes', hit.route, 'redirect', 'to'], secrets);
}

function explainForward(
  { model, shown, secrets }: Explained,
  hit: RouteHit,
  upstreamName: string,
  request: AskedRequest,
  path: string,
): ForwardExplanation {
  const route = model.routes[hit.route]!;
  const upstream = model.upstreams.get(upstreamName)!;
  const shownRoute = shown.routes[hit.route]!;
  const shownUpstream = shown.upstreams[upstreamName];
  const edits: HeaderEdits = compileEdits(shownRoute.headers?.request) ?? { set: [], add: [], remove: [] };
  const target = rewritePath(path, hit.starAt, route) + request.queryText;
  return {
    upstream: shownOr(shownRoute.upstream, upstream.name),
    balance: upstream.balance,
    endpoints: upstream.endpoints.map(({ name }, index) =>
      shownOr(urlOf(shownUpstream?.endpoints[index]) ?? shownRoute.upstream, name),
    ),
    target: redactText(target, ['routes', hit.route, 'rewrite', 'path'], secrets),
    host: shownRoute.rewrite?.host ?? hostSeen(upstream, shownUpstream?.host, request),
    set: edits.set,
    add: edits.add,
    remove: edits.remove,
  };
}

function urlOf(endpoint: Config['upstreams'][string]['endpoints'][number] | undefined): string | undefined {
  return typeof endpoint === 'object' ? endpoint.url : endpoint;
}

function hostSeen({ host }: UpstreamModel, shown: string | undefined, request: AskedRequest): string | null {
  if (host.kind === 'fixed') return shown ?? host.value;
  return host.kind === 'keep' && request.authority !== '' ? request.authority : null;
}
