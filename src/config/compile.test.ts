import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PRIVATE_BLOCKS } from './addresses.ts';
import { compileConfig } from './compile.ts';
import { restartFields } from './diff.ts';
import { effectiveConfig } from './effective.ts';
import { formatIssue } from './issue.ts';
import { loadConfigText, parseConfig } from './load.ts';
import type { HeadgateConfig } from './schema.ts';
import type { SnapshotModel } from './snapshot.ts';

function compile(input: HeadgateConfig): SnapshotModel {
  const result = parseConfig(input);
  assert.deepEqual(result.ok ? [] : result.errors.map(formatIssue), []);
  assert.ok(result.ok);
  return compileConfig(result.config);
}

test('an empty configuration is the defaults of the page', () => {
  const { hash, ...model } = compile({});
  assert.match(hash, /^[0-9a-f]{12}$/);
  assert.deepEqual(model, {
    listeners: [
      {
        address: { kind: 'tcp', host: '127.0.0.1', port: 8080 },
        label: '127.0.0.1:8080',
        place: 'listeners[0]',
        tls: undefined,
        proxyProtocol: false,
        trustedProxies: [],
        trustedHops: undefined,
        headersTimeoutMs: 10_000,
        idleTimeoutMs: 75_000,
        bodyTimeoutMs: 60_000,
        minBodyRate: 100,
        maxHeaderBytes: 32_768,
        maxHeaders: 100,
        maxConnections: undefined,
      },
    ],
    store: { kind: 'memory' },
    limits: new Map(),
    upstreams: new Map(),
    routes: [],
    defaultLimits: [],
    rateLimitHeaders: 'standard',
    secret: undefined,
    admin: {
      address: { kind: 'tcp', host: '127.0.0.1', port: 9901 },
      label: '127.0.0.1:9901',
      tokens: [],
      allowedHosts: [],
    },
    log: { level: 'info', access: 'json' },
    workers: 1,
    shutdown: { delayMs: 5000, graceMs: 20_000 },
  });
});

test('the defaults of a limit, an upstream and a route', () => {
  const model = compile({
    limits: { a: { window: '100/1m' } },
    upstreams: { u: { endpoints: ['http://10.0.0.1:9000'], healthCheck: {} } },
    routes: [{ upstream: 'u', limits: ['a'] }],
  });
  assert.deepEqual(model.limits.get('a'), {
    name: 'a',
    spec: { kind: 'window', limit: 100, windowUs: 60_000_000 },
    key: [],
    ipv6Prefix: 64,
    onMissingKey: 'ip',
    scope: 'global',
    except: undefined,
    cost: 1,
    shadow: false,
    onStoreFailure: 'local',
  });
  assert.deepEqual(model.upstreams.get('u'), {
    name: 'u',
    endpoints: [
      {
        name: '10.0.0.1:9000',
        address: { kind: 'tcp', host: '10.0.0.1', port: 9000, authority: '10.0.0.1:9000' },
        weight: 1,
      },
    ],
    host: { kind: 'keep' },
    balance: 'adaptive',
    healthCheck: {
      type: 'http',
      path: '/healthz',
      intervalMs: 5000,
      timeoutMs: 2000,
      fall: 3,
      rise: 2,
      status: [[200, 399]],
      port: undefined,
      host: undefined,
      headers: {},
    },
    outlierDetection: {
      consecutiveFailures: 5,
      on: new Set(['connect', 'reset', 'timeout', 502, 503, 504]),
      baseEjectionMs: 5000,
      maxEjectionMs: 300_000,
      maxEjected: 0.5,
    },
    connectTimeoutMs: 1000,
    idleTimeoutMs: 4000,
    maxConnections: 256,
  });
  const [route] = model.routes;
  assert.deepEqual(route, {
    name: 'routes[0]',
    place: 'routes[0]',
    match: { hosts: [], paths: [], methods: [], headers: [], query: [] },
    action: { kind: 'upstream', upstream: 'u' },
    limits: [model.limits.get('a')],
    responseTimeoutMs: 60_000,
    responseTimeoutPlace: 'routes[0].timeout',
    streamTimeoutMs: 300_000,
    streamTimeoutPlace: 'routes[0].timeout.stream',
    retry: {
      attempts: 2,
      perTryMs: undefined,
      budget: 0.1,
      on: new Set(['connect', 'refused', 'reset', 502, 503, 504]),
    },
    stripPrefix: undefined,
    rewrite: undefined,
    requestHeaders: undefined,
    responseHeaders: undefined,
    bodyLimitBytes: 104_857_600,
  });
  assert.equal(route?.limits[0], model.limits.get('a'), 'one model for each limit');
});

describe('written forms', () => {
  test('limits', () => {
    const { limits } = compile({
      limits: {
        rate: { rate: '50/s', key: ['header.X-Key', 'path.Id', 'client.ip'], mode: 'shadow', scope: 'route', cost: 3 },
        burst: { rate: '20/minute', burst: 5, onStoreFailure: 'deny', onMissingKey: 'skip', ipv6Prefix: 56 },
        quota: {
          quota: '10000/month',
          timezone: 'Europe/Berlin',
          except: { ip: ['private', '1.2.3.4'], path: ['/h'] },
        },
      },
    });
    const rate = limits.get('rate')!;
    assert.deepEqual(rate.spec, { kind: 'rate', count: 50, periodUs: 1_000_000, burst: 50 });
    assert.deepEqual(rate.key, [
      { source: 'header', name: 'x-key' },
      { source: 'path', name: 'Id' },
      { source: 'client.ip' },
    ]);
    assert.deepEqual([rate.shadow, rate.scope, rate.cost], [true, 'route', 3]);
    assert.deepEqual(limits.get('burst')?.spec, { kind: 'rate', count: 20, periodUs: 60_000_000, burst: 5 });
    const quota = limits.get('quota')!;
    assert.deepEqual(quota.spec, { kind: 'quota', limit: 10_000, period: 'month', timezone: 'Europe/Berlin' });
    assert.deepEqual(quota.except, { ip: [...PRIVATE_BLOCKS, '1.2.3.4/32'], path: ['/h'], methods: [] });
  });

  test('routes', () => {
    const { routes } = compile({
      routes: [
        {
          name: 'a',
          match: {
            host: ['API.test', '*.test'],
            path: '/a/*',
            methods: ['GET'],
            headers: { 'X-V': 2, Flag: true, p: '/^x$/i' },
            query: { Q: 'v' },
          },
          upstream: 'http://H:80',
          timeout: { response: '5s', stream: false },
          retry: { attempts: 3, perTry: '1s', budget: '20%', on: ['connect'] },
          stripPrefix: '/a',
          rewrite: { host: 'inner.test' },
          headers: { request: { set: { 'X-A': 1 }, add: { b: ['1', '2'] }, remove: ['Cookie'] }, response: {} },
          bodyLimit: false,
        },
        { respond: { body: 'hi', headers: { 'Content-Type': 'text/plain' } } },
        { redirect: { to: '/x' }, timeout: false, retry: false },
      ],
    });
    const [a, b, c] = routes;
    assert.deepEqual(a?.match, {
      hosts: ['api.test', '*.test'],
      paths: ['/a/*'],
      methods: ['GET'],
      headers: [
        { name: 'x-v', match: { kind: 'equals', value: '2' } },
        { name: 'flag', match: { kind: 'present' } },
        { name: 'p', match: { kind: 'pattern', pattern: /^x$/i } },
      ],
      query: [{ name: 'Q', match: { kind: 'equals', value: 'v' } }],
    });
    assert.deepEqual([a?.responseTimeoutMs, a?.responseTimeoutPlace], [5000, 'routes[0].timeout.response']);
    assert.deepEqual([a?.streamTimeoutMs, a?.streamTimeoutPlace], [undefined, 'routes[0].timeout.stream']);
    assert.deepEqual(a?.retry, { attempts: 3, perTryMs: 1000, budget: 0.2, on: new Set(['connect']) });
    assert.deepEqual(a?.requestHeaders, {
      set: [['x-a', '1']],
      add: [
        ['b', '1'],
        ['b', '2'],
      ],
      remove: ['cookie'],
    });
    assert.equal(a?.responseHeaders, undefined);
    assert.deepEqual(
      [a?.stripPrefix, a?.rewrite, a?.bodyLimitBytes],
      ['/a', { path: undefined, host: 'inner.test' }, undefined],
    );
    assert.deepEqual(b?.action, {
      kind: 'respond',
      status: 200,
      headers: [['content-type', 'text/plain']],
      body: 'hi',
    });
    assert.deepEqual(c?.action, { kind: 'redirect', to: '/x', status: 308 });
    assert.deepEqual([c?.responseTimeoutMs, c?.streamTimeoutMs, c?.retry], [undefined, undefined, undefined]);
  });

  test('a URL in a route is an upstream of its own, shared by routes with the same URL', () => {
    const model = compile({
      routes: [{ upstream: 'http://H:80/' }, { upstream: 'http://h' }, { upstream: 'unix:/s' }],
    });
    assert.deepEqual([...model.upstreams.keys()], ['http://h:80', 'unix:/s']);
    assert.deepEqual(
      model.routes.map(({ action }) => action.kind === 'upstream' && action.upstream),
      ['http://h:80', 'http://h:80', 'unix:/s'],
    );
    assert.equal(model.upstreams.get('http://h:80')?.outlierDetection?.consecutiveFailures, 5);
  });
});

test('a route’s own replace the defaults', () => {
  const { routes, defaultLimits } = compile({
    limits: { a: { window: '1/s' }, b: { window: '1/s' } },
    defaults: {
      limits: ['a'],
      timeout: { response: '1s', stream: '2s' },
      retry: false,
      headers: { request: { set: { x: '1' } } },
    },
    routes: [
      { upstream: 'http://u' },
      { upstream: 'http://u', limits: ['b'], timeout: '3s', retry: {}, headers: { response: { remove: ['server'] } } },
      { upstream: 'http://u', limits: [] },
    ],
  });
  const [plain, own, none] = routes;
  assert.deepEqual(
    plain?.limits.map(({ name }) => name),
    ['a'],
  );
  assert.deepEqual([plain?.responseTimeoutMs, plain?.responseTimeoutPlace], [1000, 'defaults.timeout.response']);
  assert.deepEqual([plain?.streamTimeoutMs, plain?.streamTimeoutPlace], [2000, 'defaults.timeout.stream']);
  assert.equal(plain?.retry, undefined);
  assert.deepEqual(plain?.requestHeaders?.set, [['x', '1']]);
  assert.deepEqual(
    own?.limits.map(({ name }) => name),
    ['b'],
  );
  assert.deepEqual([own?.responseTimeoutMs, own?.responseTimeoutPlace], [3000, 'routes[1].timeout']);
  assert.deepEqual([own?.streamTimeoutMs, own?.retry?.attempts], [300_000, 2]);
  assert.deepEqual([own?.requestHeaders, own?.responseHeaders?.remove], [undefined, ['server']]);
  assert.deepEqual(none?.limits, []);
  assert.deepEqual(
    defaultLimits.map(({ name }) => name),
    ['a'],
  );
});

test('the model is frozen', () => {
  const model = compile({ upstreams: { u: { endpoints: ['http://a'] } }, routes: [{ upstream: 'u' }] });
  assert.throws(() => Object.assign(model, { hash: '' }), TypeError);
  assert.throws(() => Object.assign(model.routes[0]!, { name: '' }), TypeError);
  assert.throws(() => Object.assign(model.upstreams.get('u')!.endpoints[0]!.address, { port: 1 }), TypeError);
});

test('the hash is of what is in force, not of how it is written', () => {
  const hashOf = (text: string) => {
    const result = loadConfigText(text, 'headgate.yaml');
    assert.ok(result.ok);
    return compileConfig(result.config).hash;
  };
  const written = hashOf('limits: { a: { rate: 5/s } }\nlog: { level: info }');
  assert.equal(hashOf('log:\n  level: info\nlimits:\n  a:\n    burst: 5\n    rate: 5/s\nstore: memory'), written);
  assert.notEqual(hashOf('limits: { a: { rate: 6/s } }'), written);
});

test('the configuration in force, written down, is the same configuration', () => {
  const result = parseConfig({
    limits: { a: { rate: '5/s' }, b: { quota: '5/day' } },
    defaults: { limits: ['a'], timeout: '5s', headers: { request: { set: { x: '1' } } } },
    routes: [{ upstream: 'http://a' }, { upstream: 'http://a', retry: false, match: { path: '/x' } }],
  });
  assert.ok(result.ok);
  const effective = effectiveConfig(result.config);
  assert.deepEqual(effective.routes[0]?.timeout, { response: '5s', stream: '5m' });
  assert.deepEqual([effective.limits.a?.burst, effective.limits.b?.timezone], [5, 'UTC']);
  const again = parseConfig(JSON.parse(JSON.stringify(effective)));
  assert.ok(again.ok);
  assert.deepEqual(effectiveConfig(again.config), effective);
});

test('fields that want a restart are named', () => {
  const base: HeadgateConfig = { listeners: [{ address: ':1' }, { address: ':2' }], store: 'redis://a' };
  const differ = (next: HeadgateConfig) => restartFields(compile(base), compile({ ...base, ...next }));
  assert.deepEqual(differ({}), []);
  assert.deepEqual(differ({ listeners: [{ address: ':2' }, { address: ':1', trustedProxies: 'private' }] }), []);
  assert.deepEqual(differ({ routes: [{ respond: {} }], limits: { a: { window: '1/s' } }, log: { level: 'warn' } }), []);
  assert.deepEqual(differ({ listeners: [{ address: ':1' }, { address: ':3' }] }), ['listeners[1].address']);
  assert.deepEqual(differ({ listeners: [{ address: ':1' }] }), ['listeners']);
  assert.deepEqual(differ({ listeners: [{ address: ':1' }, { address: ':2' }, { address: ':3' }] }), [
    'listeners[2].address',
  ]);
  assert.deepEqual(differ({ store: { url: 'redis://a', timeout: '30ms' } }), ['store']);
  assert.deepEqual(differ({ store: { url: 'redis://a' } }), []);
  assert.deepEqual(differ({ admin: { address: ':3' } }), ['admin.address']);
  assert.deepEqual(differ({ admin: { tokens: [{ token: 'x' }] } }), []);
  assert.deepEqual(differ({ workers: 1 }), []);
  assert.deepEqual(differ({ workers: 'auto' }), ['workers']);
  assert.deepEqual(differ({ admin: false, store: 'memory', workers: 2 }), ['store', 'workers', 'admin']);
});
