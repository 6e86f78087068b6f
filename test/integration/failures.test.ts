// Every row of the answers that the gateway makes itself, raised for real. What must be is written out here: nothing is read
// from the table in `errors.ts` that this holds to account.
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { parseConfig } from '../../src/config/load.ts';
import type { HeadgateConfig } from '../../src/config/schema.ts';
import { FAILURES } from '../../src/errors.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { BlackHole } from '../kit/black-hole.ts';
import { freePort } from '../kit/cli.ts';
import type { RawClient } from '../kit/http-client.ts';
import { reply, silence } from '../kit/raw-origin.ts';
import type { Message } from '../kit/strict-http.ts';
import { all, bytes, World, type WorldOptions } from './world.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const OWN = { name: 'own', match: { path: '/own' }, respond: { body: 'own' } };
const CUT_CHUNK = 'zz\r\n';

interface Expected {
  readonly status: number;
  readonly reason: string;
  readonly title: string;
  /** Type of RFC 9209. */
  readonly error: string;
  readonly detail?: RegExp;
  readonly retryAfter?: string;
  readonly allow?: string;
  readonly type?: string;
}

const CAPACITY = 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity';

const KINDS = {
  'no-route': { status: 404, reason: 'NR', title: 'No route', error: 'destination_not_found' },
  'bad-request': { status: 400, reason: 'DPE', title: 'Bad request', error: 'http_request_error' },
  'method-not-allowed': { status: 405, reason: 'DPE', title: 'Method not allowed', error: 'http_request_denied' },
  'request-timeout': { status: 408, reason: 'DPE', title: 'Request timeout', error: 'http_request_error' },
  'body-too-large': { status: 413, reason: 'DPE', title: 'Content too large', error: 'http_request_error' },
  'target-too-long': { status: 414, reason: 'DPE', title: 'URI too long', error: 'http_request_error' },
  'expectation-failed': { status: 417, reason: 'DPE', title: 'Expectation failed', error: 'http_request_error' },
  'fields-too-large': {
    status: 431,
    reason: 'DPE',
    title: 'Request header fields too large',
    error: 'http_request_error',
  },
  'not-implemented': { status: 501, reason: 'DPE', title: 'Not implemented', error: 'http_request_error' },
  'version-not-supported': {
    status: 505,
    reason: 'DPE',
    title: 'HTTP version not supported',
    error: 'http_request_error',
  },
  'rate-limited': {
    status: 429,
    reason: 'RL',
    title: 'Quota exceeded',
    error: 'http_request_denied',
    type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
  },
  'store-failed': {
    status: 503,
    reason: 'RLSE',
    title: 'Limit store unavailable',
    error: 'proxy_internal_response',
    type: CAPACITY,
  },
  'no-endpoint': { status: 503, reason: 'UH', title: 'No endpoint available', error: 'destination_unavailable' },
  overloaded: { status: 503, reason: 'UO', title: 'Overloaded', error: 'connection_limit_reached', type: CAPACITY },
  'connect-failed': { status: 502, reason: 'UF', title: 'Bad gateway', error: 'connection_refused' },
  'connect-timeout': { status: 504, reason: 'UF', title: 'Gateway timeout', error: 'connection_timeout' },
  'upstream-closed': { status: 502, reason: 'UC', title: 'Bad gateway', error: 'connection_terminated' },
  'upstream-protocol': { status: 502, reason: 'UPE', title: 'Bad gateway', error: 'http_protocol_error' },
  'response-timeout': { status: 504, reason: 'UT', title: 'Gateway timeout', error: 'http_response_timeout' },
  internal: { status: 500, reason: 'IE', title: 'Internal error', error: 'proxy_internal_error' },
} as const satisfies Record<string, Expected>;

/** Those that end with the log (499), those of names and TLS (`dns`, `https-upstreams`), and those of features that this version does not have. */
const ELSEWHERE = [
  'client-closed',
  'gateway-stopped',
  'name-failed',
  'tls-failed',
  'certificate-refused',
  'unauthenticated',
  'forbidden',
];

type Kind = keyof typeof KINDS;

function assertProblem(message: Message, expected: Expected): void {
  const { status, reason, title, error, type = 'about:blank' } = expected;
  assert.equal(message.status, status);
  const ids = all(message, 'x-request-id');
  assert.equal(ids.length, 1);
  assert.match(ids[0] as string, UUID_V7);
  assert.deepEqual(all(message, 'content-type'), ['application/problem+json']);
  assert.deepEqual(all(message, 'proxy-status'), [`headgate; error=${error}; details="${reason}"`]);
  assert.deepEqual(all(message, 'cache-control'), ['no-store']);
  assert.deepEqual(all(message, 'date').length, 1);
  assert.equal(message.get('retry-after'), expected.retryAfter);
  assert.equal(message.get('allow'), expected.allow);
  const { detail, ...document } = JSON.parse(message.text());
  assert.match(detail, expected.detail ?? /\.$|\)$/);
  const violated = reason === 'RL' ? { 'violated-policies': document['violated-policies'] } : {};
  assert.deepEqual(document, { type, title, status, reason, instance: `/requests/${ids[0]}`, ...violated });
}

interface Case {
  readonly kind: Kind;
  readonly request: string;
  readonly world?: WorldOptions;
  readonly expected?: Partial<Expected>;
  /** Whether the connection closes behind the answer; the status decides where it is left out. */
  readonly closes?: boolean;
}

const CLOSING = new Set([400, 408, 413, 414, 417, 431, 501, 505]);
const SMALL_HEADS: WorldOptions = { listener: { maxHeaderBytes: '1kb', maxHeaders: 20 } };
const SMALL_BODIES: WorldOptions = { route: { bodyLimit: '4b' } };
const GARBAGE: WorldOptions = {
  origins: [(_, connection) => connection.send('HELLO\r\n\r\n')],
  route: { retry: false },
};
const post = (framing: string, body: string): string => bytes('POST /x', [framing], body);

const CASES: Record<string, Case> = {
  'no route': {
    kind: 'no-route',
    request: bytes('GET /a/../b?q'),
    world: { route: { match: { path: '/never' } } },
    expected: { detail: /^No route matches GET \/b\.$/ },
  },
  'no route for a body that is here to its end': {
    kind: 'no-route',
    request: post('Content-Length: 5', 'hello'),
    world: { route: { match: { path: '/never' } } },
  },
  'no route for a body that is not here to its end': {
    kind: 'no-route',
    request: post('Content-Length: 1000', 'hello'),
    world: { route: { match: { path: '/never' } } },
    closes: true,
  },
  TRACE: {
    kind: 'method-not-allowed',
    request: bytes('TRACE /x'),
    expected: { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' },
  },
  'a path with an encoded slash': {
    kind: 'bad-request',
    request: bytes('GET /a%2fb'),
    expected: { detail: /path/ },
  },
  'a path with an encoded backslash': { kind: 'bad-request', request: bytes('GET /a%5Cb') },
  'a path with NUL': { kind: 'bad-request', request: bytes('GET /a%00') },
  'a path with a half percent': { kind: 'bad-request', request: bytes('GET /a%2') },
  'dot segments with a parameter': { kind: 'bad-request', request: bytes('GET /a/..;x/b') },
  'an ambiguous path before a body': {
    kind: 'bad-request',
    request: post('Content-Length: 5', 'hello').replace('/x', '/%2f'),
  },
  'a request line that is none': { kind: 'bad-request', request: 'GET  /x HTTP/1.1\r\nHost: gw.test\r\n\r\n' },
  'no Host': { kind: 'bad-request', request: 'GET /x HTTP/1.1\r\n\r\n' },
  'a length twice': {
    kind: 'bad-request',
    request: bytes('POST /x', ['Content-Length: 5', 'Content-Length: 6'], 'hello'),
  },
  'a length and chunks': {
    kind: 'bad-request',
    request: bytes('POST /x', ['Content-Length: 5', 'Transfer-Encoding: chunked'], 'hello'),
  },
  'chunks that are none': {
    kind: 'bad-request',
    request: post('Transfer-Encoding: chunked', CUT_CHUNK),
    world: { origins: [{ onHead: silence }] },
  },
  'chunks that are none, and no route': {
    kind: 'no-route',
    request: post('Transfer-Encoding: chunked', CUT_CHUNK),
    world: { route: { match: { path: '/never' } } },
    closes: true,
  },
  'a head that does not come': {
    kind: 'request-timeout',
    request: 'GET /x HTTP/1.1\r\nHost: gw',
    world: { listener: { timeouts: { headers: '60ms' } } },
  },
  'a body that does not come': {
    kind: 'request-timeout',
    request: post('Content-Length: 10', 'hello'),
    world: { listener: { timeouts: { body: '60ms' } }, origins: [{ onHead: silence }] },
    expected: { detail: /body/ },
  },
  'a body longer than the route takes': {
    kind: 'body-too-large',
    request: post('Content-Length: 5', 'hello'),
    world: SMALL_BODIES,
    expected: { detail: /^route "all" takes bodies of at most 4 bytes \(routes\[1\]\.bodyLimit\)$/ },
  },
  'chunks longer than the route takes': {
    kind: 'body-too-large',
    request: post('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'),
    world: { ...SMALL_BODIES, origins: [{ onHead: silence }] },
  },
  'a target longer than the listener takes': {
    kind: 'target-too-long',
    request: bytes(`GET /${'x'.repeat(2000)}`),
    world: SMALL_HEADS,
  },
  'an expectation that nobody knows': { kind: 'expectation-failed', request: bytes('GET /x', ['Expect: a-miracle']) },
  'a head longer than the listener takes': {
    kind: 'fields-too-large',
    request: bytes('GET /x', [`X-Pad: ${'x'.repeat(2000)}`]),
    world: SMALL_HEADS,
  },
  'more fields than the listener takes': {
    kind: 'fields-too-large',
    request: bytes(
      'GET /x',
      Array.from({ length: 25 }, (_, n) => `X-${n}: 1`),
    ),
    world: SMALL_HEADS,
  },
  CONNECT: { kind: 'not-implemented', request: bytes('CONNECT gw.test:80', ['Host: gw.test:80']) },
  'an unknown transfer coding': {
    kind: 'not-implemented',
    request: post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n'),
  },
  'HTTP/2 in clear': { kind: 'version-not-supported', request: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  'HTTP/3 by name': { kind: 'version-not-supported', request: 'GET / HTTP/3.0\r\nHost: gw.test\r\n\r\n' },
  'a limit': {
    kind: 'rate-limited',
    request: bytes('GET /x'),
    world: {
      route: { limits: ['none-without'] },
      config: { limits: { 'none-without': { key: 'header.x-key', onMissingKey: 'deny', window: '5/1h' } } },
    },
    expected: { detail: /^Limit "none-without" needs header x-key, and the request has none\.$/ },
  },
  'an endpoint that closes': {
    kind: 'upstream-closed',
    request: post('Content-Length: 5', 'hello'),
    world: { origins: [(_, connection) => connection.end()] },
  },
  'an endpoint that resets': {
    kind: 'upstream-closed',
    request: post('Content-Length: 5', 'hello'),
    world: { origins: [(_, connection) => connection.reset()] },
  },
  'an endpoint that closes inside its head': {
    kind: 'upstream-closed',
    request: post('Content-Length: 5', 'hello'),
    world: { origins: [(_, connection) => connection.truncate(reply(200, [], 'ok'), 20)] },
  },
  'an endpoint that does not speak HTTP': { kind: 'upstream-protocol', request: bytes('GET /x'), world: GARBAGE },
  'an endpoint whose length is ambiguous': {
    kind: 'upstream-protocol',
    request: bytes('GET /x'),
    world: {
      ...GARBAGE,
      origins: [
        (_, connection) => connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy'),
      ],
    },
  },
  'an endpoint that switches protocols unasked': {
    kind: 'upstream-protocol',
    request: bytes('GET /x'),
    world: {
      ...GARBAGE,
      origins: [
        (_, connection) => connection.send('HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
      ],
    },
  },
  'an endpoint that takes too long': {
    kind: 'response-timeout',
    request: bytes('GET /x'),
    world: { origins: [silence], route: { name: 'orders', timeout: '60ms', retry: false } },
    expected: { detail: /^route "orders": no response head within 60ms \(routes\[1\]\.timeout\)$/ },
  },
};

/** Asks for a request behind, on the same connection, and holds what becomes of it against `closes`. */
async function assertConnection(client: RawClient, isClosing: boolean): Promise<void> {
  const response = client.responses[0] as Message;
  assert.deepEqual(all(response, 'connection'), isClosing ? ['close'] : []);
  if (isClosing) {
    await client.untilEnded();
    assert.equal(client.malformed, undefined);
    assert.equal(client.responses.length, 1);
    return;
  }
  client.send(bytes('GET /own'));
  assert.equal((await client.response(2)).text(), 'own');
}

const NOTHING_BEHIND = new Set(['a head that does not come', 'a body that does not come']);

suite('an answer of the gateway’s own', { concurrency: 8 }, () => {
  for (const [name, { kind, request, world: options, expected, closes }] of Object.entries(CASES)) {
    test(`${name}: ${KINDS[kind].status} ${KINDS[kind].reason}`, async (t) => {
      const { status, reason } = KINDS[kind];
      const isClosing = closes ?? CLOSING.has(status);
      const world = await World.start(t, { ...options, routes: [OWN] });
      const client = await world.client({ methodOf: (n) => (n === 0 ? (request.split(' ')[0] as string) : 'GET') });
      // Behind a request that ends its connection there may already be another: nobody answers it.
      client.send(request + (isClosing && !NOTHING_BEHIND.has(name) ? bytes('GET /behind') : ''));
      assertProblem(await client.response(), { ...KINDS[kind], ...expected });
      await assertConnection(client, isClosing);
      const line = await world.logged();
      assert.deepEqual([line.status, line.reason], [status, reason]);
      assert.equal(line.id, client.responses[0]?.get('x-request-id'));
      assert.equal(line.reasonDetail, JSON.parse(client.responses[0]?.text() ?? '').detail);
      assert.equal(await world.metric('headgate_http_requests_total', `reason="${reason}"`), 1);
      const targets = world.origin.heads.map(({ message }) => message.target);
      assert.ok(!targets.includes('/behind'), 'the request behind was forwarded');
      await world.untilIdle();
    });
  }

  test('is described for every kind of failure', () => {
    const raised = [...Object.keys(KINDS), ...ELSEWHERE].sort();
    assert.deepEqual(raised, Object.keys(FAILURES).sort());
  });

  test('of HEAD has no body, and its length', async (t) => {
    const world = await World.start(t, { routes: [OWN], route: { match: { path: '/never' } } });
    const client = await world.client({ methodOf: () => 'HEAD' });
    client.send(bytes('HEAD /x') + bytes('HEAD /own'));
    const response = await client.response();
    assert.deepEqual([response.status, response.text()], [404, '']);
    assert.ok(Number(response.get('content-length')) > 100);
    await client.response(2);
  });

  test('carries the fields that its route sets, and not those that it removes', async (t) => {
    const headers = { response: { set: { 'X-Set': '1', 'cache-control': 'private' }, remove: ['Proxy-Status'] } };
    const world = await World.start(t, { route: { headers }, endpoints: [await closedEndpoint()], origins: [] });
    const response = await world.ask('GET /x');
    assert.equal(response.status, 502);
    assert.deepEqual(all(response, 'cache-control'), ['private']);
    assert.deepEqual([response.get('x-set'), response.get('proxy-status')], ['1', undefined]);
  });
});

async function closedEndpoint(): Promise<string> {
  return `http://127.0.0.1:${await freePort()}`;
}

/** One answer, and the connection that goes on behind it. */
async function raise(world: World, request: string, expected: Expected): Promise<Message> {
  const client = await world.client();
  client.send(request);
  const response = await client.response();
  assertProblem(response, expected);
  await assertConnection(client, false);
  const line = world.log.find(({ path }) => path === '/x');
  assert.deepEqual([line?.status, line?.reason], [expected.status, expected.reason]);
  return response;
}

suite('an endpoint that cannot be reached', { concurrency: true }, () => {
  test('refuses: 502 UF, and no address of the inside is told', async (t) => {
    const url = await closedEndpoint();
    const world = await World.start(t, { routes: [OWN], origins: [], endpoints: [url] });
    const response = await raise(world, bytes('GET /x'), KINDS['connect-failed']);
    assert.ok(!response.text().includes(new URL(url).port));
    await world.untilIdle();
  });

  test('does not answer: 504 UF', async (t) => {
    const hole = await BlackHole.open();
    t.after(() => hole.close());
    const world = await World.start(t, {
      routes: [OWN],
      origins: [],
      endpoints: [`http://127.0.0.1:${hole.port}`],
      upstream: { timeouts: { connect: '60ms' } },
    });
    await raise(world, bytes('GET /x'), KINDS['connect-timeout']);
    await world.untilIdle();
  });

  test('has all the connections it may have: 503 UO once the wait for one is over', async (t) => {
    const world = await World.start(t, {
      routes: [OWN],
      origins: [silence],
      upstream: { maxConnections: 1, timeouts: { connect: '60ms' } },
    });
    const first = await world.client();
    first.send(bytes('GET /first'));
    await world.origin.request();
    await raise(world, bytes('GET /x'), { ...KINDS.overloaded, retryAfter: '1' });
    assert.equal(world.origin.heads.length, 1);
    first.destroy();
    await world.untilIdle();
  });

  test('does not exist: 503 UH', async (t) => {
    const parsed = parseConfig(
      {
        listeners: [{ address: '127.0.0.1:0' }],
        admin: { address: '127.0.0.1:0' },
        log: { level: 'error', access: false },
        upstreams: { origin: { endpoints: ['http://127.0.0.1:1'] } },
        routes: [OWN, { upstream: 'origin' }],
      },
      {},
    );
    assert.ok(parsed.ok);
    // No file may say so, but a discovery that finds nothing will.
    const upstreams = { origin: { ...parsed.config.upstreams.origin, endpoints: [] } };
    const config = { ...parsed, config: { ...parsed.config, upstreams } } as unknown as HeadgateConfig;
    const world = await World.start(t, { config });
    await raise(world, bytes('GET /x'), { ...KINDS['no-endpoint'], retryAfter: '1' });
    await world.untilIdle();
  });
});

test('a store that fails, with onStoreFailure: deny: 503 RLSE, and nobody else is refused', async (t) => {
  const world = await World.start(t, {
    routes: [OWN],
    route: { limits: ['strict'] },
    config: {
      store: { url: `redis://127.0.0.1:${await freePort()}` },
      limits: { strict: { window: '5/1h', onStoreFailure: 'deny' } },
    },
    overrides: { log: { debug() {}, info() {}, warn() {}, error() {} } },
  });
  const expected = { ...KINDS['store-failed'], retryAfter: '1' };
  const response = await raise(world, bytes('GET /x'), expected);
  assert.equal(response.get('ratelimit'), undefined);
  assert.equal(world.origin.heads.length, 0);
  await world.untilIdle();
});

test('a bug: 500 IE, logged with its stack', async (t) => {
  const errors: [string, Record<string, unknown> | undefined][] = [];
  const world = await World.start(t, {
    routes: [OWN],
    overrides: {
      log: { debug() {}, info() {}, warn() {}, error: (message, fields) => void errors.push([message, fields]) },
      transport: {
        connect() {
          throw new RangeError('secret of the inside');
        },
      },
    },
  });
  const response = await raise(world, bytes('GET /x'), KINDS.internal);
  assert.ok(!response.text().includes('secret'));
  assert.equal(errors.length, 1);
  const [, fields] = errors[0] as [string, Record<string, unknown>];
  assert.equal(fields.id, response.get('x-request-id'));
  assert.match(String(fields.stack), /RangeError: secret of the inside\n.*failures\.test\.ts/);
  assert.equal(await world.metric('headgate_http_requests_total', 'reason="IE"'), 1);
});

test('a client that goes away: 499 DC, in the log only', async (t) => {
  const world = await World.start(t, { origins: [silence] });
  const client = await world.client();
  client.send(bytes('GET /x'));
  const { connection } = await world.origin.request();
  client.abort();
  const line = await world.logged();
  assert.deepEqual([line.status, line.reason, line.bytesOut], [499, 'DC', 0]);
  assert.equal(line.reasonDetail, 'The client closed the connection.');
  await world.origin.untilClosed(connection);
  assert.equal(await world.metric('headgate_http_requests_total', 'status="499"'), 1);
  await world.untilIdle();
});

test('a connection that never sends a byte is closed without an answer', async (t) => {
  const world = await World.start(t, { listener: { timeouts: { headers: '60ms' } } });
  const client = await world.client();
  await client.untilEnded();
  assert.equal(client.bytesReceived, 0);
  assert.equal(world.log.length, 0);
});

const TWO_LIMITS: HeadgateConfig['limits'] = {
  'per-client': { key: 'client.ip', rate: '20/1m', burst: 20 },
  'per-key': { key: 'header.x-api-key', window: '1000/1h' },
};

function limited(t: TestContext, limits: HeadgateConfig['limits'], more: WorldOptions = {}): Promise<World> {
  const names = Object.keys(limits ?? {});
  return World.start(t, {
    routes: [{ name: 'limited', match: { path: '/x' }, limits: names, respond: { body: 'ok' } }, OWN],
    ...more,
    config: { ...more.config, ...(limits === undefined ? {} : { limits }) },
    overrides: { clock: new FakeClock() },
  });
}

suite('429', { concurrency: true }, () => {
  test('as the specification shows it', async (t) => {
    const world = await limited(t, TWO_LIMITS);
    const client = await world.client();
    for (let n = 1; n <= 20; n++) {
      client.send(bytes('GET /x', ['X-API-Key: k']));
      assert.equal((await client.response(n)).status, 200);
    }
    const admitted = client.responses[0] as Message;
    assert.deepEqual(all(admitted, 'ratelimit-policy'), ['"per-client";q=20;w=60, "per-key";q=1000;w=3600']);
    assert.deepEqual(all(admitted, 'ratelimit'), ['"per-client";r=19;t=3']);
    client.send(bytes('GET /x', ['X-API-Key: k']));
    const refused = await client.response(21);
    assert.ok(client.received.includes('HTTP/1.1 429 Too Many Requests\r\n'));
    assertProblem(refused, {
      ...KINDS['rate-limited'],
      retryAfter: '3',
      detail: /^Limit "per-client" allows 20 requests per 60 s\. Retry in 3 s\.$/,
    });
    assert.deepEqual(JSON.parse(refused.text())['violated-policies'], ['per-client']);
    assert.deepEqual(all(refused, 'ratelimit-policy'), ['"per-client";q=20;w=60, "per-key";q=1000;w=3600']);
    assert.deepEqual(all(refused, 'ratelimit'), ['"per-client";r=0;t=3']);
    await assertRefusedOnly(client, 22);
    const line = world.log[20];
    assert.deepEqual([line?.status, line?.reason, line?.retryAfterMs], [429, 'RL', 3000]);
  });

  test('names every limit that was violated, and waits for the slowest', async (t) => {
    const world = await limited(t, {
      first: { key: 'client.ip', window: '2/1m' },
      second: { key: 'header.x-api-key', window: '2/1h' },
      third: { window: '100/1h' },
    });
    const client = await world.client();
    for (let n = 1; n <= 3; n++) client.send(bytes('GET /x', ['X-API-Key: k']));
    const refused = await client.response(3);
    assertProblem(refused, {
      ...KINDS['rate-limited'],
      retryAfter: '3600',
      detail: /^Limit "second" allows 2 requests per 3600 s\./,
    });
    assert.deepEqual(JSON.parse(refused.text())['violated-policies'], ['first', 'second']);
    assert.deepEqual(all(refused, 'ratelimit'), ['"first";r=0;t=60, "second";r=0;t=3600']);
    const policies = '"first";q=2;w=60, "second";q=2;w=3600, "third";q=100;w=3600';
    assert.deepEqual(all(refused, 'ratelimit-policy'), [policies]);
    // All or none: the refused request cost the third limit nothing.
    client.send(bytes('GET /x', ['X-API-Key: other']));
    const other = await client.response(4);
    assert.deepEqual(all(other, 'ratelimit'), ['"first";r=0;t=60']);
    assert.deepEqual(
      world.log.at(-1)?.limits?.map(({ name, ok, remaining }) => [name, ok, remaining]),
      [
        ['first', false, 0],
        ['second', true, 2],
        ['third', true, 98],
      ],
    );
  });

  test('of a request that matches no route, by defaults.limits; below them it is 404', async (t) => {
    const world = await limited(
      t,
      { few: { key: 'client.ip', window: '2/1h' } },
      {
        config: { defaults: { limits: ['few'] }, upstreams: {}, routes: [{ ...OWN, limits: [] }] },
      },
    );
    const client = await world.client();
    client.send(bytes('GET /nowhere').repeat(3));
    const refused = await client.response(3);
    assert.deepEqual(
      client.responses.map(({ status }) => status),
      [404, 404, 429],
    );
    const [unknown] = client.responses as [Message];
    assertProblem(unknown, { ...KINDS['no-route'], detail: /^No route matches GET \/nowhere\.$/ });
    assert.deepEqual(all(unknown, 'ratelimit'), ['"few";r=1;t=3600']);
    assertProblem(refused, { ...KINDS['rate-limited'], retryAfter: '3600', detail: /^Limit "few"/ });
    client.send(bytes('GET /own'));
    assert.equal((await client.response(4)).status, 200);
    assert.deepEqual(
      world.log.map(({ routeName, reason }) => [routeName, reason]),
      [
        ['', 'NR'],
        ['', 'NR'],
        ['', 'RL'],
        ['own', undefined],
      ],
    );
  });
});

/** The connection goes on behind a 429. */
async function assertRefusedOnly(client: RawClient, n: number): Promise<void> {
  assert.equal(client.responses[n - 2]?.get('connection'), undefined);
  client.send(bytes('GET /own'));
  assert.equal((await client.response(n)).text(), 'own');
}
