import { rateLimit } from '../core/limit/rate.ts';
import { parsePathPattern, pathPatternProblem } from '../core/route/path-pattern.ts';
import { parseEndpointUrl } from './addresses.ts';
import type { ConfigPath, Finding } from './issue.ts';
import { listenerSecurityFindings } from './listener-checks.ts';
import { asList, asObject, given, type RawObject, texts } from './raw.ts';
import { isName, parseQuota, parseRate } from './scalars.ts';
import { didYouMean } from './suggest.ts';

/** Errors that show only where more than one field is looked at. Works on a configuration that may be wrong anywhere. */
export function crossChecks(raw: unknown): Finding[] {
  const config = asObject(raw);
  return [...listenerFindings(config), ...limitFindings(config), ...upstreamFindings(config), ...routeFindings(config)];
}

function listenerFindings(config: RawObject): Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, string>();
  asList(config.listeners).forEach((entry, index) => {
    const listener = asObject(entry);
    if (given(listener, ['trustedProxies', 'trustedHops']).length === 2) {
      const message = 'give trustedProxies or trustedHops, not both';
      findings.push({ path: ['listeners', index, 'trustedHops'], message, isField: true });
    }
    findings.push(...listenerSecurityFindings(listener, ['listeners', index]));
    const address = listener.address ?? '127.0.0.1:8080';
    if (typeof address !== 'string') return;
    const other = seen.get(address);
    const path: ConfigPath = ['listeners', index, 'address'];
    if (other !== undefined && !address.endsWith(':0'))
      findings.push({ path, message: `the same address as ${other}` });
    else seen.set(address, `listeners[${index}]`);
  });
  const adminAddress = asObject(config.admin).address;
  const other = typeof adminAddress === 'string' && !adminAddress.endsWith(':0') ? seen.get(adminAddress) : undefined;
  if (other !== undefined) findings.push({ path: ['admin', 'address'], message: `the same address as ${other}` });
  return findings;
}

const KINDS = ['window', 'rate', 'quota', 'concurrency'];

function limitFindings(config: RawObject): Finding[] {
  return Object.entries(asObject(config.limits)).flatMap(([name, value]) => {
    if (typeof value !== 'object' || value === null) return [];
    const limit = asObject(value);
    const path: ConfigPath = ['limits', name];
    const kinds = given(limit, KINDS);
    const findings: Finding[] = [];
    if (kinds.length === 0)
      findings.push({ path, message: 'a limit has one of window, rate and quota', absentFrom: path });
    if (kinds.length > 1) {
      findings.push({ path, message: `a limit has one of window, rate and quota, not ${kinds.join(' and ')}` });
    }
    for (const [field, kind] of [
      ['burst', 'rate'],
      ['timezone', 'quota'],
    ] as const) {
      if (given(limit, [field]).length > 0 && kinds.length === 1 && kinds[0] !== kind) {
        findings.push({ path: [...path, field], message: `goes with ${kind} only`, isField: true });
      }
    }
    return [...findings, ...costFindings(limit, path), ...burstFindings(limit, path)];
  });
}

function costFindings(limit: RawObject, path: ConfigPath): Finding[] {
  const most = capacityOf(limit);
  if (typeof limit.cost !== 'number' || most === undefined || limit.cost <= most) return [];
  return [
    { path: [...path, 'cost'], message: `a cost of ${limit.cost} never fits: at most ${most} are admitted at once` },
  ];
}

/** A burst beyond what the arithmetic of `rate` can count would be cut without a word. */
function burstFindings(limit: RawObject, path: ConfigPath): Finding[] {
  const { rate, burst } = limit;
  const parsed = typeof rate === 'string' ? parseRate(rate) : undefined;
  if (parsed === undefined || typeof burst !== 'number' || !Number.isSafeInteger(burst) || burst < 1) return [];
  if (rateLimit(parsed.count, parsed.periodMs * 1000, burst).burst === burst) return [];
  const message = `at ${rate} a burst of ${burst} takes more than 140 years to come back`;
  return [{ path: [...path, 'burst'], message }];
}

function capacityOf(limit: RawObject): number | undefined {
  if (typeof limit.window === 'string') return parseRate(limit.window)?.count;
  if (typeof limit.quota === 'string') return parseQuota(limit.quota)?.limit;
  if (typeof limit.rate !== 'string') return undefined;
  return typeof limit.burst === 'number' ? limit.burst : parseRate(limit.rate)?.count;
}

function upstreamFindings(config: RawObject): Finding[] {
  return Object.entries(asObject(config.upstreams)).flatMap(([name, value]) => {
    const seen = new Set<string>();
    const pair = pairFindings(asObject(asObject(value).tls), ['upstreams', name, 'tls']);
    const endpoints = asList(asObject(value).endpoints).flatMap((entry, index): Finding[] => {
      const url = typeof entry === 'string' ? entry : asObject(entry).url;
      const parsed = typeof url === 'string' ? parseEndpointUrl(url) : undefined;
      if (parsed?.ok !== true) return [];
      if (seen.has(parsed.value.name)) {
        const message = 'the same endpoint as another one of this upstream: give it a weight instead';
        return [{ path: ['upstreams', name, 'endpoints', index], message }];
      }
      seen.add(parsed.value.name);
      return [];
    });
    return [...pair, ...endpoints];
  });
}

/** A certificate is of no use without its key, and the other way round. */
function pairFindings(tls: RawObject, path: ConfigPath): Finding[] {
  const [one, ...others] = given(tls, ['cert', 'key']);
  if (one === undefined || others.length > 0) return [];
  return [{ path: [...path, one], message: `cert and key go together: ${one === 'cert' ? 'key' : 'cert'} is missing` }];
}

const ACTIONS = ['upstream', 'respond', 'redirect', 'split'];

function routeFindings(config: RawObject): Finding[] {
  const names = new Map<string, number>();
  const findings = limitNameFindings(config, asObject(config.defaults).limits, ['defaults', 'limits']);
  asList(config.routes).forEach((value, index) => {
    if (typeof value !== 'object' || value === null) return;
    const route = asObject(value);
    const path: ConfigPath = ['routes', index];
    const actions = given(route, ACTIONS);
    if (actions.length === 0) {
      findings.push({ path, message: 'a route has one of upstream, respond and redirect', absentFrom: path });
    }
    if (actions.length > 1) {
      findings.push({
        path,
        message: `a route has one of upstream, respond and redirect, not ${actions.join(' and ')}`,
      });
    }
    if (typeof route.name === 'string') {
      const other = names.get(route.name);
      if (other !== undefined) findings.push({ path: [...path, 'name'], message: `the same name as routes[${other}]` });
      else names.set(route.name, index);
    }
    findings.push(
      ...upstreamRefFindings(config, route, path),
      ...limitNameFindings(config, route.limits, [...path, 'limits']),
    );
    findings.push(
      ...scopeFindings(config, route, path),
      ...rewriteFindings(route, path),
      ...respondFindings(route, path),
    );
  });
  return findings;
}

function upstreamRefFindings(config: RawObject, route: RawObject, path: ConfigPath): Finding[] {
  const known = asObject(config.upstreams);
  const { upstream } = route;
  if (typeof upstream !== 'string' || !isName(upstream) || Object.hasOwn(known, upstream)) return [];
  const message = `no upstream is named "${upstream}"${didYouMean(upstream, Object.keys(known))}`;
  const absentFrom = config.upstreams === undefined ? { absentFrom: [] } : {};
  return [{ path: [...path, 'upstream'], message, ...absentFrom }];
}

function limitNameFindings(config: RawObject, names: unknown, path: ConfigPath): Finding[] {
  const known = asObject(config.limits);
  const seen = new Set<string>();
  return asList(names).flatMap((name, index): Finding[] => {
    if (typeof name !== 'string' || !isName(name)) return [];
    const at = [...path, index];
    if (seen.has(name)) return [{ path: at, message: `the limit "${name}" stands here twice` }];
    seen.add(name);
    if (Object.hasOwn(known, name)) return [];
    const absentFrom = config.limits === undefined ? { absentFrom: [] } : {};
    return [{ path: at, message: `no limit is named "${name}"${didYouMean(name, Object.keys(known))}`, ...absentFrom }];
  });
}

function scopeFindings(config: RawObject, route: RawObject, path: ConfigPath): Finding[] {
  if (route.name !== undefined) return [];
  const own = route.limits !== undefined;
  return texts(own ? route.limits : asObject(config.defaults).limits).flatMap((name, index): Finding[] => {
    if (asObject(asObject(config.limits)[name]).scope !== 'route') return [];
    const message = `the limit "${name}" has "scope: route": the route needs a name`;
    return [{ path: own ? [...path, 'limits', index] : path, message }];
  });
}

/** Path patterns of a route that can be read. */
export function patternsOf(route: RawObject): readonly string[] {
  return texts(asObject(route.match).path).filter((text) => pathPatternProblem(text) === undefined);
}

function rewriteFindings(route: RawObject, path: ConfigPath): Finding[] {
  const target = asObject(route.rewrite).path;
  if (target === undefined) return [];
  const at: ConfigPath = [...path, 'rewrite', 'path'];
  const findings: Finding[] = [];
  if (route.stripPrefix !== undefined) {
    findings.push({ path: at, message: 'give stripPrefix or rewrite.path, not both', isField: true });
  }
  const hasStar = patternsOf(route).every((text) => parsePathPattern(text).isPrefix);
  if (typeof target === 'string' && target.endsWith('*') && !hasStar) {
    findings.push({ path: at, message: '"*" stands for what the "*" of match.path took, and it has none' });
  }
  return findings;
}

function respondFindings(route: RawObject, path: ConfigPath): Finding[] {
  const { status, body } = asObject(route.respond);
  const bodiless = status === 204 || status === 304;
  if (!bodiless || typeof body !== 'string' || body === '') return [];
  return [{ path: [...path, 'respond', 'body'], message: `an answer with status ${status} has no body` }];
}
