import type { PickerName } from '../core/balance/registry.ts';
import type { OutlierSettings } from '../core/health/outlier.ts';
import type { EndpointAddress } from './endpoint-address.ts';

export type BalanceName = PickerName;
export type OutlierModel = OutlierSettings;

export interface EndpointModel {
  /** As shown in logs, metrics and the admin API: `host:port`, or the path of a unix socket. */
  readonly name: string;
  readonly address: EndpointAddress;
  readonly weight: number;
}

export interface HealthCheckModel {
  readonly type: 'http' | 'tcp';
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly fall: number;
  readonly rise: number;
  /** Inclusive ranges of statuses that count as healthy. */
  readonly status: readonly (readonly [from: number, to: number])[];
  readonly port: number | undefined;
  readonly host: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** A named group of endpoints, compiled; frozen, part of the Snapshot. */
export interface UpstreamModel {
  readonly name: string;
  readonly endpoints: readonly EndpointModel[];
  /** The Host the endpoint sees. */
  readonly host:
    | { readonly kind: 'keep' }
    | { readonly kind: 'upstream' }
    | { readonly kind: 'fixed'; readonly value: string };
  readonly balance: BalanceName;
  readonly healthCheck: HealthCheckModel | undefined;
  readonly outlierDetection: OutlierModel | undefined;
  readonly connectTimeoutMs: number;
  /** Idle life of a pooled connection where the upstream gives no `Keep-Alive: timeout`. */
  readonly idleTimeoutMs: number;
  /** Per endpoint and worker. */
  readonly maxConnections: number;
}
