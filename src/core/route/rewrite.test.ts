import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileRouter } from './match.ts';
import { rewritePath } from './rewrite.ts';

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
