import { parsePathPattern } from '../core/route/path-pattern.ts';
import { patternsOf } from './checks.ts';
import type { Finding } from './issue.ts';
import { asObject, type RawObject, texts } from './raw.ts';
import type { Config } from './schema.ts';
import { lintUpstreamTls } from './upstream-tls.ts';

/** What is allowed and most likely not meant: for a configuration that has no errors. */
export function lint(config: Config): Finding[] {
  return [
    ...unused(config),
    ...shadowed(config),
    ...missingParams(config),
    ...uselessStrips(config),
    ...lintUpstreamTls(config),
  ];
}

function unused(config: Config): Finding[] {
  const limits = new Set(config.defaults.limits);
  const upstreams = new Set<string>();
  for (const route of config.routes) {
    for (const name of route.limits ?? []) limits.add(name);
    if (route.upstream !== undefined) upstreams.add(route.upstream);
  }
  const findings: Finding[] = [];
  for (const [field, used] of [
    ['limits', limits],
    ['upstreams', upstreams],
  ] as const) {
    for (const name of Object.keys(config[field])) {
      if (!used.has(name)) findings.push({ path: [field, name], message: 'no route uses it', isField: true });
    }
  }
  return findings;
}

/** Routes that an earlier one with the same match leaves no request. */
function shadowed(config: Config): Finding[] {
  const seen = new Map<string, number>();
  return config.routes.flatMap((route, index): Finding[] => {
    const key = JSON.stringify(normalMatch(route.match));
    const other = seen.get(key);
    if (other === undefined) {
      seen.set(key, index);
      return [];
    }
    return [{ path: ['routes', index], message: `is never reached: routes[${other}] has the same match` }];
  });
}

function normalMatch(match: Config['routes'][number]['match']): unknown {
  const conditions = (map: Readonly<Record<string, unknown>> | undefined, lower: boolean) =>
    Object.entries(map ?? {})
      .map(([name, value]) => [lower ? name.toLowerCase() : name, String(value)])
      .sort();
  return [
    texts(match.host ?? [])
      .map((host) => host.toLowerCase())
      .sort(),
    [...texts(match.path ?? '/*')].sort(),
    [...(match.methods ?? [])].sort(),
    conditions(match.headers, true),
    conditions(match.query, false),
  ];
}

/** A limit whose key is a path parameter, on a route whose paths do not have it. */
function missingParams(config: Config): Finding[] {
  return config.routes.flatMap((route, index): Finding[] => {
    const patterns = patternsOf(route as unknown as RawObject).map(parsePathPattern);
    return (route.limits ?? config.defaults.limits).flatMap((name, position): Finding[] => {
      const params = texts(config.limits[name]?.key ?? []).filter((part) => part.startsWith('path.'));
      const missing = params.find(
        (part) => patterns.length === 0 || patterns.some((pattern) => !pattern.paramNames.includes(part.slice(5))),
      );
      if (missing === undefined) return [];
      const message = `the limit "${name}" is keyed by ${missing}, which this route's paths do not all have`;
      return [
        { path: route.limits === undefined ? ['routes', index] : ['routes', index, 'limits', position], message },
      ];
    });
  });
}

function uselessStrips(config: Config): Finding[] {
  return config.routes.flatMap((route, index): Finding[] => {
    const { stripPrefix } = route;
    const patterns = patternsOf(asObject(route));
    if (stripPrefix === undefined) return [];
    const prefix = stripPrefix.replace(/\/$/, '');
    if (patterns.some((text) => text === prefix || text.startsWith(`${prefix}/`) || text === '/*')) return [];
    if (patterns.length === 0) return [];
    return [{ path: ['routes', index, 'stripPrefix'], message: 'no path of this route starts with it' }];
  });
}
