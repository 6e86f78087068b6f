import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostMatches, matchableHost } from './host.ts';
import { parsePathPattern, pathMatches, pathPatternProblem } from './path-pattern.ts';
import { queryParameter } from './query.ts';

test('a host is matched in lower case, without port and final dot', () => {
  const cases: [authority: string, host: string][] = [
    ['example.com', 'example.com'],
    ['Example.COM:8080', 'example.com'],
    ['example.com.', 'example.com'],
    ['example.com.:80', 'example.com'],
    ['[::1]:8080', '[::1]'],
    ['[2001:DB8::1]', '[2001:db8::1]'],
    ['', ''],
  ];
  for (const [authority, host] of cases) assert.equal(matchableHost(authority), host);
  assert.equal(hostMatches('*.a.test', 'x.y.a.test'), true);
  assert.equal(hostMatches('*.a.test', 'a.test'), false);
  assert.equal(hostMatches('*.a.test', '.a.test'), false);
  assert.equal(hostMatches('a.test', 'a.test'), true);
});

test('a query parameter is found and decoded, the first one counts', () => {
  const query = '?a=1&b=x+y%20z&c&a=2&%64=e&bad=%zz&=n';
  const cases: [name: string, value: string | undefined][] = [
    ['a', '1'],
    ['b', 'x y z'],
    ['c', ''],
    ['d', 'e'],
    ['bad', '%zz'],
    ['x', undefined],
    ['', 'n'],
  ];
  for (const [name, value] of cases) assert.equal(queryParameter(query, name), value, name);
  assert.equal(queryParameter('a=b=c', 'a'), 'b=c');
  assert.equal(queryParameter('', 'a'), undefined);
});

test('path patterns say what is wrong with them', () => {
  for (const good of ['/', '/a', '/a/', '/a/*', '/*', '/:id', '/u/:user_id/x', '/a:b', '//x/*']) {
    assert.equal(pathPatternProblem(good), undefined, good);
  }
  for (const bad of ['', 'a', '*', '/a*', '/a/*/b', '/*/', '/a?b=1', '/:', '/:1', '/:id/:id', '/**']) {
    assert.notEqual(pathPatternProblem(bad), undefined, bad);
  }
});

test('a single pattern is matched as the router matches it', () => {
  const cases: [pattern: string, path: string, expected: boolean][] = [
    ['/healthz', '/healthz', true],
    ['/healthz', '/healthz/', false],
    ['/a/*', '/a', true],
    ['/a/*', '/a/b/c', true],
    ['/a/*', '/ab', false],
    ['/*', '/', true],
    ['/:id', '/', false],
    ['/:id/x', '/7/x', true],
  ];
  for (const [pattern, path, expected] of cases) {
    assert.equal(pathMatches(parsePathPattern(pattern), path), expected, `${pattern} ${path}`);
  }
});
