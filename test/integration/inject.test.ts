import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunkedReply, reply, type Script, silence } from '../kit/raw-origin.ts';
import { World } from './world.ts';

const play: Script = ({ message }, connection) => {
  const { method, target } = message;
  if (target === '/chunked') connection.send(chunkedReply(200, [['X-A', '1']], ['one', 'two'], [['X-T', '3']]));
  else if (target === '/204') connection.send(reply(204, [['X-A', '1']]));
  else if (target === '/cut') connection.truncate(reply(200, [], 'hello'), 40);
  else if (target === '/reset') connection.reset();
  else if (target === '/large') connection.send(reply(200, [], 'x'.repeat(3_000_000)));
  else {
    const { fields } = message;
    const kept = fields.filter(([name]) => !/^(x-request-id|host|connection)$/i.test(name));
    const text = JSON.stringify({
      method,
      target,
      kept: kept.map(([name, value]) => `${name.toLowerCase()}: ${value}`).sort(),
      body: message.text(),
    });
    const whole = reply(
      200,
      [
        ['X-A', '1'],
        ['Set-Cookie', 'a=1'],
        ['Connection', 'X-Hop'],
        ['X-Hop', '1'],
      ],
      text,
    );
    connection.send(method === 'HEAD' ? whole.slice(0, whole.length - text.length) : whole);
  }
};

interface Case {
  readonly method?: string;
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

const CASES: readonly Case[] = [
  { url: '/plain?q=1' },
  { url: '/a/../b/%7Ec' },
  { method: 'POST', url: '/post', body: 'hello', headers: { 'X-B': 'é', Connection: 'X-Own', 'X-Own': '1' } },
  { method: 'HEAD', url: '/head' },
  { method: 'PURGE', url: '/unknown-method' },
  { url: '/chunked' },
  { url: '/204' },
  { url: '/reset', method: 'POST' },
  { url: '/large' },
  { url: '/own' },
  { url: '/own', method: 'HEAD' },
  { url: '/old' },
  { url: '/nowhere' },
  { url: '/silent', method: 'POST' },
  { url: '/small', method: 'PUT', body: 'too large' },
  { url: '/a%2f..%2fb' },
  { method: 'TRACE', url: '/' },
  { method: 'OPTIONS', url: '/x', headers: { 'Max-Forwards': '0' } },
  { method: 'OPTIONS', url: '*' },
  { url: '/x', headers: { 'X-Forwarded-For': '6.6.6.6', 'X-Real-IP': '6.6.6.6', 'X-Request-Id': 'mine', TE: 'gzip' } },
];

/** Fields of an answer that differ from one answer to the next, or belong to one codec. */
const OWN_TO_EACH = new Set([
  'x-request-id',
  'date',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
]);

function comparable(fields: Iterable<readonly [string, string]>): string[] {
  const lines: string[] = [];
  for (const [name, value] of fields)
    if (!OWN_TO_EACH.has(name.toLowerCase())) lines.push(`${name.toLowerCase()}: ${value}`);
  return lines.sort();
}

const withoutIds = (text: string): string => text.replace(/"instance":"[^"]*"/, '');

const options = {
  routes: [
    { match: { host: 'gw.test', path: '/own' }, respond: { body: 'own', headers: { 'X-A': '1' } } },
    { match: { host: 'gw.test', path: '/old' }, redirect: { to: '/new' } },
    { match: { host: 'gw.test', path: '/silent' }, upstream: 'origin', timeout: '60ms' },
    { match: { host: 'gw.test', path: '/small' }, upstream: 'origin', bodyLimit: 3 },
  ],
  route: { match: { host: 'gw.test' }, headers: { request: { set: { 'X-Set': '1' } } } },
};

test('an injected request gets the answer that a socket would get', async (t) => {
  const world = await World.start(t, {
    ...options,
    origins: [
      (request, connection) =>
        request.message.target === '/silent' ? silence(request, connection) : play(request, connection),
    ],
  });
  for (const { method = 'GET', url, headers = {}, body = '' } of CASES) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const host = url === '/nowhere' ? 'other.test' : 'gw.test';
    const wire = await world.ask(`${method} ${url}`, [`Host: ${host}`, ...lines], body);
    const injected = await world.gateway.gateway.inject({ method, url, headers: { Host: host, ...headers }, body });
    const label = `${method} ${url}`;
    assert.equal(injected.status, wire.status, label);
    assert.equal(withoutIds(injected.body.toString('latin1')), withoutIds(wire.text()), label);
    assert.deepEqual(comparable(Object.entries(injected.headers)), comparable(wire.fields), label);
    assert.equal(injected.isCut, false);
    const [first, second] = world.log.slice(-2);
    for (const name of [
      'status',
      'reason',
      'routeName',
      'attempts',
      'bytesIn',
      'bytesOut',
      'path',
      'clientIp',
    ] as const) {
      assert.equal(second?.[name], first?.[name], `${label}: ${name}`);
    }
  }
  const { trailers } = await world.gateway.gateway.inject({ url: '/chunked', headers: { Host: 'gw.test' } });
  assert.deepEqual(trailers, { 'x-t': '3' });
  assert.equal((await world.gateway.gateway.inject({ url: '/cut', headers: { Host: 'gw.test' } })).isCut, true);
  await world.untilIdle();
});

test('limits hold for injected requests and for those of sockets together', async (t) => {
  const world = await World.start(t, {
    config: {
      limits: { few: { key: 'client.ip', window: '3/1h' } },
      routes: [{ limits: ['few'], respond: { body: 'ok' } }],
    },
  });
  const { gateway } = world.gateway;
  const first = await gateway.inject({ url: '/', peer: '127.0.0.1' });
  assert.equal(first.status, 200);
  assert.match(first.headers.ratelimit ?? '', /^"few";r=2/);
  await world.ask('GET /');
  assert.equal((await gateway.inject({ url: '/' })).status, 200);
  const refused = await gateway.inject({ url: '/' });
  assert.deepEqual([refused.status, JSON.parse(refused.body.toString()).reason], [429, 'RL']);
  assert.equal((await world.ask('GET /')).status, 429);
  assert.equal((await gateway.inject({ url: '/', peer: '10.0.0.9' })).status, 200);
});

test('what no socket could have sent is refused', async (t) => {
  const world = await World.start(t);
  const { gateway } = world.gateway;
  const bad = [
    { url: '/a b' },
    { url: '/\r\nX: y' },
    { url: '/a#b' },
    { url: '/', method: 'GET / HTTP/1.1\r\nX: y' },
    { url: '/', method: '' },
    { url: '/', headers: { 'X-A': 'a\r\nX-B: b' } },
    { url: '/', headers: { 'X A': 'a' } },
    { url: '/', headers: { 'X-A': '\u2028' } },
    { url: '/', headers: { Host: 'a b' } },
    { url: '/', headers: { content_length: '3' } },
  ];
  for (const request of bad) await assert.rejects(gateway.inject(request), TypeError, JSON.stringify(request));
  assert.equal(world.origin.heads.length, 0);
  assert.equal((await gateway.inject({ url: 'http://abs.test/x?y' })).status, 200);
  const { message } = await world.origin.request();
  assert.deepEqual([message.get('host'), message.target], ['abs.test', '/x?y']);
});

test('a body of an injected request is retried like any other', async (t) => {
  const world = await World.start(t, {
    origins: [
      (_, connection) => connection.send(reply(503)),
      ({ message }, connection) => connection.send(reply(200, [], message.text())),
    ],
  });
  for (let n = 0; n < 2; n++) {
    const response = await world.gateway.gateway.inject({ method: 'PUT', url: '/', body: 'hello' });
    assert.deepEqual([response.status, response.body.toString()], [200, 'hello']);
  }
});
