import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointView, UpstreamView } from '../upstream/upstream-view.ts';
import { mergeLimits, mergeUpstreams } from './views-merge.ts';

function endpoint(name: string, more: Partial<EndpointView> = {}): EndpointView {
  const connections = { open: 3, idle: 1 };
  const state = { state: 'up', reason: '', failures: 0, ejectedForMs: null } as const;
  return { name, weight: 1, inFlight: 2, latencyMs: null, connections, ...state, ...more };
}

function upstream(endpoints: EndpointView[], more: Partial<UpstreamView> = {}): UpstreamView {
  const counts = { healthy: endpoints.length, total: endpoints.length };
  return { name: 'u', balance: 'random', panic: false, retryBudgetRatio: 0, ...counts, endpoints, ...more };
}

test('limits: decisions are summed, one local worker makes it local', () => {
  const one = { name: 'a', mode: 'strict', allowed: 5, refused: 1, storeLatencyMs: undefined } as const;
  const other = { name: 'a', mode: 'local', allowed: 7, refused: 0, storeLatencyMs: 3 } as const;
  const alone = { name: 'b', mode: 'strict', allowed: 1, refused: 1, storeLatencyMs: 2 } as const;
  assert.deepEqual(mergeLimits([[one, alone], [other], [one]]), [
    { name: 'a', mode: 'local', allowed: 17, refused: 2, storeLatencyMs: 3 },
    alone,
  ]);
});

test('upstreams: what is in flight is summed, the worst state shows with its reason', () => {
  const well = upstream([endpoint('e', { latencyMs: 5 }), endpoint('only-here')]);
  const ill = upstream(
    [endpoint('e', { state: 'ejected', reason: '5 × reset', failures: 5, ejectedForMs: 900, latencyMs: 9 })],
    { healthy: 0, panic: true, retryBudgetRatio: 0.5 },
  );
  const halfOpen = upstream([endpoint('e', { state: 'half-open' }), endpoint('new')]);
  const [merged] = mergeUpstreams([[well], [ill], [halfOpen]]);
  assert.deepEqual(merged, {
    ...upstream([
      endpoint('e', {
        state: 'ejected',
        reason: '5 × reset',
        failures: 5,
        ejectedForMs: 900,
        latencyMs: 9,
        inFlight: 6,
        connections: { open: 9, idle: 3 },
      }),
      endpoint('only-here'),
      endpoint('new'),
    ]),
    ...{ healthy: 0, total: 2, panic: true, retryBudgetRatio: 0.5 },
  });
});
