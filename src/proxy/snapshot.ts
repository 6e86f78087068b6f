import type { Router } from '../core/route/match.ts';
import type { FlatFields } from '../http/head.ts';
import type { Reply } from '../http/problem.ts';
import type { RouteMetrics } from '../ports.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { FinishHook, RequestHook, ResponseHook } from './hooks.ts';
import type { RouteModel } from './route-model.ts';

export interface StarRedirect {
  readonly status: number;
  /** Ends in `*` (`redirectTarget`). */
  readonly to: string;
}

/** A route ready to serve: its model and all that is worked out once per configuration. */
export interface Route {
  readonly model: RouteModel;
  readonly metrics: RouteMetrics;
  /** Undefined where the route answers by itself. */
  readonly upstream: Upstream | undefined;
  /** The fixed answer of `respond` and `redirect` routes. */
  readonly reply: Reply | undefined;
  /** A redirect whose target each request fills in. */
  readonly redirect: StarRedirect | undefined;
  readonly requestHooks: readonly RequestHook[];
  readonly responseHooks: readonly ResponseHook[];
  readonly finishHooks: readonly FinishHook[];
  /** Lower-case names dropped from a request, and lines added to it (`headers.request`). */
  readonly requestDrop: ReadonlySet<string> | undefined;
  readonly requestExtra: FlatFields;
  readonly responseDrop: ReadonlySet<string> | undefined;
  readonly responseExtra: FlatFields;
}

/** The configuration in force, compiled; swapped whole. */
export interface Snapshot {
  readonly router: Router;
  readonly routes: readonly Route[];
  /** Stands in where no route matches: `defaults.limits` hold there too. */
  readonly noRoute: Route;
}
