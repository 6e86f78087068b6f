// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileConfig } from '../config/compile.ts';
import { effectiveConfig } from '../config/effective.ts';
import { loadConfigText } from '../config/load.ts';
import { redact } from '../config/redact.ts';
import type { Config } from '../config/schema.ts';
import type { SnapshotModel } from '../config/snapshot.ts';
import { keyPartText, limitView, routeViews, specText } from './views.ts';

/** A configuration as it decides and as it may be shown; the secret is in a file. */
function loaded(text: string): { model: SnapshotModel; shown: Config } {
  const result = loadConfigText(text, 'headgate.yaml', {}, (path) => (path.endsWith('/rate') ? '7/3s' : 'hunter2'));
  assert.ok(result.ok, JSON.stringify(result));
  return { model: compileConfig(result.config), shown: redact(effectiveConfig(result.config), result.secrets) };
}

test('what is hidden in the configuration is hidden in the views of its routes and limits', () => {
  const { model, shown } = loaded(`
limits:
  a: { key: ["header.x-\${file:/f}", method], window: 5/1m }
routes:
  - name: "r-\${file:/f}"
    match:
      host: ["\${file:/f}.example.com", B.example.com]
      path: ["/hooks/\${file:/f}/*", /plain]
      headers: { X-Env: prod, X-Hook: "\${file:/f}", authorization: Basic hunter2, x-any: true }
      query: { q: "/^\${file:/f}$/i", n: 5 }
    limits: [a]
    redirect: { to: "https://other.example/\${file:/f}/*" }
  - { match: { path: /up }, upstream: "http://\${file:/f}.internal:3000" }
  - { match: { path: /up2 }, upstream: "http://plain.internal:3000", limits: [a] }
`);
  const views = routeViews(model, shown);
  assert.ok(!JSON.stringify(views).includes('hunter2'), JSON.stringify(views));
  assert.equal(views[0]?.name, 'r-***');
  assert.deepEqual(views[0]?.match, {
    hosts: ['***.example.com', 'b.example.com'],
    paths: ['/hooks/***/*', '/plain'],
    methods: [],
    headers: [
      { name: 'x-env', value: 'prod' },
      { name: 'x-hook', value: '***' },
      { name: 'authorization', value: '***' },
      { name: 'x-any', value: true },
    ],
    query: [
      { name: 'q', value: '/^***$/i' },
      { name: 'n', value: '5' },
    ],
  });
  assert.deepEqual(views[0]?.action, { kind: 'redirect', status: 308, to: 'https://other.example/***/*' });
  assert.deepEqual(views[1]?.action, { kind: 'upstream', upstream: 'http://***.internal:3000' });
  assert.deepEqual(views[2]?.action, { kind: 'upstream', upstream: 'http://plain.internal:3000' });
  const figures = { mode: 'strict', allowed: 0, denied: 0, shadowDenied: 0, storeLatencyMs: null } as const;
  assert.deepEqual(limitView(model.limits.get('a')!, shown.limits.a!, figures).key, ['header.x-***', 'method']);
});

test('a limit whose value is hidden shows that it is', () => {
  const { model, shown } = loaded('limits: { a: { window: "${file:/rate}" } }');
  const figures = { mode: 'strict', allowed: 0, denied: 0, shadowDenied: 0, storeLatencyMs: null } as const;
  assert.equal(limitView(model.limits.get('a')!, shown.limits.a!, figures).value, '***');
});

test('a limit is shown as it would be written', () => {
  assert.equal(specText({ kind: 'window', limit: 100, windowUs: 60_000_000 }), '100/1m');
  assert.equal(specText({ kind: 'rate', count: 50, periodUs: 1_000_000, burst: 50 }), '50/1s');
  assert.equal(specText({ kind: 'rate', count: 50, periodUs: 250_000, burst: 100 }), '50/250ms burst 100');
  assert.equal(specText({ kind: 'quota', limit: 9, period: 'day', timezone: 'UTC' }), '9/day');
  assert.equal(specText({ kind: 'quota', limit: 9, period: 'day', timezone: 'Asia/Tokyo' }), '9/day in Asia/Tokyo');
  assert.equal(keyPartText({ source: 'client.ip' }), 'client.ip');
  assert.equal(keyPartText({ source: 'header', name: 'x-api-key' }), 'header.x-api-key');
});

test('the view of a limit joins its configuration with its figures', () => {
  const view = limitView(
    {
      name: 'per-client',
      spec: { kind: 'window', limit: 5, windowUs: 10_000_000 },
      key: [{ source: 'client.ip' }, { source: 'route' }],
      ipv6Prefix: 64,
      onMissingKey: 'ip',
      scope: 'global',
      except: undefined,
      cost: 1,
      shadow: false,
      onStoreFailure: 'local',
    },
    loaded('limits: { per-client: { key: [client.ip, route], window: 5/10s } }').shown.limits['per-client']!,
    { mode: 'local', allowed: 7, denied: 2, shadowDenied: 0, storeLatencyMs: 0.4 },
  );
  assert.deepEqual(view, {
    name: 'per-client',
    kind: 'window',
    value: '5/10s',
    key: ['client.ip', 'route'],
    mode: 'local',
    shadow: false,
    allowed: 7,
    refused: 2,
    shadowRefused: 0,
    storeLatencyMs: 0.4,
  });
});
