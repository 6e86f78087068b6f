import type { Clock } from './core/clock.ts';
import type { Reason } from './errors.ts';

/** Cancels a timer; calling it twice, or after the timer fired, does nothing. */
export type Cancel = () => void;

/** Timers beside the hot path (health checks, heartbeats, breakers). Production: Node's; tests: a virtual clock's. */
export interface Timers {
  after(delayMs: number, run: () => void): Cancel;
}

/** Everything time-like that is handed to the parts with a life of their own. */
export type ClockAndTimers = Clock & Timers;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Event log (`kind: event`). `fields` are plain JSON values; never a secret. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/**
 * What a name service says of a name. A family without addresses is an empty list; one that could not be asked this time is
 * undefined, and what was known of it holds.
 */
export interface NameAnswer {
  readonly ipv4: readonly string[] | undefined;
  readonly ipv6: readonly string[] | undefined;
  /** For so long the answer holds. */
  readonly ttlMs: number;
}

/** Asks the name service, each time anew; rejects with an Error that says why there is no address (`code`: `ENOTFOUND`, …). */
export interface Resolver {
  resolve(name: string): Promise<NameAnswer>;
}

export type LimitMode = 'strict' | 'leased' | 'local';
export type LimitOutcomeLabel = 'allowed' | 'denied' | 'shadow_denied' | 'warned' | 'failed';

/** One limit's part in a decision about a request, as the log line and the answer's fields show it. */
export interface LimitEntry {
  readonly name: string;
  /** The hash under which the store knows the key; no personal value. */
  readonly keyHash: string;
  readonly cost: number;
  readonly ok: boolean;
  /** Units left after the decision, ≥ 0; a lower bound in leased and local mode. */
  readonly remaining: number;
  /** Milliseconds until the same cost would be admitted (denied) or until more quota comes (admitted); undefined = never or not known. */
  readonly waitMs: number | undefined;
  readonly mode: LimitMode;
  /** The store's time of the decision, microseconds since the epoch. */
  readonly atUs: number;
  readonly shadow: boolean;
}

/** What is known of a request when it is over: the access log line and the metrics are made from it. */
export interface ExchangeRecord {
  /** Arrival, wall-clock microseconds. */
  readonly arrivedUs: number;
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly status: number;
  readonly reason: Reason | undefined;
  readonly reasonDetail: string | undefined;
  readonly retryAfterMs: number | undefined;
  /** Name of the route; '' when none matched. */
  readonly routeName: string;
  readonly upstreamName: string | undefined;
  readonly endpointName: string | undefined;
  readonly attempts: number;
  readonly clientIp: string;
  readonly userAgent: string | undefined;
  readonly referer: string | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  /** The gateway's own share of the duration. */
  readonly overheadMs: number;
  readonly connectMs: number | undefined;
  readonly upstreamMs: number | undefined;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  readonly limits: readonly LimitEntry[] | undefined;
}

/** Access log. `undefined` where it is off, so that the hot path pays nothing. */
export interface AccessLog {
  write(record: ExchangeRecord): void;
}

/** Counters of one route; resolved once per configuration, so that counting is a few additions. */
export interface RouteMetrics {
  inFlight: number;
  /** Of those in flight, the ones that became tunnels. */
  tunnels: number;
  /** `reason` is '' for a request the upstream answered. Durations in seconds. */
  finished(
    method: string,
    status: number,
    reason: Reason | '',
    durationS: number,
    overheadS: number,
    bytesIn: number,
    bytesOut: number,
  ): void;
}

export interface EndpointMetrics {
  inFlight: number;
  finished(status: number, durationS: number): void;
  state(state: string, up: boolean): void;
}

export interface UpstreamMetrics {
  ejected(reason: string): void;
  retried(outcome: 'success' | 'failure' | 'budget'): void;
  retryBudgetRatio: number;
}

export interface LimitMetrics {
  decided(outcome: LimitOutcomeLabel, mode: LimitMode): void;
  /** Seconds from queued to decided. */
  decisionDuration(seconds: number): void;
}

export interface StoreMetrics {
  up: boolean;
  /** A command was written. */
  sent(): void;
  /** A call was answered: its duration, seconds. */
  command(seconds: number): void;
}

export interface ListenerMetrics {
  /** Those that are still agreeing on TLS included. */
  connections: number;
  /** Closed at once, for `maxConnections` were in use. */
  connectionsRefused: number;
  tlsHandshakeFailures: number;
  /** Connections that were closed for their PROXY header, or for having none. */
  proxyHeaderFailures: number;
}

/** When a certificate in use ends. */
export interface CertificateExpiry {
  /** As the listener's metrics are named. */
  readonly listener: string;
  /** Its file as it is written in the configuration. */
  readonly certificate: string;
  /** Seconds since the epoch. */
  readonly expiresS: number;
}

/** Hands out counter handles by their labels; the same labels give the same handle across reloads. */
export interface Metrics {
  route(route: string): RouteMetrics;
  upstream(upstream: string): UpstreamMetrics;
  endpoint(upstream: string, endpoint: string): EndpointMetrics;
  /** Drops an endpoint's series once it is gone from the configuration. */
  forgetEndpoint(upstream: string, endpoint: string): void;
  limit(limit: string, route: string): LimitMetrics;
  store(): StoreMetrics;
  listener(address: string): ListenerMetrics;
  /** Those in use, all of them: others are forgotten. */
  certificates(inUse: readonly CertificateExpiry[]): void;
  /** Certificates that changed on disk were taken, or refused. */
  certificatesReloaded(outcome: 'success' | 'failure'): void;
  fleetSize(size: number): void;
  untrustedForwarded(): void;
  configLoaded(outcome: 'success' | 'failure', hash: string | undefined): void;
}
