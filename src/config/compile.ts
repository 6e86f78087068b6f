import { createHash } from 'node:crypto';
import type { LimitModel } from '../limits/limit-model.ts';
import type { UpstreamModel } from '../upstream/upstream-model.ts';
import { parseListenAddress } from './addresses.ts';
import { compileLimit } from './compile/limits.ts';
import { compileListener } from './compile/listeners.ts';
import { compileRoute } from './compile/routes.ts';
import { anonymousUpstream, compileUpstream } from './compile/upstreams.ts';
import { effectiveConfig } from './effective.ts';
import { isName, parseDuration } from './scalars.ts';
import type { Config } from './schema.ts';
import type { AdminModel, SnapshotModel, StoreModel } from './snapshot.ts';
import type { ConfigTexts } from './upstream-tls.ts';

/**
 * Turns a configuration without errors into the frozen model that the gateway runs on: texts into numbers, names into what
 * they name. Relative paths of files begin in `folder`, default the working folder. Without the `texts` of its files the model is
 * for looking at, not for running.
 */
export function compileConfig(config: Config, folder = '', texts?: ConfigTexts): SnapshotModel {
  const limits = new Map(Object.entries(config.limits).map(([name, limit]) => [name, compileLimit(name, limit)]));
  const routes = config.routes.map((_, index) => compileRoute(config, index, limits));
  return deepFreeze<SnapshotModel>({
    listeners: config.listeners.map((listener, index) => compileListener(listener, index, folder)),
    store: compileStore(config.store),
    limits,
    upstreams: compileUpstreams(config, texts),
    routes,
    defaultLimits: config.defaults.limits.map((name): LimitModel => limits.get(name)!),
    rateLimitHeaders: config.rateLimitHeaders,
    secret: config.secret,
    admin: compileAdmin(config.admin),
    log: config.log,
    workers: config.workers,
    shutdown: { delayMs: parseDuration(config.shutdown.delay)!, graceMs: parseDuration(config.shutdown.grace)! },
    hash: configHash(config),
  });
}

/** First 12 hex digits of the SHA-256 of the configuration in force, in canonical JSON (sorted names). */
function configHash(config: Config): string {
  return createHash('sha256')
    .update(canonicalJson(effectiveConfig(config)))
    .digest('hex')
    .slice(0, 12);
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${entries.map(([name, item]) => `${JSON.stringify(name)}:${canonicalJson(item)}`).join(',')}}`;
}

function compileStore(store: Config['store']): StoreModel {
  if (store === 'memory') return { kind: 'memory' };
  if (typeof store === 'string') return compileStore({ url: store, prefix: 'headgate', timeout: '20ms' });
  return { kind: 'redis', url: store.url, prefix: store.prefix, timeoutMs: parseDuration(store.timeout)! };
}

function compileAdmin(admin: Config['admin']): AdminModel | undefined {
  if (admin === false) return undefined;
  const { address, tokens, allowedHosts } = admin;
  return { address: parseListenAddress(address)!, label: address, tokens, allowedHosts };
}

function compileUpstreams(config: Config, texts: ConfigTexts | undefined): ReadonlyMap<string, UpstreamModel> {
  const upstreams = new Map<string, UpstreamModel>();
  for (const [name, upstream] of Object.entries(config.upstreams)) {
    upstreams.set(name, compileUpstream(name, upstream, texts));
  }
  for (const { upstream } of config.routes) {
    if (upstream === undefined || isName(upstream)) continue;
    const model = anonymousUpstream(upstream);
    upstreams.set(model.name, model);
  }
  return upstreams;
}

/** Freezes what a reload swaps whole. Maps, sets and patterns are kept from change by their types. */
function deepFreeze<T>(value: T): T {
  if (value instanceof Map) value.forEach(deepFreeze);
  const isPlain = typeof value === 'object' && value !== null && !(value instanceof RegExp);
  if (!isPlain || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
  return value;
}
