import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileRouter } from './match.ts';
import { hasStar, redirectTarget, rewritePath } from './rewrite.ts';

const ask = { header: () => undefined, query: () => undefined };
const any = { hosts: [], methods: [], headers: [], query: [] };

const rewrites: [pattern: string, target: string, path: string, expected: string][] = [
  ['/api/*', '/v2/*', '/api/a/b', '/v2/a/b'],
  ['/api/*', '/v2/*', '/api/', '/v2/'],
  ['/api/*', '/v2/*', '/api', '/v2'],
  ['/api/*', '/*', '/api', '/'],
  ['/api/*', '/*', '/api/x', '/x'],
  ['/api/*', '/fixed', '/api/x', '/fixed'],
  ['/*', '/app/*', '/', '/app/'],
  ['/u/:id/*', '/v/*', '/u/7/x', '/v/x'],
  ['/u/:id/*', '/v/*', '/u/7', '/v'],
  ['/a', '/b', '/a', '/b'],
];

for (const [pattern, target, path, expected] of rewrites) {
  test(`${path} by ${pattern} as ${target} is ${expected}`, () => {
    const { starAt } = compileRouter([{ ...any, paths: [pattern] }]).match('h', path, 'GET', ask)!;
    assert.equal(rewritePath(path, starAt, { stripPrefix: undefined, rewrite: { path: target } }), expected);
  });
}

const strips: [prefix: string, path: string, expected: string][] = [
  ['/orders', '/orders/7', '/7'],
  ['/orders', '/orders', '/'],
  ['/orders', '/orders/', '/'],
  ['/orders', '/ordersx', '/ordersx'],
  ['/orders/', '/orders/7', '/7'],
  ['/orders', '/other', '/other'],
  ['/', '/other', '/other'],
  ['/a', '/a//b', '//b'],
];

for (const [stripPrefix, path, expected] of strips) {
  test(`${path} without ${stripPrefix} is ${expected}`, () => {
    assert.equal(rewritePath(path, -1, { stripPrefix, rewrite: undefined }), expected);
  });
}

test('without an edit the path stays', () => {
  assert.equal(rewritePath('/a', -1, { stripPrefix: undefined, rewrite: undefined }), '/a');
  assert.equal(rewritePath('/a', -1, { stripPrefix: undefined, rewrite: { path: undefined } }), '/a');
});

const redirects: [pattern: string, to: string, path: string, query: string, expected: string][] = [
  ['/old/*', 'https://x.test/*', '/old/a/b', '?q=1', 'https://x.test/a/b?q=1'],
  ['/old/*', 'https://x.test/*', '/old', '?q=1', 'https://x.test/?q=1'],
  ['/old/*', 'https://x.test/*', '/old/', '', 'https://x.test/'],
  ['/old/*', 'https://x.test/new/*', '/old', '', 'https://x.test/new'],
  ['/old/*', 'https://x.test/new/*', '/old/a', '', 'https://x.test/new/a'],
  ['/old/*', '//x.test/*', '/old/a', '', '//x.test/a'],
  ['/old/*', '/new/*', '/old/a', '?q', '/new/a?q'],
  ['/*', 'https://x.test/*', '/', '', 'https://x.test/'],
  ['/old', '/new/*', '/old', '?q', '/new/?q'],
  // The host stays the one that `to` names.
  ['/old/*', '/*', '/old//evil.test/a', '', '/evil.test/a'],
  ['/old/*', '/*', '/old////evil.test', '', '/evil.test'],
  ['/old/*', 'https://x.test/*', '/old//evil.test', '', 'https://x.test//evil.test'],
  // Not at the end of a path: as it is written.
  ['/old/*', 'https://x.test*', '/old/a', '?q', 'https://x.test*'],
  ['/old/*', 'https://x.test/?to=*', '/old/a', '?q', 'https://x.test/?to=*'],
  ['/old/*', '/new', '/old/a', '?q', '/new'],
  ['/old/*', '/*/new', '/old/a', '?q', '/*/new'],
];

for (const [pattern, to, path, query, expected] of redirects) {
  test(`${path}${query} by ${pattern} goes to ${to}: ${expected}`, () => {
    const { starAt } = compileRouter([{ ...any, paths: [pattern] }]).match('h', path, 'GET', ask)!;
    assert.equal(redirectTarget(to, path, starAt, query), expected);
    assert.equal(hasStar(to), expected !== to);
  });
}
