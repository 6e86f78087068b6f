import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatIssue } from './issue.ts';
import { laterPlaces, laterValuePlaces } from './later.ts';
import { loadConfigText, parseConfig } from './load.ts';

const errorsOf = (input: unknown) => {
  const result = parseConfig(input);
  return result.ok ? [] : result.errors.map(formatIssue);
};
const route = (more: object) => ({ routes: [{ upstream: 'http://a', ...more }] });
const limit = (more: object) => ({ limits: { a: more } });
const headers = (request: object) => route({ headers: { request } });

const manyNames = Array.from({ length: 31 }, (_, index) => `l${index}`);

const wrong: [name: string, input: unknown, errors: string[]][] = [
  [
    'a burst that never comes back',
    limit({ rate: '1/1d', burst: 100_000 }),
    ['limits.a.burst: at 1/1d a burst of 100000 takes more than 140 years to come back'],
  ],
  [
    'too many limits',
    { limits: Object.fromEntries(manyNames.map((name) => [name, { window: '1/s' }])), defaults: { limits: manyNames } },
    ['defaults.limits: expected a list of at most 30'],
  ],
  ['a limit without a kind', limit({ key: 'client.ip' }), ['limits.a: a limit has one of window, rate and quota']],
  [
    'a limit of two kinds',
    limit({ window: '1/s', rate: '1/s' }),
    ['limits.a: a limit has one of window, rate and quota, not window and rate'],
  ],
  ['a burst without a rate', limit({ window: '1/s', burst: 2 }), ['limits.a.burst: goes with rate only']],
  [
    'a time zone without a quota',
    limit({ window: '1/s', timezone: 'UTC' }),
    ['limits.a.timezone: goes with quota only'],
  ],
  [
    'a bad time zone',
    limit({ quota: '1/day', timezone: 'Mars/Base' }),
    ['limits.a.timezone: expected an IANA time zone such as Europe/Berlin, got "Mars/Base"'],
  ],
  [
    'a cost above a window',
    limit({ window: '5/s', cost: 6 }),
    ['limits.a.cost: a cost of 6 never fits: at most 5 are admitted at once'],
  ],
  [
    'a cost above a burst',
    limit({ rate: '9/s', burst: 2, cost: 3 }),
    ['limits.a.cost: a cost of 3 never fits: at most 2 are admitted at once'],
  ],
  [
    'a cost above a quota',
    limit({ quota: '1/day', cost: 2 }),
    ['limits.a.cost: a cost of 2 never fits: at most 1 are admitted at once'],
  ],
  ['a cost of nothing', limit({ window: '5/s', cost: 0 }), ['limits.a.cost: expected at least 1, got 0']],
  [
    'a bad key',
    limit({ window: '1/s', key: ['client'] }),
    [
      'limits.a.key[0]: expected client.ip, header.<name>, cookie.<name>, query.<name>, path.<param>, route, method or host, got "client"',
    ],
  ],
  [
    'a bad block',
    limit({ window: '1/s', except: { ip: ['10/8'] } }),
    [
      'limits.a.except.ip[0]: expected an address or a block such as 10.0.0.0/8 or 2001:db8::/32, or private, got "10/8"',
    ],
  ],
  ['no action', { routes: [{ name: 'a' }] }, ['routes[0]: a route has one of upstream, respond and redirect']],
  [
    'a misspelt action',
    { routes: [{ upsteam: 'a' }] },
    ['routes[0].upsteam: unknown field (did you mean "upstream"?)'],
  ],
  [
    'two actions',
    route({ respond: {} }),
    ['routes[0]: a route has one of upstream, respond and redirect, not upstream and respond'],
  ],
  [
    'an unknown upstream',
    { upstreams: { orders: { endpoints: ['http://a'] } }, routes: [{ upstream: 'order' }] },
    ['routes[0].upstream: no upstream is named "order" (did you mean "orders"?)'],
  ],
  [
    'an unknown upstream under a misspelt section',
    { upstrems: { orders: { endpoints: ['http://a'] } }, routes: [{ upstream: 'orders' }] },
    ['upstrems: unknown field (did you mean "upstreams"?)'],
  ],
  ['an unknown default limit', { defaults: { limits: ['x'] } }, ['defaults.limits[0]: no limit is named "x"']],
  [
    'a limit twice',
    { ...limit({ window: '1/s' }), ...route({ limits: ['a', 'a'] }) },
    ['routes[0].limits[1]: the limit "a" stands here twice'],
  ],
  [
    'a limit by route on a route without a name',
    { ...limit({ window: '1/s', scope: 'route' }), ...route({ limits: ['a'] }) },
    ['routes[0].limits[0]: the limit "a" has "scope: route": the route needs a name'],
  ],
  [
    'the same by default',
    { ...limit({ window: '1/s', scope: 'route' }), ...route({}), defaults: { limits: ['a'] } },
    ['routes[0]: the limit "a" has "scope: route": the route needs a name'],
  ],
  [
    'a name twice',
    {
      routes: [
        { name: 'a', upstream: 'http://a' },
        { name: 'a', upstream: 'http://a' },
      ],
    },
    ['routes[1].name: the same name as routes[0]'],
  ],
  [
    'an address twice',
    { listeners: [{ address: ':80' }, { address: ':80' }] },
    ['listeners[1].address: the same address as listeners[0]'],
  ],
  ['an address twice by default', { listeners: [{}, {}] }, ['listeners[1].address: the same address as listeners[0]']],
  [
    'the address of the admin API',
    { listeners: [{ address: ':80' }], admin: { address: ':80' } },
    ['admin.address: the same address as listeners[0]'],
  ],
  [
    'proxies by block and number',
    { listeners: [{ trustedProxies: 'private', trustedHops: 1 }] },
    ['listeners[0].trustedHops: give trustedProxies or trustedHops, not both'],
  ],
  [
    'an endpoint twice',
    { upstreams: { a: { endpoints: ['http://h', { url: 'http://H:80/' }] } } },
    ['upstreams.a.endpoints[1]: the same endpoint as another one of this upstream: give it a weight instead'],
  ],
  ['no endpoint', { upstreams: { a: { endpoints: [] } } }, ['upstreams.a.endpoints: expected a list of at least 1']],
  [
    'a bad pattern',
    route({ match: { headers: { x: '/(/' } } }),
    ['routes[0].match.headers.x: is no regular expression: Invalid regular expression: /(/: Unterminated group'],
  ],
  [
    'a bad flag',
    route({ match: { query: { x: '/a/g' } } }),
    ['routes[0].match.query.x: a pattern knows the flags i and u'],
  ],
  [
    'a host with a port',
    route({ match: { host: 'a:80' } }),
    ['routes[0].match.host: a host is matched without its port'],
  ],
  [
    'a star inside a host',
    route({ match: { host: ['ok.test', 'a.*.test'] } }),
    ['routes[0].match.host[1]: "*" stands only at the start, as in "*.example.com"'],
  ],
  ['a path without a slash', route({ match: { path: 'a' } }), ['routes[0].match.path: a path starts with "/"']],
  [
    'a star inside a path',
    route({ match: { path: '/a*' } }),
    ['routes[0].match.path: "*" stands only at the end, as "/*"'],
  ],
  [
    'a path that never matches',
    route({ match: { path: ['/caf\u00e9/:id'] } }),
    ['routes[0].match.path[0]: requests are matched in canonical form: write /caf%C3%A9/:id'],
  ],
  [
    'a path with dots',
    route({ match: { path: '/a/../b' } }),
    ['routes[0].match.path: requests are matched in canonical form: write /b'],
  ],
  [
    'a path that is refused',
    route({ match: { path: '/a%2fb' } }),
    ['routes[0].match.path: no request has such a path: requests like it are refused with 400'],
  ],
  [
    'a method in lower case',
    route({ match: { methods: ['get'] } }),
    ['routes[0].match.methods[0]: methods are case-sensitive: write GET'],
  ],
  [
    'a bad header name',
    headers({ set: { 'x y': '1' } }),
    ['routes[0].headers.request.set["x y"]: is no header name (RFC 9110 token)'],
  ],
  [
    'a header value with a line break',
    headers({ set: { x: 'a\r\nb: c' } }),
    [
      'routes[0].headers.request.set.x: a header value has no line breaks, control characters or characters above U+00FF',
    ],
  ],
  [
    'a header of the framing',
    headers({ set: { 'Content-Length': '1' } }),
    ['routes[0].headers.request.set.Content-Length: "Content-Length" frames the message and is the gateway’s own'],
  ],
  [
    'a header of the connection',
    headers({ remove: ['Connection'] }),
    ['routes[0].headers.request.remove[0]: "Connection" belongs to one connection and is the gateway’s own'],
  ],
  [
    'the Host',
    headers({ set: { host: 'a' } }),
    ['routes[0].headers.request.set.host: "host" is set with "host" of the upstream or "rewrite.host" of the route'],
  ],
  [
    'a path that is edited twice',
    route({ match: { path: '/a/*' }, stripPrefix: '/a', rewrite: { path: '/b/*' } }),
    ['routes[0].rewrite.path: give stripPrefix or rewrite.path, not both'],
  ],
  [
    'a star that stands for nothing',
    route({ match: { path: ['/a/*', '/b'] }, rewrite: { path: '/b/*' } }),
    ['routes[0].rewrite.path: "*" stands for what the "*" of match.path took, and it has none'],
  ],
  [
    'an answer without a body that has one',
    { routes: [{ respond: { status: 204, body: 'x' } }] },
    ['routes[0].respond.body: an answer with status 204 has no body'],
  ],
  [
    'a redirect to nowhere',
    { routes: [{ redirect: { to: 'x y' } }] },
    ['routes[0].redirect.to: expected a path that starts with "/" or an http(s) URL, percent-encoded, got "x y"'],
  ],
  [
    'a redirect that is none',
    { routes: [{ redirect: { to: '/', status: 200 } }] },
    ['routes[0].redirect.status: expected one of 301, 302, 303, 307, 308, got 200'],
  ],
];

describe('what is wrong', () => {
  for (const [name, input, errors] of wrong) test(name, () => assert.deepEqual(errorsOf(input), errors));
});

const right: [name: string, input: unknown][] = [
  ['the path of a route without one takes a star', route({ rewrite: { path: '/b/*' } })],
  [
    'several listeners on ports that the system chooses',
    { listeners: [{ address: '127.0.0.1:0' }, { address: '127.0.0.1:0' }] },
  ],
  [
    'everything that can be off',
    {
      admin: false,
      rateLimitHeaders: false,
      log: { access: false },
      upstreams: { a: { endpoints: ['http://a'], healthCheck: false, outlierDetection: false } },
      routes: [
        { upstream: 'a', timeout: false, retry: false, bodyLimit: false },
        { upstream: 'http://b', timeout: { response: false, stream: false } },
      ],
    },
  ],
  [
    'forms of values',
    {
      listeners: [{ address: 'unix:/run/hg.sock', trustedProxies: ['10.0.0.0/8', 'private'], maxHeaderBytes: 4096 }],
      limits: {
        a: {
          rate: '1/s',
          key: ['client.ip', 'header.X-Key', 'cookie.sid', 'query.a b', 'path.id', 'route', 'method', 'host'],
          consistency: 'strict',
        },
      },
      upstreams: {
        a: {
          endpoints: ['unix:/run/app.sock'],
          host: 'app.internal:8080',
          healthCheck: { type: 'tcp', status: 200 },
          outlierDetection: { maxEjected: 0.3, on: ['reset', 502] },
        },
      },
      routes: [
        {
          match: { headers: { x: 1, y: true, z: '/^a/i' }, query: { q: 'v' } },
          headers: { request: { add: { via2: ['a', 'b'] } } },
          limits: ['a'],
          upstream: 'a',
        },
      ],
    },
  ],
];

describe('what is right', () => {
  for (const [name, input] of right) test(name, () => assert.deepEqual(errorsOf(input), []));
});

test('every field of a later version is known where it stands, and only there', () => {
  const around: Record<string, (field: string) => string> = {
    '': (field) => `${field}: 1`,
    'listeners[]': (field) => `listeners: [{ ${field}: 1 }]`,
    store: (field) => `store: { url: redis://h, ${field}: 1 }`,
    'limits.*': (field) => `limits: { a: { window: 1/s, ${field}: 1 } }`,
    'upstreams.*': (field) => `upstreams: { a: { endpoints: [http://a], ${field}: 1 } }`,
    'upstreams.*.endpoints[]': (field) => `upstreams: { a: { endpoints: [{ url: http://a, ${field}: 1 }] } }`,
    'upstreams.*.outlierDetection': (field) =>
      `upstreams: { a: { endpoints: [http://a], outlierDetection: { ${field}: 1 } } }`,
    'routes[]': (field) => `routes: [{ upstream: http://a, ${field}: 1 }]`,
    defaults: (field) => `defaults: { ${field}: 1 }`,
  };
  for (const [place, fields] of laterPlaces()) {
    for (const field of fields) {
      const result = loadConfigText(around[place]!(field), 'f');
      const messages = result.ok ? [] : result.errors.map(({ message }) => message);
      const isKind = field === 'concurrency' || field === 'split';
      assert.ok(messages.includes('known, not in this version'), `${place} ${field}: ${messages.join()}`);
      assert.equal(messages.length, isKind ? 2 : 1, `${place} ${field}: ${messages.join()}`);
    }
  }
  assert.deepEqual(errorsOf({ log: { workers: 1 } }), ['log.workers: unknown field']);
});

test('every value of a later version is known where it stands', () => {
  const around: Record<string, (value: string) => string> = {
    'listeners[].protocols': (value) => `listeners: [{ protocols: [${value}] }]`,
    store: (value) => `store: ${value}`,
    'limits.*.key': (value) => `limits: { a: { window: 1/s, key: ${value} } }`,
    'limits.*.cost': (value) => `limits: { a: { window: 1/s, cost: ${value} } }`,
    'upstreams.*.endpoints[]': (value) => `upstreams: { a: { endpoints: ["${value}"] } }`,
    'upstreams.*.balance': (value) => `upstreams: { a: { endpoints: [http://a], balance: ${value} } }`,
    'upstreams.*.healthCheck.type': (value) =>
      `upstreams: { a: { endpoints: [http://a], healthCheck: { path: /, type: ${value} } } }`,
  };
  for (const [place, values] of laterValuePlaces()) {
    for (const value of values) {
      const result = loadConfigText(around[place]!(value.replace('…', 'a').replace(/<.*>/, 'a')), 'f');
      const messages = result.ok ? [] : result.errors.map(({ message }) => message);
      assert.equal(messages.length, 1, `${place} ${value}: ${messages.join()}`);
      assert.match(messages[0]!, / is known, not in this version$/, `${place} ${value}`);
    }
  }
});
