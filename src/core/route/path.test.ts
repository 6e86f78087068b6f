import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalPath, queryIsValid } from './path.ts';

const canonical: [raw: string, canonical: string][] = [
  ['/', '/'],
  ['/a/b', '/a/b'],
  ['/a//b', '/a//b'],
  ['//host/path', '//host/path'],
  ['/%61dmin', '/admin'],
  ['/%7euser/%2D%5f', '/~user/-_'],
  ['/caf%c3%a9', '/caf%C3%A9'],
  ['/a%20b%3f%23', '/a%20b%3F%23'],
  ['/./admin', '/admin'],
  ['/pub/../admin', '/admin'],
  ['/pub/%2e%2e/admin', '/admin'],
  ['/pub/.%2E/admin', '/admin'],
  ['/a/b/..', '/a/'],
  ['/a/.', '/a/'],
  ['/..', '/'],
  ['/../../etc/passwd', '/etc/passwd'],
  ['/a//../b', '/a/b'],
  ['/pub/%252e%252e/admin', '/pub/%252e%252e/admin'],
  ['/%2541', '/%2541'],
  ['/.well-known/x', '/.well-known/x'],
  ['/a.b/..c/...', '/a.b/..c/...'],
  ['/a;v=1/b', '/a;v=1/b'],
  ['/!$&\'()*+,=:@[]{}|^"<>`', '/!$&\'()*+,=:@[]{}|^"<>`'],
];

for (const [raw, expected] of canonical) {
  test(`${raw} is ${expected}`, () => assert.equal(canonicalPath(raw), expected));
}

const refused = [
  '',
  'a',
  '*',
  'http://h/a',
  '/a%00b',
  '/a%0d%0aX:1',
  '/a%1f',
  '/a%7F',
  '/a\\b',
  '/a%5cb',
  '/a%5Cb',
  '/a%2fb',
  '/pub%2F..%2fadmin',
  '/a%zz',
  '/a%2',
  '/a%',
  '/a%%32e',
  '/a#b',
  '/a?b',
  '/a b',
  '/a\tb',
  '/a\u0000b',
  '/a\u007fb',
  '/caf\u00e9',
  '/\u4e2d',
  '/pub/..;/admin',
  '/pub/..;x=1',
  '/pub/.;/admin',
  '/pub/%2e%2e;/admin',
  '/pub/..%3b/admin',
  '/./a\u0001',
];

for (const raw of refused) {
  test(`${JSON.stringify(raw)} is refused`, () => assert.equal(canonicalPath(raw), undefined));
}

test('a query holds visible ASCII without #', () => {
  assert.equal(queryIsValid('/a?x=1&y=%zz|"<>', 3), true);
  assert.equal(queryIsValid(''), true);
  for (const bad of ['a b', 'a#b', 'a\u00e9', 'a\r\n', 'a\u007f']) assert.equal(queryIsValid(bad), false);
  assert.equal(queryIsValid('/#?a', 2), true);
});
