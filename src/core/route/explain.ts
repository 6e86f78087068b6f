import { hostMatches } from './host.ts';
import { compileRouter, type RouteHit } from './match.ts';
import { parsePathPattern, pathMatches } from './path-pattern.ts';
import { type RouteConditions, type RouteMatch, valueMatches } from './route-match.ts';

/** One part of a route's `match` that a request does not meet. */
export interface Miss {
  readonly part: 'host' | 'path' | 'method' | 'header' | 'query';
  /** Name of the header or parameter; '' for other parts. */
  readonly name: string;
}

/** Why a route did or did not serve a request. */
export type RouteVerdict =
  | { readonly kind: 'matched' }
  | { readonly kind: 'missed'; readonly misses: readonly Miss[] }
  /** Everything holds, but the route with that index takes precedence. */
  | { readonly kind: 'less-specific'; readonly than: number };

export interface MatchExplanation {
  readonly hit: RouteHit | undefined;
  /** One for each route, in order. */
  readonly verdicts: readonly RouteVerdict[];
}

/** What `Router.match` answers, with the reason for every route. Looks at each route: for people, not for requests. */
export function explainMatch(
  routes: readonly RouteMatch[],
  host: string,
  path: string,
  method: string,
  conditions: RouteConditions,
): MatchExplanation {
  const hit = compileRouter(routes).match(host, path, method, conditions);
  const verdicts = routes.map((route, index): RouteVerdict => {
    if (index === hit?.route) return { kind: 'matched' };
    const misses = missesOf(route, host, path, method, conditions);
    if (misses.length > 0 || hit === undefined) return { kind: 'missed', misses };
    return { kind: 'less-specific', than: hit.route };
  });
  return { hit, verdicts };
}

function missesOf(
  route: RouteMatch,
  host: string,
  path: string,
  method: string,
  conditions: RouteConditions,
): readonly Miss[] {
  const misses: Miss[] = [];
  if (route.hosts.length > 0 && !route.hosts.some((pattern) => hostMatches(pattern, host))) {
    misses.push({ part: 'host', name: '' });
  }
  if (route.paths.length > 0 && !route.paths.some((pattern) => pathMatches(parsePathPattern(pattern), path))) {
    misses.push({ part: 'path', name: '' });
  }
  if (route.methods.length > 0 && !route.methods.includes(method)) misses.push({ part: 'method', name: '' });
  for (const { name, match } of route.headers) {
    if (!valueMatches(conditions.header(name), match)) misses.push({ part: 'header', name });
  }
  for (const { name, match } of route.query) {
    if (!valueMatches(conditions.query(name), match)) misses.push({ part: 'query', name });
  }
  return misses;
}

/** A verdict in words, e.g. `host, header "x-beta"` or `less specific than "orders"`. */
export function verdictText(verdict: RouteVerdict, routeName: (index: number) => string): string {
  switch (verdict.kind) {
    case 'matched':
      return 'matched';
    case 'less-specific':
      return `less specific than "${routeName(verdict.than)}"`;
    case 'missed':
      return verdict.misses.map(({ part, name }) => (name === '' ? part : `${part} "${name}"`)).join(', ');
  }
}
