import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyPartText, limitView, specText } from './views.ts';

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
