import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from './load.ts';
import type { HeadgateConfig } from './schema.ts';

type Listener = NonNullable<HeadgateConfig['listeners']>[number];

function said(listener: Listener): string[] {
  const result = parseConfig({ listeners: [listener] });
  return result.ok ? [] : result.errors.map(({ path, message }) => `${path}: ${message}`);
}

test('a PROXY header needs somebody to be believed from', () => {
  const nobody = ['listeners[0].proxyProtocol: is believed from trustedProxies alone: name the balancers there'];
  for (const proxyProtocol of ['require', 'allow'] as const) {
    assert.deepEqual(said({ proxyProtocol }), nobody);
    assert.deepEqual(said({ proxyProtocol, trustedProxies: [] }), nobody);
    assert.deepEqual(said({ proxyProtocol, trustedProxies: 'private' }), []);
    assert.deepEqual(said({ proxyProtocol, trustedProxies: ['10.0.0.0/8'] }), []);
    assert.deepEqual(said({ proxyProtocol, address: 'unix:/run/headgate.sock' }), []);
    assert.deepEqual(said({ proxyProtocol, trustedHops: 1 }), [
      'listeners[0].proxyProtocol: goes with trustedProxies, which names the balancers, and not with trustedHops',
    ]);
  }
  assert.deepEqual(said({ proxyProtocol: false }), []);
});
