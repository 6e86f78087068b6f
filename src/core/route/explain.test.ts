import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainMatch, verdictText } from './explain.ts';
import type { RouteMatch } from './route-match.ts';

test('every route says why it did not serve the request', () => {
  const any: RouteMatch = { hosts: [], paths: [], methods: [], headers: [], query: [] };
  const names = ['other-host', 'other-path', 'conditions', 'exact', 'prefix'];
  const routes: RouteMatch[] = [
    { ...any, hosts: ['*.test'] },
    { ...any, paths: ['/y', '/x/:id'], methods: ['POST'] },
    {
      ...any,
      headers: [{ name: 'x-beta', match: { kind: 'present' } }],
      query: [{ name: 'v', match: { kind: 'present' } }],
    },
    { ...any, paths: ['/x'] },
    { ...any, paths: ['/x/*'] },
  ];
  const { hit, verdicts } = explainMatch(routes, 'h', '/x', 'GET', { header: () => undefined, query: () => undefined });
  assert.equal(hit?.route, 3);
  assert.deepEqual(
    verdicts.map((verdict) => verdictText(verdict, (index) => names[index]!)),
    ['host', 'path, method', 'header "x-beta", query "v"', 'matched', 'less specific than "exact"'],
  );
});
