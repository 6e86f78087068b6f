import type { CertificateExpiry } from '../../ports.ts';
import type { Histogram } from './histogram.ts';
import {
  type EndpointHandle,
  LIMIT_MODES,
  LIMIT_OUTCOMES,
  type LimitHandle,
  type ListenerHandle,
  METHOD_LABELS,
  REASON_LABELS,
  RETRY_OUTCOMES,
  type RouteHandle,
  STATUS_CLASSES,
  type StoreHandle,
  type UpstreamHandle,
} from './metric-handles.ts';
import { labels, PrometheusText } from './prometheus-text.ts';

/** One limit: its decision durations over all routes, its decisions by route. */
export interface LimitFamily {
  readonly durations: Histogram;
  readonly routes: Map<string, LimitHandle>;
}

/** Everything counted, by label. */
export interface MetricsState {
  readonly routes: Map<string, RouteHandle>;
  readonly upstreams: Map<string, UpstreamHandle>;
  readonly limits: Map<string, LimitFamily>;
  readonly listeners: Map<string, ListenerHandle>;
  certificates: readonly CertificateExpiry[];
  readonly certificateReloads: Record<'success' | 'failure', number>;
  /** Undefined without a shared store. */
  store: StoreHandle | undefined;
  fleetSize: number;
  untrustedForwarded: number;
  configHash: string | undefined;
  lastReloadOk: boolean;
  /** Seconds since the epoch. */
  lastReloadS: number;
  readonly reloads: { success: number; failure: number };
}

/** Prometheus text of the gateway's own metrics. */
export function renderMetrics(state: MetricsState, version: string, droppedLogLines: number | undefined): string {
  const out = new PrometheusText();
  out.family('headgate_build_info', 'gauge', 'Always 1; the version of the gateway is the label.');
  out.sample(labels({ version }), 1);
  renderRoutes(out, state);
  renderDownstream(out, state, droppedLogLines);
  renderTls(out, state);
  renderLimits(out, state);
  renderStore(out, state);
  renderEndpoints(out, state);
  renderUpstreams(out, state);
  renderConfig(out, state);
  return out.toString();
}

function renderRoutes(out: PrometheusText, state: MetricsState): void {
  out.family(
    'headgate_http_requests_total',
    'counter',
    'Requests that are over; reason is empty where nothing failed.',
  );
  for (const [route, handle] of state.routes) {
    for (const { method, status, reason, count } of handle.requests.values()) {
      const statusText = status === 0 ? 'OTHER' : String(status);
      const text = labels({
        route,
        method: METHOD_LABELS[method]!,
        status: statusText,
        reason: REASON_LABELS[reason]!,
      });
      out.sample(text, count);
    }
  }
  out.family(
    'headgate_http_request_duration_seconds',
    'histogram',
    "From a request's head read whole to the end of its answer.",
  );
  for (const [route, handle] of state.routes) {
    handle.durations.forEach((histogram, group) => {
      if (histogram) out.histogram(labels({ route, status_class: STATUS_CLASSES[group]! }), histogram);
    });
  }
  const perRoute = (visit: (handle: RouteHandle) => number): void => {
    for (const [route, handle] of state.routes) out.sample(labels({ route }), visit(handle));
  };
  out.family('headgate_http_requests_in_flight', 'gauge', 'Requests whose head was read and that are not over.');
  perRoute((handle) => handle.inFlight);
  out.family('headgate_tunnels', 'gauge', 'Open tunnels (WebSocket); each is also a request in flight.');
  perRoute((handle) => handle.tunnels);
  out.family(
    'headgate_http_request_bytes_total',
    'counter',
    'Bytes of request bodies and tunnels received from clients.',
  );
  perRoute((handle) => handle.bytesIn);
  out.family('headgate_http_response_bytes_total', 'counter', 'Bytes of response bodies and tunnels sent to clients.');
  perRoute((handle) => handle.bytesOut);
  out.family(
    'headgate_overhead_duration_seconds',
    'histogram',
    "A request's duration less the time from its first attempt's start to its last one's end.",
  );
  for (const [route, handle] of state.routes) out.histogram(labels({ route }), handle.overhead);
}

/** Of handshakes, and of the certificates that they are made with. */
function renderTls(out: PrometheusText, state: MetricsState): void {
  const perListener = (value: (handle: ListenerHandle) => number): void => {
    for (const [listener, handle] of state.listeners) out.sample(labels({ listener }), value(handle));
  };
  out.family('headgate_tls_handshake_failures_total', 'counter', 'Connections on which no TLS came about.');
  perListener((handle) => handle.tlsHandshakeFailures);
  out.family(
    'headgate_proxy_header_failures_total',
    'counter',
    'Connections that were closed for their PROXY header, or for having none.',
  );
  perListener((handle) => handle.proxyHeaderFailures);
  out.family('headgate_certificate_expiry_timestamp_seconds', 'gauge', 'When a certificate in use ends.');
  const expiries = new Map(
    state.certificates.map((one) => [labels({ listener: one.listener, certificate: one.certificate }), one]),
  );
  for (const [series, { expiresS }] of expiries) out.sample(series, expiresS);
  out.family(
    'headgate_certificate_reloads_total',
    'counter',
    'Certificates that changed on disk: taken (success), or refused while the one before stays in use.',
  );
  out.sample(labels({ outcome: 'success' }), state.certificateReloads.success);
  out.sample(labels({ outcome: 'failure' }), state.certificateReloads.failure);
}

function renderDownstream(out: PrometheusText, state: MetricsState, droppedLogLines: number | undefined): void {
  out.family('headgate_connections', 'gauge', 'Open client connections.');
  for (const [listener, handle] of state.listeners) out.sample(labels({ listener }), handle.connections);
  out.family(
    'headgate_connections_refused_total',
    'counter',
    'Connections closed at once: maxConnections were in use.',
  );
  for (const [listener, handle] of state.listeners) out.sample(labels({ listener }), handle.connectionsRefused);
  out.family(
    'headgate_untrusted_forwarded_total',
    'counter',
    'Requests whose X-Forwarded-For was ignored because the peer is not in trustedProxies.',
  );
  out.sample('', state.untrustedForwarded);
  if (droppedLogLines === undefined) return;
  out.family('headgate_log_lines_dropped_total', 'counter', 'Log lines lost because stdout was not read fast enough.');
  out.sample('', droppedLogLines);
}

function renderLimits(out: PrometheusText, state: MetricsState): void {
  out.family(
    'headgate_limit_decisions_total',
    'counter',
    'Decisions of a limit about a request; failed: the store gave none.',
  );
  for (const [limit, family] of state.limits) {
    for (const [route, handle] of family.routes) renderDecisions(out, limit, route, handle);
  }
  out.family(
    'headgate_limit_decision_duration_seconds',
    'histogram',
    'From a request asking to the decision; of decisions in memory a sample is timed.',
  );
  for (const [limit, family] of state.limits) out.histogram(labels({ limit }), family.durations);
}

function renderStore(out: PrometheusText, state: MetricsState): void {
  out.family('headgate_fleet_size', 'gauge', 'Gateways on this store, as last seen.');
  out.sample('', state.fleetSize);
  if (state.store === undefined) return;
  out.family('headgate_store_up', 'gauge', '1 while the store is asked, 0 while it is away.');
  out.sample('', Number(state.store.up));
  out.family(
    'headgate_store_command_duration_seconds',
    'histogram',
    'From the write of a call to its answer; calls that failed are not in it.',
  );
  out.histogram('', state.store.commands);
  out.family(
    'headgate_store_commands_total',
    'counter',
    'Commands sent to the store, answered or not; those that open a connection aside.',
  );
  out.sample('', state.store.commandsSent);
}

function renderEndpoints(out: PrometheusText, state: MetricsState): void {
  const each = (visit: (handle: EndpointHandle, upstream: string, endpoint: string) => void): void => {
    for (const [upstream, { endpoints }] of state.upstreams) {
      for (const [endpoint, handle] of endpoints) visit(handle, upstream, endpoint);
    }
  };
  out.family(
    'headgate_upstream_requests_total',
    'counter',
    'Attempts that got a response head; status_class error: that failed without one.',
  );
  each((handle, upstream, endpoint) => {
    handle.requests.forEach((count, group) => {
      if (count > 0) out.sample(labels({ upstream, endpoint, status_class: STATUS_CLASSES[group]! }), count);
    });
  });
  out.family(
    'headgate_upstream_duration_seconds',
    'histogram',
    'From the start of an attempt, a connection included, to its response head or failure.',
  );
  each((handle, upstream, endpoint) => out.histogram(labels({ upstream, endpoint }), handle.durations));
  out.family('headgate_endpoint_up', 'gauge', '1 while the endpoint is up: neither down nor ejected.');
  each((handle, upstream, endpoint) => out.sample(labels({ upstream, endpoint }), Number(handle.up)));
  out.family('headgate_endpoint_state', 'gauge', '1 at the state the endpoint is in.');
  each((handle, upstream, endpoint) => {
    for (const state of handle.states) {
      out.sample(labels({ upstream, endpoint, state }), Number(state === handle.currentState));
    }
  });
  out.family('headgate_endpoint_in_flight', 'gauge', 'Attempts under way, those that wait for a connection included.');
  each((handle, upstream, endpoint) => out.sample(labels({ upstream, endpoint }), handle.inFlight));
}

function renderUpstreams(out: PrometheusText, state: MetricsState): void {
  out.family('headgate_ejections_total', 'counter', 'Endpoints taken out by outlier detection.');
  for (const [upstream, handle] of state.upstreams) {
    for (const [reason, count] of handle.ejections) out.sample(labels({ upstream, reason }), count);
  }
  out.family(
    'headgate_retries_total',
    'counter',
    'Requests that were retried, by their outcome; budget: a retry that was not sent, for the budget was spent.',
  );
  for (const [upstream, handle] of state.upstreams) {
    for (const outcome of RETRY_OUTCOMES) out.sample(labels({ upstream, outcome }), handle.retries[outcome]);
  }
  out.family(
    'headgate_retry_budget_ratio',
    'gauge',
    'Retries of the last 10 s over those allowed, by the share of the route that asked last.',
  );
  for (const [upstream, handle] of state.upstreams) out.sample(labels({ upstream }), handle.retryBudgetRatio);
}

function renderConfig(out: PrometheusText, state: MetricsState): void {
  out.family('headgate_config_info', 'gauge', 'Always 1; the hash of the configuration in force is the label.');
  if (state.configHash !== undefined) out.sample(labels({ hash: state.configHash }), 1);
  out.family('headgate_config_reloads_total', 'counter', 'Reloads since the start.');
  out.sample(labels({ outcome: 'success' }), state.reloads.success);
  out.sample(labels({ outcome: 'failure' }), state.reloads.failure);
  out.family('headgate_config_last_reload_successful', 'gauge', '1 if the last load of the configuration succeeded.');
  out.sample('', Number(state.lastReloadOk));
  out.family('headgate_config_last_reload_timestamp_seconds', 'gauge', 'When the configuration in force was loaded.');
  out.sample('', state.lastReloadS);
}

/** Outcomes every limit has are there from the start, so that a rate over their first increment is seen. */
function renderDecisions(out: PrometheusText, limit: string, route: string, handle: LimitHandle): void {
  handle.decisions.forEach((count, index) => {
    const outcome = LIMIT_OUTCOMES[Math.trunc(index / LIMIT_MODES.length)]!;
    const mode = LIMIT_MODES[index % LIMIT_MODES.length]!;
    const always = mode === 'strict' && (outcome === 'allowed' || outcome === 'denied');
    if (count > 0 || always) out.sample(labels({ limit, route, outcome, mode }), count);
  });
}
