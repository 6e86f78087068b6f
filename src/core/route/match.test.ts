import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileRouter, pathParam } from './match.ts';
import type { NamedMatch, RouteConditions, RouteMatch } from './route-match.ts';

const route = (match: Partial<RouteMatch>): RouteMatch => ({
  hosts: [],
  paths: [],
  methods: [],
  headers: [],
  query: [],
  ...match,
});
const equals = (name: string, value: string): NamedMatch => ({ name, match: { kind: 'equals', value } });
const none: RouteConditions = { header: () => undefined, query: () => undefined };
const headers = (values: Record<string, string>): RouteConditions => ({
  header: (name) => values[name],
  query: () => undefined,
});

describe('host precedence', () => {
  const router = compileRouter([
    route({}),
    route({ hosts: ['*.example.com'] }),
    route({ hosts: ['*.api.example.com'] }),
    route({ hosts: ['v1.api.example.com'] }),
  ]);
  const cases: [host: string, index: number][] = [
    ['v1.api.example.com', 3],
    ['v2.api.example.com', 2],
    ['a.b.api.example.com', 2],
    ['api.example.com', 1],
    ['example.com', 0],
    ['notexample.com', 0],
    ['', 0],
    ['.example.com', 0],
    ['[::1]', 0],
  ];
  for (const [host, index] of cases) {
    test(`${host} takes route ${index}`, () => assert.equal(router.match(host, '/', 'GET', none)?.route, index));
  }
});

describe('path precedence', () => {
  const paths = [
    '/*',
    '/users/*',
    '/users/:id',
    '/users/me',
    '/users/:id/posts/*',
    '/users/me/:tab',
    '/:a/:b',
    '/users/',
  ];
  const router = compileRouter(paths.map((path) => route({ paths: [path] })));
  const cases: [path: string, pattern: string][] = [
    ['/users/me', '/users/me'],
    ['/users/7', '/users/:id'],
    ['/users/', '/users/'],
    ['/users', '/users/*'],
    ['/users/7/posts', '/users/:id/posts/*'],
    ['/users/7/posts/1/x', '/users/:id/posts/*'],
    ['/users/me/photos', '/users/me/:tab'],
    ['/users/7/photos', '/users/*'],
    ['/a/b', '/:a/:b'],
    ['/a/b/', '/*'],
    ['/a', '/*'],
    ['/', '/*'],
    ['/Users/me', '/:a/:b'],
    ['/users//', '/users/*'],
    ['//x', '/*'],
    ['/usersx', '/*'],
  ];
  for (const [path, pattern] of cases) {
    test(`${path} takes ${pattern}`, () => assert.equal(paths[router.match('h', path, 'GET', none)!.route], pattern));
  }
});

test('the longest prefix wins over an earlier literal', () => {
  const router = compileRouter([route({ paths: ['/a/*'] }), route({ paths: ['/:x/b/*'] })]);
  assert.equal(router.match('h', '/a/b/c', 'GET', none)?.route, 1);
  assert.equal(router.match('h', '/a/c/c', 'GET', none)?.route, 0);
});

test('more conditions win, then a route with methods, then the order given', () => {
  const router = compileRouter([
    route({ paths: ['/a'] }),
    route({ paths: ['/a'], methods: ['GET', 'POST'] }),
    route({ paths: ['/a'], headers: [equals('x', '1')] }),
    route({ paths: ['/a'], headers: [equals('x', '1')], query: [{ name: 'q', match: { kind: 'present' } }] }),
    route({ paths: ['/a'], methods: ['GET'] }),
  ]);
  const query = (name: string) => (name === 'q' ? '' : undefined);
  assert.equal(router.match('h', '/a', 'GET', { ...headers({ x: '1' }), query })?.route, 3);
  assert.equal(router.match('h', '/a', 'GET', headers({ x: '1' }))?.route, 2);
  assert.equal(router.match('h', '/a', 'GET', headers({ x: '2' }))?.route, 1);
  assert.equal(router.match('h', '/a', 'PUT', none)?.route, 0);
});

test('falls back to a less specific place whose conditions hold', () => {
  const router = compileRouter([
    route({ hosts: ['a.test'], paths: ['/x'], methods: ['POST'] }),
    route({ hosts: ['a.test'], paths: ['/:p'], headers: [equals('v', '2')] }),
    route({ hosts: ['*.test'], paths: ['/x'] }),
    route({}),
  ]);
  assert.equal(router.match('a.test', '/x', 'POST', none)?.route, 0);
  assert.equal(router.match('a.test', '/x', 'GET', headers({ v: '2' }))?.route, 1);
  assert.equal(router.match('a.test', '/x', 'GET', none)?.route, 2);
  assert.equal(router.match('a.test', '/y', 'GET', none)?.route, 3);
  assert.equal(compileRouter([route({ methods: ['GET'] })]).match('h', '/', 'PUT', none), undefined);
});

test('conditions: present, equal, pattern', () => {
  const router = compileRouter([
    route({ headers: [{ name: 'x', match: { kind: 'pattern', pattern: /^v\d$/ } }] }),
    route({ headers: [{ name: 'y', match: { kind: 'present' } }] }),
  ]);
  assert.equal(router.match('h', '/', 'GET', headers({ x: 'v2' }))?.route, 0);
  assert.equal(router.match('h', '/', 'GET', headers({ x: 'v' })), undefined);
  assert.equal(router.match('h', '/', 'GET', headers({ x: 'v', y: '' }))?.route, 1);
});

test('says what parameters and the star took', () => {
  const router = compileRouter([route({ paths: ['/users/:id/files/*', '/teams/:team', '/p/*'] })]);
  const take = (path: string) => router.match('h', path, 'GET', none)!;
  const files = take('/users/7/files/a/b');
  assert.equal(pathParam(files, 'id'), '7');
  assert.equal(pathParam(files, 'team'), undefined);
  assert.equal('/users/7/files/a/b'.slice(files.starAt), 'a/b');
  assert.ok(take('/users/7/files').starAt > '/users/7/files'.length);
  assert.equal('/users/7/files/'.slice(take('/users/7/files/').starAt), '');
  assert.deepEqual(take('/teams/red').paramValues, ['red']);
  assert.equal(take('/teams/red').starAt, -1);
  assert.equal('/p/x'.slice(take('/p/x').starAt), 'x');
});

test('hands out the same value for a hit without parameters: nothing is allocated', () => {
  const router = compileRouter([route({ paths: ['/a', '/b/*'] })]);
  assert.equal(router.match('h', '/a', 'GET', none), router.match('h', '/a', 'GET', none));
  assert.equal(router.match('h', '/b/1', 'GET', none), router.match('h', '/b/2', 'GET', none));
});

test('thousands of routes cost no more work than ten', () => {
  const build = (count: number) => {
    const routes = [route({ paths: ['/*'] }), route({ hosts: ['*.shop.test'] })];
    for (let index = 0; index < count; index++) {
      routes.push(route({ paths: [`/exact/${index}`] }), route({ paths: [`/svc-${index}/*`] }));
      routes.push(route({ paths: [`/items-${index}/:id/parts`] }));
      routes.push(route({ hosts: [`h${index}.test`] }), route({ hosts: [`*.w${index}.test`] }));
    }
    return compileRouter(routes);
  };
  const requests: [host: string, path: string][] = [
    ['x', '/exact/7'],
    ['x', '/svc-7/a/b/c'],
    ['x', '/items-7/9/parts'],
    ['h7.test', '/q'],
    ['a.b.w7.test', '/q'],
    ['x', '/nowhere/at/all'],
  ];
  const few = build(10);
  const many = build(5000);
  for (const [host, path] of requests) {
    const hits = [few, many].map((router) => router.match(host, path, 'GET', none)?.route);
    assert.equal(hits[0], hits[1]);
    assert.ok(few.work > 0 && few.work < 12, `${host}${path}: ${few.work}`);
    assert.equal(many.work, few.work, `${host}${path}`);
  }
});
