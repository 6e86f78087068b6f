import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RETRY_DEFAULTS, UPSTREAM_DEFAULTS } from './defaults.ts';
import { retry } from './schema/routes.ts';
import { upstream } from './schema/upstreams.ts';

test('what an upstream or a retry has that nobody wrote is what the schema says', () => {
  assert.deepEqual(retry.parse({}), RETRY_DEFAULTS);
  const endpoints = ['http://127.0.0.1:1'];
  assert.deepEqual(upstream.parse({ endpoints }), { ...UPSTREAM_DEFAULTS, endpoints });
});
