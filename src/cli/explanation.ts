import { keyPartText, specText } from '../admin/views.ts';
import type { SnapshotModel } from '../config/snapshot.ts';
import { clientOf } from '../core/ip.ts';
import { explainMatch, verdictText } from '../core/route/explain.ts';
import { pathParam, type RouteHit } from '../core/route/match.ts';
import { redirectTarget, rewritePath } from '../core/route/rewrite.ts';
import { LimitException } from '../limits/limit-exception.ts';
import type { KeyPart, LimitModel } from '../limits/limit-model.ts';
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

/** What a gateway with this configuration would do with a request. */
export function explainRequest(snapshot: SnapshotModel, request: AskedRequest): Explanation {
  const { method, host, path, rawPath, clientIp } = request;
  const asked = { method, host, path: path ?? rawPath, client: clientIp };
  const refused = refusalOf(request);
  if (refused !== null || path === undefined) {
    return { outcome: 'refused', request: asked, refused, route: null, limits: [], others: [] };
  }
  const { hit, verdicts } = explainMatch(
    snapshot.routes.map((route) => route.match),
    host,
    path,
    method,
    request,
  );
  const nameOf = (index: number): string => snapshot.routes[index]!.name;
  const others = verdicts.flatMap((verdict, index) =>
    verdict.kind === 'matched' ? [] : [{ name: nameOf(index), why: verdictText(verdict, nameOf) }],
  );
  const route = hit === undefined ? undefined : snapshot.routes[hit.route]!;
  const subject = subjectOf(request, path, hit);
  return {
    outcome: route === undefined ? 'no-route' : 'route',
    request: asked,
    refused: null,
    route: route === undefined ? null : explainRoute(snapshot, route, hit!, request, path),
    limits: (route?.limits ?? snapshot.defaultLimits).map((limit) => explainLimit(limit, subject, route?.name ?? '')),
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

function explainLimit(limit: LimitModel, subject: LimitSubject, routeName: string): LimitExplanation {
  const key = limit.key.map((part): KeyPartExplanation => {
    const value = keyValue(part, subject, routeName);
    if (value === undefined || value === '') return { part: keyPartText(part), value: null };
    const isAddress = part.source === 'client.ip';
    return { part: keyPartText(part), value: isAddress ? clientOf(value, limit.ipv6Prefix) : value };
  });
  if (limit.scope === 'route') key.push({ part: 'scope: route', value: routeName });
  return {
    name: limit.name,
    kind: limit.spec.kind,
    value: specText(limit.spec),
    cost: limit.cost,
    shadow: limit.shadow,
    key,
    onMissingKey: key.some(({ value }) => value === null) ? limit.onMissingKey : null,
    excepted: limit.except !== undefined && new LimitException(limit.except).holds(subject),
  };
}

function keyValue(part: KeyPart, subject: LimitSubject, routeName: string): string | undefined {
  switch (part.source) {
    case 'client.ip':
      return subject.clientIp;
    case 'header':
      return subject.header(part.name);
    case 'cookie':
      return subject.cookie(part.name);
    case 'query':
      return subject.query(part.name);
    case 'path':
      return subject.pathParam(part.name);
    case 'route':
      return routeName;
    case 'method':
      return subject.method;
    case 'host':
      return subject.host;
  }
}

function explainRoute(
  snapshot: SnapshotModel,
  route: RouteModel,
  hit: RouteHit,
  request: AskedRequest,
  path: string,
): RouteExplanation {
  const { action } = route;
  const params = Object.fromEntries(hit.paramNames.map((name, index) => [name, hit.paramValues[index] ?? '']));
  const upstream = action.kind === 'upstream' ? snapshot.upstreams.get(action.upstream) : undefined;
  const target = rewritePath(path, hit.starAt, route) + request.queryText;
  return {
    name: route.name,
    place: route.place,
    action: action.kind,
    params,
    forward: upstream === undefined ? null : explainForward(upstream, route, target, request),
    answer: action.kind === 'upstream' ? null : { status: action.status, to: redirectedTo(action, path, hit, request) },
  };
}

function redirectedTo(action: RouteModel['action'], path: string, hit: RouteHit, request: AskedRequest): string | null {
  return action.kind === 'redirect' ? redirectTarget(action.to, path, hit.starAt, request.queryText) : null;
}

function explainForward(
  upstream: UpstreamModel,
  route: RouteModel,
  target: string,
  request: AskedRequest,
): ForwardExplanation {
  const edits: HeaderEdits = route.requestHeaders ?? { set: [], add: [], remove: [] };
  return {
    upstream: upstream.name,
    balance: upstream.balance,
    endpoints: upstream.endpoints.map(({ name }) => name),
    target,
    host: route.rewrite?.host ?? hostSeen(upstream, request),
    set: edits.set,
    add: edits.add,
    remove: edits.remove,
  };
}

function hostSeen({ host }: UpstreamModel, request: AskedRequest): string | null {
  if (host.kind === 'fixed') return host.value;
  return host.kind === 'keep' && request.authority !== '' ? request.authority : null;
}
