import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CidrSet } from '../core/ip.ts';
import {
  expandBlocks,
  hostPatternProblem,
  isAuthority,
  parseCidr,
  parseEndpointUrl,
  parseListenAddress,
  redisUrlProblem,
} from './addresses.ts';

const tcp = (host: string, port: number) => ({ kind: 'tcp', host, port });

describe('listen addresses', () => {
  const rows: [text: string, value: unknown][] = [
    ['127.0.0.1:8080', tcp('127.0.0.1', 8080)],
    [':8080', tcp('', 8080)],
    ['[::1]:8080', tcp('::1', 8080)],
    ['localhost:0', tcp('localhost', 0)],
    ['unix:/run/hg.sock', { kind: 'unix', path: '/run/hg.sock' }],
    ['8080', undefined],
    ['127.0.0.1', undefined],
    ['127.0.0.1:65536', undefined],
    ['::1:8080', undefined],
    ['[::1]', undefined],
    ['[nope]:80', undefined],
    ['unix:relative', undefined],
    ['http://127.0.0.1:80', undefined],
    ['1.2.3:80', undefined],
    ['a..b:80', undefined],
  ];
  for (const [text, value] of rows) test(text, () => assert.deepEqual(parseListenAddress(text), value));
});

describe('endpoint URLs', () => {
  const endpoint = (name: string, host: string, port: number, authority: string) => ({
    ok: true,
    value: { name, address: { kind: 'tcp', host, port, authority }, isSecure: name.startsWith('https:') },
  });
  const rows: [text: string, value: unknown][] = [
    ['http://10.0.0.1:9000', endpoint('10.0.0.1:9000', '10.0.0.1', 9000, '10.0.0.1:9000')],
    ['http://Orders.internal', endpoint('orders.internal:80', 'orders.internal', 80, 'orders.internal')],
    ['HTTP://h:80/', endpoint('h:80', 'h', 80, 'h')],
    ['http://my_service:3000', endpoint('my_service:3000', 'my_service', 3000, 'my_service:3000')],
    ['https://API.example.com', endpoint('https://api.example.com:443', 'api.example.com', 443, 'api.example.com')],
    ['https://h:80', endpoint('https://h:80', 'h', 80, 'h:80')],
    ['http://h:443', endpoint('h:443', 'h', 443, 'h:443')],
    ['http://[::1]:9000', endpoint('[::1]:9000', '::1', 9000, '[::1]:9000')],
  ];
  for (const [text, value] of rows) test(text, () => assert.deepEqual(parseEndpointUrl(text), value));

  test('unix sockets', () => {
    const address = { kind: 'unix', path: '/run/app.sock', authority: 'localhost' };
    const value = { name: '/run/app.sock', address, isSecure: false };
    assert.deepEqual(parseEndpointUrl('unix:/run/app.sock'), { ok: true, value });
    assert.deepEqual(parseEndpointUrl('unix:///run/app.sock'), { ok: true, value });
    assert.equal(parseEndpointUrl('unix:app.sock').ok, false);
  });

  const wrong: [text: string, problem: RegExp][] = [
    ['h2c://h', /known, not in this version/],
    ['ftp://h', /expected a URL/],
    ['h:80', /expected a URL/],
    ['http://h/path', /"rewrite"/],
    ['http://h?q', /"rewrite"/],
    ['http://user:pw@h', /no user name/],
    ['http://h:0', /1 to 65535/],
    ['http://h:99999', /1 to 65535/],
    ['http://', /1 to 65535/],
    ['http://::1', /1 to 65535/],
  ];
  for (const [text, problem] of wrong) {
    test(text, () => {
      const parsed = parseEndpointUrl(text);
      assert.ok(!parsed.ok);
      assert.match(parsed.problem, problem);
    });
  }
});

test('blocks', () => {
  assert.equal(parseCidr('10.0.0.0/8'), '10.0.0.0/8');
  assert.equal(parseCidr('10.0.0.1'), '10.0.0.1/32');
  assert.equal(parseCidr('2001:db8::/32'), '2001:db8::/32');
  assert.equal(parseCidr('::1'), '::1/128');
  for (const bad of ['10.0.0.0/33', '::/129', '10.0.0/8', 'x/8', '10.0.0.0/', '10.0.0.0/-1', 'fe80::1%eth0', '']) {
    assert.equal(parseCidr(bad), undefined, bad);
  }
  assert.ok(new CidrSet(expandBlocks(['10.0.0.1', '2001:db8::/32', '::ffff:10.0.0.0/104', 'private'])).size > 4);
  assert.deepEqual(expandBlocks(['1.2.3.4', 'private']).slice(0, 2), ['1.2.3.4/32', '10.0.0.0/8']);
  for (const block of [
    '172.16.0.0/12',
    '192.168.0.0/16',
    '127.0.0.0/8',
    '::1/128',
    'fc00::/7',
    'fe80::/10',
    '169.254.0.0/16',
    '100.64.0.0/10',
  ]) {
    assert.ok(expandBlocks('private').includes(block), block);
  }
});

test('host patterns', () => {
  for (const good of ['example.com', '*.example.com', 'localhost', '10.0.0.1', '[::1]', 'my_host']) {
    assert.equal(hostPatternProblem(good), undefined, good);
  }
  for (const bad of [
    '*',
    '*.',
    'a.*.com',
    '*example.com',
    'http://a',
    'a:80',
    'a/b',
    'a.',
    '',
    'a b',
    '[::1]:80',
    '[x]',
    '-a.com',
  ]) {
    assert.notEqual(hostPatternProblem(bad), undefined, bad);
  }
});

test('authorities and Redis URLs', () => {
  assert.deepEqual(['a.b', 'a:80', '[::1]:80', 'a:x', '', ':80', 'a b'].map(isAuthority), [
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  assert.equal(redisUrlProblem('redis://user:pass@host:6379/0'), undefined);
  assert.equal(redisUrlProblem('redis://h'), undefined);
  for (const bad of ['redis:h', 'http://h', 'redis://', 'redis://h/x', 'redis://h?x=1', 'rediss://h']) {
    assert.notEqual(redisUrlProblem(bad), undefined, bad);
  }
});
