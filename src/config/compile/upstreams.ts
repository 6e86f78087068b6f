import type { EndpointModel, HealthCheckModel, OutlierModel, UpstreamModel } from '../../upstream/upstream-model.ts';
import { type EndpointUrl, parseEndpointUrl } from '../addresses.ts';
import { parseDuration, parseRatio, parseStatuses } from '../scalars.ts';
import { upstream as upstreamSchema } from '../schema/upstreams.ts';
import type { Config } from '../schema.ts';

type Upstream = Config['upstreams'][string];

export function compileUpstream(name: string, upstream: Upstream): UpstreamModel {
  return {
    name,
    endpoints: upstream.endpoints.map(compileEndpoint),
    host: compileHost(upstream.host),
    balance: upstream.balance,
    healthCheck: compileHealthCheck(upstream.healthCheck),
    outlierDetection: compileOutlier(upstream.outlierDetection),
    connectTimeoutMs: parseDuration(upstream.timeouts.connect)!,
    idleTimeoutMs: parseDuration(upstream.timeouts.idle)!,
    maxConnections: upstream.maxConnections,
  };
}

/** The upstream behind a URL that a route names directly. Routes with the same URL share it. */
export function anonymousUpstream(url: string): UpstreamModel {
  return compileUpstream(anonymousName(url), upstreamSchema.parse({ endpoints: [url] }));
}

/** No name of a named upstream can be the same: those have no `:`. */
export function anonymousName(url: string): string {
  const { address, name } = endpointOf(url);
  return address.kind === 'unix' ? `unix:${name}` : `http://${name}`;
}

function compileEndpoint(endpoint: Upstream['endpoints'][number]): EndpointModel {
  const { url, weight } = typeof endpoint === 'string' ? { url: endpoint, weight: 1 } : endpoint;
  return { ...endpointOf(url), weight };
}

function endpointOf(url: string): EndpointUrl {
  const parsed = parseEndpointUrl(url);
  if (!parsed.ok) throw new TypeError(`not an endpoint: ${url}`);
  return parsed.value;
}

function compileHost(host: string): UpstreamModel['host'] {
  return host === 'keep' || host === 'upstream' ? { kind: host } : { kind: 'fixed', value: host };
}

function compileHealthCheck(check: Upstream['healthCheck']): HealthCheckModel | undefined {
  if (check === false) return undefined;
  const headers = Object.entries(check.headers).map(([name, value]) => [name.toLowerCase(), String(value)]);
  return {
    type: check.type,
    path: check.path,
    intervalMs: parseDuration(check.interval)!,
    timeoutMs: parseDuration(check.timeout)!,
    fall: check.fall,
    rise: check.rise,
    status: parseStatuses(check.status)!,
    port: check.port,
    host: check.host,
    headers: Object.fromEntries(headers),
  };
}

function compileOutlier(outlier: Upstream['outlierDetection']): OutlierModel | undefined {
  if (outlier === false) return undefined;
  return {
    consecutiveFailures: outlier.consecutiveFailures,
    on: new Set(outlier.on),
    baseEjectionMs: parseDuration(outlier.baseEjection)!,
    maxEjectionMs: parseDuration(outlier.maxEjection)!,
    maxEjected: parseRatio(outlier.maxEjected)!,
  };
}
