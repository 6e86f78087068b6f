import assert from 'node:assert/strict';
import { test } from 'node:test';
import { model, rate, setUp, subject, window } from '../../../test/kit/limits.ts';
import { createGateway } from '../../gateway.ts';
import { ListFields } from '../../http/fields.ts';
import type { ReplyHead } from '../../http/head.ts';
import { responseHeadText } from '../../http/http1/writer.ts';
import type { Reply } from '../../http/problem.ts';
import type { HeaderMode } from '../../limits/limit-answer.ts';
import type { LimitModel } from '../../limits/limit-model.ts';
import type { Exchange } from '../../proxy/exchange.ts';
import { limitsMiddleware } from './limits.ts';

type Lines = [name: string, value: string][];

/** One route with limits, and requests through its hooks: what they answer, and the head that leaves. */
function routeWith(models: LimitModel[], headers: HeaderMode = 'standard', far = false) {
  const { limiter, clock, store } = setUp(far);
  const { request, response } = limitsMiddleware(limiter, limiter.compile(models, 'orders'), headers);
  const begin = async () => {
    const exchange = { ...subject(), id: 'the-id', verdict: undefined } as Partial<Exchange> as Exchange;
    const reply = await request!(exchange);
    return { exchange, reply };
  };
  /** The rate-limit lines of the head as it leaves, beside what the endpoint sent. */
  const respond = (exchange: Exchange, upstream: Lines = [], drop?: ReadonlySet<string>) => {
    const fields = new ListFields([...upstream, ['Server', 'origin']]);
    const head: ReplyHead = { status: 200, reasonPhrase: 'OK', bodyLength: 0, fields, dropCodes: 0, drop, ...extras() };
    assert.equal(response!(exchange, head), undefined);
    return rateLimitLines(responseHeadText(200, 'OK', head, { kind: 'length', length: 0 }, ''));
  };
  const serve = async (upstream?: Lines, drop?: ReadonlySet<string>) =>
    respond((await begin()).exchange, upstream, drop);
  return { begin, respond, serve, clock, store };
}

const extras = () => ({ shared: undefined, requestId: '', varying: undefined, extra: undefined });

function rateLimitLines(head: string): string[] {
  return head.split('\r\n').filter((line) => /ratelimit/i.test(line));
}

function bodyOf(reply: Reply | undefined): Record<string, unknown> {
  return JSON.parse(reply!.body);
}

const perClient = model('per-client', rate(20, 60_000_000));
const OURS = ['RateLimit-Policy: "per-client";q=20;w=60', 'RateLimit: "per-client";r=19;t=3'];

test('admitted: the request goes on, and the answer says what is left', async () => {
  const { begin, respond } = routeWith([perClient]);
  const { exchange, reply } = await begin();
  assert.equal(reply, undefined);
  assert.equal(exchange.verdict?.admitted, true);
  assert.equal(exchange.reason, undefined);
  assert.deepEqual(respond(exchange), OURS);
});

test('refused: a 429 that explains itself, and the exchange knows why', async () => {
  const { begin, respond } = routeWith([model('tight', window(1)), perClient]);
  await begin();
  const { exchange, reply } = await begin();
  assert.equal(reply?.status, 429);
  assert.equal(reply.fields[reply.fields.indexOf('Retry-After') + 1], '3600');
  assert.deepEqual(bodyOf(reply), {
    type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
    title: 'Quota exceeded',
    status: 429,
    reason: 'RL',
    detail: 'Limit "tight" allows 1 request per 3600 s. Retry in 3600 s.',
    instance: '/requests/the-id',
    'violated-policies': ['tight'],
  });
  assert.equal(exchange.reason, 'RL');
  assert.equal(exchange.reasonDetail, bodyOf(reply).detail);
  assert.equal(exchange.retryAfterMs, 3_600_000);
  assert.deepEqual(respond(exchange), [
    'RateLimit-Policy: "tight";q=1;w=3600, "per-client";q=20;w=60',
    'RateLimit: "tight";r=0;t=3600',
  ]);
});

test('a decision that is awaited is judged the same', async () => {
  const { begin, respond } = routeWith([model('tight', window(1))], 'standard', true);
  const first = await begin();
  assert.equal(first.reply, undefined);
  assert.deepEqual(respond(first.exchange)[1], 'RateLimit: "tight";r=0;t=3600');
  assert.equal((await begin()).reply?.status, 429);
});

test('the store failed and the limit denies then: 503 with Retry-After, without numbers', async () => {
  const { begin, respond, store } = routeWith([model('a', window(5), { onStoreFailure: 'deny' })], 'both', true);
  store.fails = true;
  const { exchange, reply } = await begin();
  assert.equal(reply?.status, 503);
  assert.equal(reply.fields[reply.fields.indexOf('Retry-After') + 1], '1');
  assert.equal(bodyOf(reply).reason, 'RLSE');
  assert.equal('violated-policies' in bodyOf(reply), false);
  assert.deepEqual([exchange.reason, exchange.retryAfterMs], ['RLSE', 1000]);
  assert.deepEqual(respond(exchange), ['RateLimit-Policy: "a";q=5;w=3600', 'X-RateLimit-Mode: local']);
});

test('the store failed and the limit goes on locally: the answer says so, an upstream\u2019s own word stands', async () => {
  const { begin, respond, serve, store } = routeWith([model('a', window(5))], 'standard', true);
  store.available = false;
  const { exchange, reply } = await begin();
  assert.equal(reply, undefined);
  assert.deepEqual(respond(exchange), [
    'RateLimit-Policy: "a";q=5;w=3600',
    'RateLimit: "a";r=4;t=3600',
    'X-RateLimit-Mode: local',
  ]);
  const lines = await serve([['X-RateLimit-Mode', 'theirs']]);
  assert.deepEqual(
    lines.filter((line) => /mode/i.test(line)),
    ['x-ratelimit-mode: theirs'],
  );
});

test('beside an upstream\u2019s own lists ours are appended, under another name where theirs has it', async () => {
  const { serve } = routeWith([perClient]);
  assert.deepEqual(
    await serve([
      ['RateLimit-Policy', '"other";q=9'],
      ['RateLimit', '"other";r=1'],
      ['RateLimit', '"more";r=7'],
    ]),
    [
      'RateLimit-Policy: "other";q=9, "per-client";q=20;w=60',
      'RateLimit: "other";r=1, "more";r=7, "per-client";r=19;t=3',
    ],
  );
  assert.deepEqual(await serve([['RateLimit', '"per-client";r=1']]), [
    'RateLimit-Policy: "headgate/per-client";q=20;w=60',
    'RateLimit: "per-client";r=1, "headgate/per-client";r=18;t=3',
  ]);
});

test('an upstream\u2019s fields that are no such lists pass as they came, and ours are left out', async () => {
  const { serve } = routeWith([perClient]);
  const old: Lines = [
    ['RateLimit', 'limit=100, remaining=7, reset=30'],
    ['RateLimit', 'limit=5'],
  ];
  assert.deepEqual(await serve(old), ['ratelimit: limit=100, remaining=7, reset=30', 'ratelimit: limit=5']);
});

test('fields of an upstream that the route removes are not there to be merged with', async () => {
  const { serve } = routeWith([perClient], 'both');
  const upstream: Lines = [
    ['RateLimit', '"other";r=1'],
    ['X-RateLimit-Limit', '7'],
  ];
  const lines = await serve(upstream, new Set(['ratelimit', 'x-ratelimit-limit']));
  assert.deepEqual(lines.slice(0, 3), [...OURS, 'X-RateLimit-Limit: 20']);
});

const LEGACY = ['X-RateLimit-Limit: 20', 'X-RateLimit-Remaining: 19', 'X-RateLimit-Reset: 3'];

test('legacy, both and false', async () => {
  assert.deepEqual(await routeWith([perClient], 'legacy').serve(), LEGACY);
  assert.deepEqual(await routeWith([perClient], 'both').serve(), [...OURS, ...LEGACY]);
  assert.deepEqual(await routeWith([perClient], false).serve(), []);
});

test('an upstream\u2019s own legacy fields stand alone: one of ours beside them would speak of another limit', async () => {
  const all: Lines = [
    ['X-RateLimit-Limit', '7'],
    ['X-RateLimit-Remaining', '6'],
    ['X-RateLimit-Reset', '5'],
  ];
  const kept = all.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
  for (const mode of ['legacy', 'both'] as const) {
    const ours = mode === 'both' ? OURS : [];
    assert.deepEqual((await routeWith([perClient], mode).serve(all)).sort(), [...kept, ...ours].sort());
    for (const one of all) {
      const lines = await routeWith([perClient], mode).serve([one]);
      assert.deepEqual(lines.sort(), [`${one[0].toLowerCase()}: ${one[1]}`, ...ours].sort());
    }
  }
  assert.deepEqual(await routeWith([perClient], false).serve(all), kept);
});

test('legacy leaves an upstream\u2019s RateLimit alone', async () => {
  assert.deepEqual(await routeWith([perClient], 'legacy').serve([['RateLimit', '"other";r=1']]), [
    'ratelimit: "other";r=1',
    ...LEGACY,
  ]);
});

test('nothing decided, nothing said: a request that no limit holds for, and one that ended before', async () => {
  const except = { ip: ['0.0.0.0/0'], path: [], methods: [] };
  const { serve, respond } = routeWith([model('a', window(1), { except })], 'both');
  assert.deepEqual(await serve(), []);
  assert.deepEqual(respond({ verdict: undefined } as Exchange), []);
});

test('through a gateway: ten pass, the eleventh is refused', async () => {
  const gateway = createGateway(
    {
      limits: { 'per-client': { key: 'client.ip', window: '10/1h' } },
      routes: [{ limits: ['per-client'], respond: { status: 200, body: 'hello' } }],
      admin: false,
    },
    { log: { debug() {}, info() {}, warn() {}, error() {} }, accessLog: () => undefined },
  );
  try {
    const answers = [];
    for (let request = 0; request < 11; request++) answers.push(await gateway.inject({ url: '/' }));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [...Array<number>(10).fill(200), 429],
    );
    assert.equal(answers[0]!.headers.ratelimit, '"per-client";r=9;t=3600');
    assert.equal(answers[10]!.headers['retry-after'], '3600');
    assert.equal(
      JSON.parse(answers[10]!.body.toString()).instance,
      `/requests/${answers[10]!.headers['x-request-id']}`,
    );
  } finally {
    await gateway.stop({ delayMs: 0, graceMs: 0 });
  }
});
