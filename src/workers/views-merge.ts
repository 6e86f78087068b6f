import type { LimiterView } from '../limits/limiter.ts';
import type { EndpointView, UpstreamView } from '../upstream/upstream-view.ts';

/** Figures of the same limits in several processes: decisions are summed, the mode is local where one process is. */
export function mergeLimits(views: readonly (readonly LimiterView[])[]): LimiterView[] {
  const byName = new Map<string, LimiterView>();
  for (const view of views.flat()) {
    const known = byName.get(view.name);
    byName.set(view.name, known === undefined ? view : mergedLimit(known, view));
  }
  return [...byName.values()];
}

function mergedLimit(one: LimiterView, other: LimiterView): LimiterView {
  return {
    name: one.name,
    mode: one.mode === 'local' || other.mode === 'local' ? 'local' : one.mode,
    allowed: one.allowed + other.allowed,
    refused: one.refused + other.refused,
    storeLatencyMs: largest(one.storeLatencyMs, other.storeLatencyMs),
  };
}

function largest(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.max(one, other);
}

/**
 * The same upstreams as several workers see them: what is in flight is summed, and an endpoint is in the worst state that
 * one of them holds it to be in, as slow as the slowest sees it.
 */
export function mergeUpstreams(views: readonly (readonly UpstreamView[])[]): UpstreamView[] {
  const byName = new Map<string, UpstreamView>();
  for (const view of views.flat()) {
    const known = byName.get(view.name);
    byName.set(view.name, known === undefined ? view : mergedUpstream(known, view));
  }
  return [...byName.values()];
}

function mergedUpstream(one: UpstreamView, other: UpstreamView): UpstreamView {
  const others = new Map(other.endpoints.map((endpoint) => [endpoint.name, endpoint]));
  const endpoints = one.endpoints.map((endpoint) => {
    const same = others.get(endpoint.name);
    others.delete(endpoint.name);
    return same === undefined ? endpoint : mergedEndpoint(endpoint, same);
  });
  return {
    ...one,
    panic: one.panic || other.panic,
    healthy: Math.min(one.healthy, other.healthy),
    total: Math.max(one.total, other.total),
    retryBudgetRatio: Math.max(one.retryBudgetRatio, other.retryBudgetRatio),
    endpoints: [...endpoints, ...others.values()],
  };
}

const WORSE = ['up', 'half-open', 'ejected', 'down'] as const satisfies readonly EndpointView['state'][];

function mergedEndpoint(one: EndpointView, other: EndpointView): EndpointView {
  const worse = WORSE.indexOf(other.state) > WORSE.indexOf(one.state) ? other : one;
  return {
    ...worse,
    inFlight: one.inFlight + other.inFlight,
    latencyMs: mostOf(one.latencyMs, other.latencyMs),
    connections: {
      open: one.connections.open + other.connections.open,
      idle: one.connections.idle + other.connections.idle,
    },
    failures: Math.max(one.failures, other.failures),
    ejectedForMs: mostOf(one.ejectedForMs, other.ejectedForMs),
  };
}

function mostOf(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.max(one, other);
}
