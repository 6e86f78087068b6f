import type { Clock } from '../../core/clock.ts';
import type { CertificateExpiry, Metrics } from '../../ports.ts';
import { FINE_BUCKETS, Histogram } from './histogram.ts';
import {
  EndpointHandle,
  LimitHandle,
  ListenerHandle,
  RouteHandle,
  StoreHandle,
  UpstreamHandle,
} from './metric-handles.ts';
import { type LimitFamily, type MetricsState, renderMetrics } from './metrics-text.ts';
import { areProcessMetricsWanted, processMetricsText } from './process-metrics.ts';

export interface PrometheusMetricsOptions {
  /** Label of `headgate_build_info`. */
  readonly version: string;
  readonly clock: Clock;
  /** Log lines lost because nobody read them fast enough, since the start. */
  readonly droppedLogLines?: () => number;
}

/**
 * The gateway's metrics: handles of plain numbers on the hot path, Prometheus text when asked. A handle lives as long
 * as the gateway, so that counters survive reloads; only endpoints are forgotten, for discovery may bring ever new ones.
 */
export class PrometheusMetrics implements Metrics {
  readonly #options: PrometheusMetricsOptions;
  readonly #state: MetricsState = {
    routes: new Map(),
    upstreams: new Map(),
    limits: new Map(),
    listeners: new Map(),
    certificates: [],
    certificateReloads: { success: 0, failure: 0 },
    store: undefined,
    fleetSize: 1,
    untrustedForwarded: 0,
    configHash: undefined,
    lastReloadOk: false,
    lastReloadS: 0,
    reloads: { success: 0, failure: 0 },
  };

  constructor(options: PrometheusMetricsOptions) {
    this.#options = options;
  }

  route(route: string): RouteHandle {
    return obtain(this.#state.routes, route, () => new RouteHandle());
  }

  upstream(upstream: string): UpstreamHandle {
    return obtain(this.#state.upstreams, upstream, () => new UpstreamHandle());
  }

  endpoint(upstream: string, endpoint: string): EndpointHandle {
    return obtain(this.upstream(upstream).endpoints, endpoint, () => new EndpointHandle());
  }

  forgetEndpoint(upstream: string, endpoint: string): void {
    this.#state.upstreams.get(upstream)?.endpoints.delete(endpoint);
  }

  limit(limit: string, route: string): LimitHandle {
    const family = this.#limitFamily(limit);
    return obtain(family.routes, route, () => new LimitHandle(family.durations));
  }

  store(): StoreHandle {
    this.#state.store ??= new StoreHandle();
    return this.#state.store;
  }

  listener(address: string): ListenerHandle {
    return obtain(this.#state.listeners, address, () => new ListenerHandle());
  }

  certificates(inUse: readonly CertificateExpiry[]): void {
    this.#state.certificates = inUse;
  }

  certificatesReloaded(outcome: 'success' | 'failure'): void {
    this.#state.certificateReloads[outcome]++;
  }

  fleetSize(size: number): void {
    this.#state.fleetSize = size;
  }

  untrustedForwarded(): void {
    this.#state.untrustedForwarded++;
  }

  /** The first success is the start: it sets the gauges and is no reload. */
  configLoaded(outcome: 'success' | 'failure', hash: string | undefined): void {
    const isStart = this.#state.configHash === undefined && outcome === 'success';
    if (!isStart) this.#state.reloads[outcome]++;
    this.#state.lastReloadOk = outcome === 'success';
    if (outcome === 'failure') return;
    this.#state.configHash = hash ?? '';
    this.#state.lastReloadS = this.#options.clock.wallUs() / 1_000_000;
  }

  /** Prometheus text 0.0.4 of everything, the process's own metrics included. */
  async text(): Promise<string> {
    return this.gatewayText() + (await processMetricsText());
  }

  /** The same; what the process says itself only where that was asked for before, since it has a price. */
  async textSoFar(): Promise<string> {
    return areProcessMetricsWanted() ? this.text() : this.gatewayText();
  }

  /** The same without `process_*` and `nodejs_*`. */
  gatewayText(): string {
    return renderMetrics(this.#state, this.#options.version, this.#options.droppedLogLines?.());
  }

  #limitFamily(limit: string): LimitFamily {
    return obtain(this.#state.limits, limit, () => ({ durations: new Histogram(FINE_BUCKETS), routes: new Map() }));
  }
}

function obtain<T>(map: Map<string, T>, key: string, make: () => T): T {
  let found = map.get(key);
  if (found === undefined) {
    found = make();
    map.set(key, found);
  }
  return found;
}
