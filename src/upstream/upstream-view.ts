import type { EndpointStateName } from '../core/health/endpoint-health.ts';
import type { Endpoint } from './endpoint.ts';
import type { BalanceName } from './upstream-model.ts';

/** An endpoint as the admin API shows it. */
export interface EndpointView {
  readonly name: string;
  readonly state: EndpointStateName;
  /** Why it is in its state; '' when it is up. */
  readonly reason: string;
  readonly weight: number;
  readonly inFlight: number;
  /** Moving mean of the time to the response head; null before the first answer. */
  readonly latencyMs: number | null;
  readonly connections: { readonly open: number; readonly idle: number };
  /** Live failures in a row. */
  readonly failures: number;
  /** Until an ejection ends; null where there is none. */
  readonly ejectedForMs: number | null;
}

/** An upstream as the admin API shows it. */
export interface UpstreamView {
  readonly name: string;
  readonly balance: BalanceName;
  /** Too few are healthy: all are used. */
  readonly panic: boolean;
  /** Endpoints that are up, of those with a weight. */
  readonly healthy: number;
  readonly total: number;
  /** Retries of the last 10 s over those allowed. */
  readonly retryBudgetRatio: number;
  readonly endpoints: readonly EndpointView[];
}

export function viewEndpoint(endpoint: Endpoint, nowMs: number): EndpointView {
  const { health, pool } = endpoint;
  return {
    name: endpoint.name,
    state: health.state,
    reason: health.reason,
    weight: endpoint.weight,
    inFlight: endpoint.inFlight,
    latencyMs: endpoint.latencyMs ?? null,
    connections: { open: pool?.open ?? 0, idle: pool?.idle ?? 0 },
    failures: health.failures,
    ejectedForMs: health.state === 'ejected' ? Math.max(0, endpoint.ejectedUntilMs - nowMs) : null,
  };
}
