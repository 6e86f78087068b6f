import type { LogLevel } from '../ports.ts';
import type { ConfigView, FleetView, LimitView, ReloadView, RouteView, UpstreamView } from './api-types.ts';

/** What the admin server shows and changes: implemented by the gateway. All views are made when asked. */
export interface AdminSource {
  /** False before the listeners are open and once the gateway drains; the store's state does not matter. */
  ready(): boolean;
  config(): ConfigView;
  routes(): readonly RouteView[];
  upstreams(): readonly UpstreamView[] | Promise<readonly UpstreamView[]>;
  limits(): readonly LimitView[] | Promise<readonly LimitView[]>;
  /** May ask the store for the other instances; answers what is known when that fails. */
  fleet(): FleetView | Promise<FleetView>;
  /** Prometheus text 0.0.4. */
  metricsText(): Promise<string>;
  /** Loads the configuration again from where it came; a bad one changes nothing. */
  reload(): Promise<ReloadView>;
  setLogLevel(level: LogLevel): void;
}
