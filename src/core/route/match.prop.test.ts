import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { explainMatch } from './explain.ts';
import { compileRouter } from './match.ts';
import type { NamedMatch, RouteConditions, RouteMatch } from './route-match.ts';

/** The precedence of the reference page, said in the plainest way: rank all (route, host, path) that hold, take the best. */
interface Claim {
  readonly route: number;
  readonly rank: readonly number[];
}

function hostRank(hosts: readonly string[], host: string): number[] {
  if (hosts.length === 0) return [0];
  return hosts.flatMap((pattern) => {
    if (pattern === host) return [1000];
    const suffix = pattern.startsWith('*') ? pattern.slice(1) : undefined;
    return suffix !== undefined && host.endsWith(suffix) && host.length > suffix.length ? [suffix.length] : [];
  });
}

function pathRanks(paths: readonly string[], path: string): number[][] {
  return (paths.length === 0 ? ['/*'] : paths).flatMap((pattern) => {
    const isPrefix = pattern.endsWith('/*');
    const segments = (isPrefix ? pattern.slice(0, -2) : pattern).split('/').slice(1);
    const source = segments.map((s) => (s.startsWith(':') ? '/[^/]+' : `/${s}`)).join('');
    if (!new RegExp(`^${source}${isPrefix ? '(/.*)?' : ''}$`).test(path)) return [];
    const literals = segments.map((s) => (s.startsWith(':') ? 0 : 1));
    const kind = isPrefix ? 0 : literals.includes(0) ? 1 : 2;
    // Padded, so that what follows in the rank is not shifted.
    return [[kind, isPrefix ? segments.length : 0, ...Array.from({ length: 6 }, (_, index) => literals[index] ?? 0)]];
  });
}

function referenceMatch(
  routes: readonly RouteMatch[],
  host: string,
  path: string,
  method: string,
  ask: RouteConditions,
) {
  const claims: Claim[] = [];
  routes.forEach((match, route) => {
    if (match.methods.length > 0 && !match.methods.includes(method)) return;
    const value = ({ match: condition }: NamedMatch, got: string | undefined) =>
      got !== undefined && (condition.kind === 'present' || (condition.kind === 'equals' && condition.value === got));
    if (!match.headers.every((header) => value(header, ask.header(header.name)))) return;
    if (!match.query.every((parameter) => value(parameter, ask.query(parameter.name)))) return;
    for (const forHost of hostRank(match.hosts, host)) {
      for (const forPath of pathRanks(match.paths, path)) {
        const conditions = match.headers.length + match.query.length;
        claims.push({ route, rank: [forHost, ...forPath, conditions, match.methods.length > 0 ? 1 : 0, -route] });
      }
    }
  });
  const better = (left: Claim, right: Claim) => {
    const at = left.rank.findIndex((value, index) => value !== right.rank[index]);
    return at === -1 ? 0 : right.rank[at]! - left.rank[at]!;
  };
  return claims.sort(better)[0]?.route;
}

const segment = fc.constantFrom('a', 'b', 'c');
const pattern = fc
  .tuple(fc.array(fc.oneof(segment, fc.constantFrom(':x', '')), { maxLength: 4 }), fc.boolean())
  .map(([segments, isPrefix]) => {
    const named = segments.map((text, index) => (text === ':x' ? `:p${index}` : text)).join('/');
    return isPrefix ? `${named === '' ? '' : `/${named}`}/*` : `/${named}`;
  });
const condition = fc.record({
  name: fc.constantFrom('x', 'y'),
  match: fc.oneof(
    fc.constant({ kind: 'present' as const }),
    fc.record({ kind: fc.constant('equals' as const), value: fc.constantFrom('1', '2') }),
  ),
});
const match: fc.Arbitrary<RouteMatch> = fc.record({
  hosts: fc.array(fc.constantFrom('a.test', 'b.a.test', '*.test', '*.a.test'), { maxLength: 2 }),
  paths: fc.array(pattern, { maxLength: 2 }),
  methods: fc.array(fc.constantFrom('GET', 'POST'), { maxLength: 2 }),
  headers: fc.array(condition, { maxLength: 2 }),
  query: fc.array(condition, { maxLength: 1 }),
});
const values = fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2'));
const request = fc.record({
  host: fc.constantFrom('a.test', 'b.a.test', 'c.b.a.test', 'other', '.test'),
  path: fc
    .array(fc.oneof(segment, fc.constant('')), { minLength: 1, maxLength: 5 })
    .map((list) => `/${list.join('/')}`),
  method: fc.constantFrom('GET', 'POST', 'PUT'),
  headers: values,
  query: values,
});

test('answers as the plain reading of the precedence does', () => {
  fc.assert(
    fc.property(
      fc.array(match, { maxLength: 12 }),
      fc.array(request, { minLength: 1, maxLength: 6 }),
      (routes, requests) => {
        const router = compileRouter(routes);
        for (const { host, path, method, headers, query } of requests) {
          const ask: RouteConditions = { header: (name) => headers[name], query: (name) => query[name] };
          const expected = referenceMatch(routes, host, path, method, ask);
          assert.equal(router.match(host, path, method, ask)?.route, expected);
          explainAgrees(routes, expected, explainMatch(routes, host, path, method, ask).verdicts);
        }
      },
    ),
    { numRuns: 3000 },
  );
});

function explainAgrees(
  routes: readonly RouteMatch[],
  expected: number | undefined,
  verdicts: ReturnType<typeof explainMatch>['verdicts'],
): void {
  assert.equal(verdicts.length, routes.length);
  verdicts.forEach((verdict, index) => {
    assert.equal(verdict.kind === 'matched', index === expected);
    if (verdict.kind === 'missed') assert.ok(verdict.misses.length > 0);
  });
}
