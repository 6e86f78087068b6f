import type { LimitModel } from '../../limits/limit-model.ts';
import type {
  HeaderEdits,
  NamedMatch,
  RetryModel,
  RouteAction,
  RouteMatch,
  RouteModel,
  ValueMatch,
} from '../../proxy/route-model.ts';
import { retryOf, timeoutsOf } from '../effective.ts';
import { isName, parseDuration, parseRatio, parseSize } from '../scalars.ts';
import type { Config } from '../schema.ts';
import { parseValuePattern } from '../value-pattern.ts';
import { anonymousName } from './upstreams.ts';

type Route = Config['routes'][number];
type Edits = NonNullable<NonNullable<Route['headers']>['request']>;

export function compileRoute(config: Config, index: number, limits: ReadonlyMap<string, LimitModel>): RouteModel {
  const route = config.routes[index]!;
  const { response, stream } = timeoutsOf(config, index);
  const headers = route.headers ?? config.defaults.headers;
  return {
    name: route.name ?? `routes[${index}]`,
    place: `routes[${index}]`,
    match: compileMatch(route.match),
    action: compileAction(route),
    limits: (route.limits ?? config.defaults.limits).map((name) => limits.get(name)!),
    responseTimeoutMs: optionalMs(response.value),
    responseTimeoutPlace: response.place,
    streamTimeoutMs: optionalMs(stream.value),
    streamTimeoutPlace: stream.place,
    retry: compileRetry(retryOf(config, route)),
    stripPrefix: route.stripPrefix,
    rewrite: route.rewrite === undefined ? undefined : { path: route.rewrite.path, host: route.rewrite.host },
    requestHeaders: compileEdits(headers?.request),
    responseHeaders: compileEdits(headers?.response),
    bodyLimitBytes: route.bodyLimit === false ? undefined : parseSize(route.bodyLimit)!,
  };
}

function optionalMs(value: string | false): number | undefined {
  return value === false ? undefined : parseDuration(value)!;
}

function compileMatch(match: Route['match']): RouteMatch {
  return {
    hosts: listOf(match.host).map((host) => host.toLowerCase()),
    paths: listOf(match.path),
    methods: match.methods ?? [],
    headers: compileConditions(match.headers, (name) => name.toLowerCase()),
    query: compileConditions(match.query, (name) => name),
  };
}

/** What may be written as one or as a list. */
export function listOf(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

function compileConditions(
  conditions: Readonly<Record<string, string | number | true>> | undefined,
  nameOf: (written: string) => string,
): readonly NamedMatch[] {
  return Object.entries(conditions ?? {}).map(([name, value]) => ({ name: nameOf(name), match: compileValue(value) }));
}

function compileValue(value: string | number | true): ValueMatch {
  if (value === true) return { kind: 'present' };
  const pattern = typeof value === 'string' ? parseValuePattern(value) : undefined;
  if (pattern === undefined) return { kind: 'equals', value: String(value) };
  return { kind: 'pattern', pattern: new RegExp(pattern.source, pattern.flags) };
}

function compileAction(route: Route): RouteAction {
  if (route.respond !== undefined) {
    const { status, headers, body } = route.respond;
    return { kind: 'respond', status, headers: pairs(headers), body };
  }
  if (route.redirect !== undefined) return { kind: 'redirect', ...route.redirect };
  const upstream = route.upstream!;
  return { kind: 'upstream', upstream: isName(upstream) ? upstream : anonymousName(upstream) };
}

function compileRetry(retry: ReturnType<typeof retryOf>): RetryModel | undefined {
  if (retry === false) return undefined;
  const perTry = retry.perTry === 'none' ? false : retry.perTry;
  return {
    attempts: retry.attempts,
    perTryMs: optionalMs(perTry),
    budget: parseRatio(retry.budget)!,
    on: new Set(retry.on),
  };
}

/** Edits of a message's fields, names in lower case. */
export function compileEdits(edits: Edits | undefined): HeaderEdits | undefined {
  if (edits === undefined) return undefined;
  const compiled = {
    set: pairs(edits.set),
    add: pairs(edits.add),
    remove: edits.remove.map((name) => name.toLowerCase()),
  };
  return compiled.set.length + compiled.add.length + compiled.remove.length === 0 ? undefined : compiled;
}

type Values = Readonly<Record<string, string | number | readonly (string | number)[]>>;

/** Field lines with names in lower case; a list gives several lines. */
function pairs(values: Values): readonly (readonly [string, string])[] {
  return Object.entries(values).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one): [string, string] => [name.toLowerCase(), String(one)]),
  );
}
