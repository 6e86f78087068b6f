import { isIP } from 'node:net';
import type { TlsSettings } from '../../upstream/endpoint-address.ts';
import type { EndpointModel, HealthCheckModel, OutlierModel, UpstreamModel } from '../../upstream/upstream-model.ts';
import { type EndpointUrl, parseEndpointUrl } from '../addresses.ts';
import { UPSTREAM_DEFAULTS } from '../defaults.ts';
import { hostOf } from '../effective.ts';
import { parseDuration, parseRatio, parseStatuses } from '../scalars.ts';
import type { Config } from '../schema.ts';
import type { ConfigTexts } from '../upstream-tls.ts';

type Upstream = Config['upstreams'][string];

/** `texts`: the contents of the files of `tls`; without them they are left out. */
export function compileUpstream(name: string, upstream: Upstream, texts: ConfigTexts | undefined): UpstreamModel {
  const settings = compileTls(upstream.tls, texts);
  return {
    name,
    endpoints: upstream.endpoints.map((endpoint) => compileEndpoint(endpoint, upstream.tls?.servername, settings)),
    host: compileHost(hostOf(upstream)),
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
  return compileUpstream(anonymousName(url), { ...UPSTREAM_DEFAULTS, endpoints: [url] }, {});
}

/** No name of a named upstream can be the same: those have no `:`. */
export function anonymousName(url: string): string {
  const { address, name, isSecure } = endpointOf(url);
  if (address.kind === 'unix') return `unix:${name}`;
  return isSecure ? name : `http://${name}`;
}

function compileEndpoint(
  endpoint: Upstream['endpoints'][number],
  servername: string | undefined,
  settings: TlsSettings,
): EndpointModel {
  const { url, weight } = typeof endpoint === 'string' ? { url: endpoint, weight: 1 } : endpoint;
  const { name, address, isSecure } = endpointOf(url);
  if (!isSecure || address.kind === 'unix') return { name, address, weight };
  const ownName = isIP(address.host) === 0 ? address.host : '';
  return { name, address: { ...address, tls: { servername: servername ?? ownName, settings } }, weight };
}

function compileTls(tls: Upstream['tls'], texts: ConfigTexts | undefined): TlsSettings {
  const textOf = (file: string | undefined): string | undefined => {
    if (file === undefined || texts === undefined) return undefined;
    const text = texts[file];
    // Without its "ca" the gateway would trust more than it was told to.
    if (text === undefined) throw new TypeError(`${file} was not read`);
    return text;
  };
  return { ca: textOf(tls?.ca), cert: textOf(tls?.cert), key: textOf(tls?.key), verify: tls?.verify ?? true };
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
