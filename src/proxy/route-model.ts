import type { RetryEvent } from '../core/retry/safety.ts';
import type { RouteMatch } from '../core/route/route-match.ts';
import type { LimitModel } from '../limits/limit-model.ts';

export type { NamedMatch, RouteMatch, ValueMatch } from '../core/route/route-match.ts';

export interface HeaderEdits {
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly add: readonly (readonly [name: string, value: string])[];
  readonly remove: readonly string[];
}

export type { RetryEvent };

export interface RetryModel {
  /** Attempts in all, ≥ 1. */
  readonly attempts: number;
  readonly perTryMs: number | undefined;
  /** Share of the last 10 s' requests, 0 to 1. */
  readonly budget: number;
  readonly on: ReadonlySet<RetryEvent>;
}

export type RouteAction =
  | { readonly kind: 'upstream'; readonly upstream: string }
  | {
      readonly kind: 'respond';
      readonly status: number;
      readonly headers: readonly (readonly [string, string])[];
      readonly body: string;
    }
  | { readonly kind: 'redirect'; readonly to: string; readonly status: number };

/** A route, compiled; frozen, part of the Snapshot. */
export interface RouteModel {
  readonly name: string;
  /** Place in the configuration, e.g. `routes[0]`: details of answers name it. */
  readonly place: string;
  readonly match: RouteMatch;
  readonly action: RouteAction;
  readonly limits: readonly LimitModel[];
  /** From the request read whole to the response head, retries included; undefined = no bound. */
  readonly responseTimeoutMs: number | undefined;
  /** Name of the field that set `responseTimeoutMs`, e.g. `routes[0].timeout` or `defaults.timeout`. */
  readonly responseTimeoutPlace: string;
  /** Longest silence of a response body or tunnel; undefined = no bound. */
  readonly streamTimeoutMs: number | undefined;
  readonly streamTimeoutPlace: string;
  readonly retry: RetryModel | undefined;
  readonly stripPrefix: string | undefined;
  readonly rewrite: { readonly path: string | undefined; readonly host: string | undefined } | undefined;
  readonly requestHeaders: HeaderEdits | undefined;
  readonly responseHeaders: HeaderEdits | undefined;
  /** Bytes; undefined = no limit. */
  readonly bodyLimitBytes: number | undefined;
}
