import { RETRY_DEFAULTS } from './defaults.ts';
import { parseRate } from './scalars.ts';
import type { Config } from './schema.ts';
import { isSecureEndpoint } from './upstream-tls.ts';

type Route = Config['routes'][number];
type Timeout = NonNullable<Route['timeout']>;
type Retry = NonNullable<Route['retry']>;
type Limit = Config['limits'][string];
type Upstream = Config['upstreams'][string];

export interface TimeoutPart {
  readonly value: string | false;
  /** The field that set it, as answers name it. */
  readonly place: string;
}

const RESPONSE_TIMEOUT = '60s';
const STREAM_TIMEOUT = '5m';

/** The two timeouts of a route: its own, else those of `defaults`, else the defaults of the page. */
export function timeoutsOf(config: Config, index: number): { response: TimeoutPart; stream: TimeoutPart } {
  const own = config.routes[index]!.timeout;
  const place =
    own === undefined && config.defaults.timeout !== undefined ? 'defaults.timeout' : `routes[${index}].timeout`;
  const timeout: Timeout = own ?? config.defaults.timeout ?? RESPONSE_TIMEOUT;
  const streamPlace = `${place}.stream`;
  if (typeof timeout === 'object') {
    return {
      response: { value: timeout.response, place: `${place}.response` },
      stream: { value: timeout.stream, place: streamPlace },
    };
  }
  const stream = timeout === false ? false : STREAM_TIMEOUT;
  return {
    response: { value: timeout, place },
    stream: { value: stream, place: stream === false ? place : streamPlace },
  };
}

/** When a route's attempts are repeated; false = never. */
export function retryOf(config: Config, route: Route): Retry {
  return route.retry ?? config.defaults.retry ?? RETRY_DEFAULTS;
}

/** The configuration with every default written out, also those that come from another field: what is in force. */
export function effectiveConfig(config: Config): Config {
  const limits = Object.fromEntries(
    Object.entries(config.limits).map(([name, limit]) => [name, effectiveLimit(limit)]),
  );
  const upstreams = Object.fromEntries(
    Object.entries(config.upstreams).map(([name, upstream]) => [name, effectiveUpstream(upstream)]),
  );
  const routes = config.routes.map((route, index) => effectiveRoute(config, route, index));
  return { ...config, limits, upstreams, routes };
}

function effectiveLimit(limit: Limit): Limit {
  if (limit.rate !== undefined) return { ...limit, burst: limit.burst ?? parseRate(limit.rate)!.count };
  return limit.quota === undefined ? limit : { ...limit, timezone: limit.timezone ?? 'UTC' };
}

/** An endpoint behind https answers under its own name: to ask it for the client's host would be another site's. */
export function hostOf({ host, endpoints }: Upstream): string {
  return host ?? (endpoints.some(isSecureEndpoint) ? 'upstream' : 'keep');
}

function effectiveUpstream(upstream: Upstream): Upstream {
  const isSecure = upstream.endpoints.some(isSecureEndpoint);
  return { ...upstream, host: hostOf(upstream), ...(isSecure ? { tls: upstream.tls ?? { verify: true } } : {}) };
}

function effectiveRoute(config: Config, route: Route, index: number): Route {
  const { response, stream } = timeoutsOf(config, index);
  const headers = route.headers ?? config.defaults.headers;
  return {
    ...route,
    limits: route.limits ?? config.defaults.limits,
    timeout: { response: response.value, stream: stream.value },
    retry: retryOf(config, route),
    ...(headers === undefined ? {} : { headers }),
  };
}
