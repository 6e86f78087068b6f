import type { LogLevel } from '../ports.ts';

export type { UpstreamView } from '../upstream/upstream-view.ts';

/** What `/api/v1` answers, as JSON. Durations are milliseconds, times ISO 8601; no value is a secret. */

export interface ConfigView {
  /** First 12 hex digits of the SHA-256 of the canonical configuration. */
  readonly hash: string;
  /** The configuration in force, defaults filled in, secrets hidden. */
  readonly config: unknown;
}

export interface ConditionView {
  readonly name: string;
  /** As written in the configuration: a value, `/pattern/`, or `true` for "present". */
  readonly value: string | true;
}

export interface RouteView {
  readonly name: string;
  /** Place in the configuration, e.g. `routes[0]`. */
  readonly place: string;
  readonly match: {
    readonly hosts: readonly string[];
    readonly paths: readonly string[];
    readonly methods: readonly string[];
    readonly headers: readonly ConditionView[];
    readonly query: readonly ConditionView[];
  };
  readonly action:
    | { readonly kind: 'upstream'; readonly upstream: string }
    | { readonly kind: 'respond'; readonly status: number }
    | { readonly kind: 'redirect'; readonly status: number; readonly to: string };
  readonly limits: readonly string[];
  /** `null`: no bound. */
  readonly responseTimeoutMs: number | null;
  readonly streamTimeoutMs: number | null;
  readonly attempts: number;
  readonly bodyLimitBytes: number | null;
}

export interface LimitView {
  readonly name: string;
  readonly kind: 'window' | 'rate' | 'quota';
  /** As in the configuration, e.g. `100/1m`. */
  readonly value: string;
  readonly key: readonly string[];
  /** How it is decided now. */
  readonly mode: 'strict' | 'leased' | 'local';
  readonly shadow: boolean;
  /** Decisions since the start. */
  readonly allowed: number;
  readonly refused: number;
  readonly shadowRefused: number;
  /** Mean time of a store command since the start; `null` without a shared store or before the first. */
  readonly storeLatencyMs: number | null;
}

export interface InstanceView {
  readonly id: string;
  /** `null` where the fleet does not tell. */
  readonly version: string | null;
  readonly configHash: string | null;
  /** Processes that serve in it. */
  readonly workers: number;
  /** Whether it is the one that answers. */
  readonly self: boolean;
}

export interface FleetView {
  readonly size: number;
  readonly store: { readonly kind: 'memory' | 'redis'; readonly up: boolean };
  readonly instances: readonly InstanceView[];
}

export type ReloadView = { readonly ok: true } | { readonly ok: false; readonly errors: readonly string[] };

export interface LogLevelView {
  readonly level: LogLevel;
}

/** Every error of the admin API (RFC 9457). */
export interface AdminProblem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly errors?: readonly string[];
}
