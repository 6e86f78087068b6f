import type { AdminSource } from '../admin/admin-source.ts';
import type {
  ConfigView,
  FleetView,
  InstanceView,
  LimitView,
  ReloadView,
  RouteView,
  UpstreamView,
} from '../admin/api-types.ts';
import { limitView, routeViews } from '../admin/views.ts';
import type { Config } from '../config/schema.ts';
import type { SnapshotModel } from '../config/snapshot.ts';
import type { LimitModel } from '../limits/limit-model.ts';
import type { FleetMember, LimitStore } from '../limits/limit-store.ts';
import type { LimiterView } from '../limits/limiter.ts';
import type { LogLevel } from '../ports.ts';

/** The parts of a running gateway that its admin API shows. */
export interface AdminParts {
  readonly instanceId: string;
  readonly version: string;
  readonly store: LimitStore;
  /** Processes that decide in this gateway. */
  readonly workers: number;
  /** The figures of these limits; of a gateway with workers they are asked for. */
  limits(models: Iterable<LimitModel>): readonly LimiterView[] | Promise<readonly LimiterView[]>;
  upstreams(): readonly UpstreamView[] | Promise<readonly UpstreamView[]>;
  isReady(): boolean;
  model(): SnapshotModel;
  /** The configuration in force, secrets hidden. */
  printable(): Config;
  metricsText(): Promise<string>;
  reload(): Promise<ReloadView>;
  setLogLevel(level: LogLevel): void;
}

/** What the admin server asks, answered from the parts of the gateway. */
export class GatewayAdmin implements AdminSource {
  private readonly parts: AdminParts;

  constructor(parts: AdminParts) {
    this.parts = parts;
  }

  ready(): boolean {
    return this.parts.isReady();
  }

  config(): ConfigView {
    return { hash: this.parts.model().hash, config: this.parts.printable() };
  }

  routes(): readonly RouteView[] {
    return routeViews(this.parts.model(), this.parts.printable());
  }

  upstreams(): readonly UpstreamView[] | Promise<readonly UpstreamView[]> {
    return this.parts.upstreams();
  }

  async limits(): Promise<readonly LimitView[]> {
    const { limits } = this.parts.model();
    const shown = this.parts.printable().limits;
    return (await this.parts.limits(limits.values())).map((figures) => {
      const limit = limits.get(figures.name);
      if (limit === undefined) throw new TypeError(`no limit ${figures.name}`);
      return limitView(limit, shown[limit.name]!, {
        mode: figures.mode,
        allowed: figures.allowed,
        denied: limit.shadow ? 0 : figures.refused,
        shadowDenied: limit.shadow ? figures.refused : 0,
        storeLatencyMs: figures.storeLatencyMs ?? null,
      });
    });
  }

  fleet(): FleetView {
    const { store, instanceId, version, workers } = this.parts;
    const model = this.parts.model();
    const others = (store.members ?? []).filter(({ id }) => id !== instanceId);
    return {
      size: store.fleetSize,
      store: { kind: model.store.kind, up: store.available },
      instances: [
        { id: instanceId, version, configHash: model.hash, workers, self: true },
        ...others.map(otherInstance),
      ],
    };
  }

  metricsText(): Promise<string> {
    return this.parts.metricsText();
  }

  reload(): Promise<ReloadView> {
    return this.parts.reload();
  }

  setLogLevel(level: LogLevel): void {
    this.parts.setLogLevel(level);
  }
}

function otherInstance({ id, version, configHash, workers }: FleetMember): InstanceView {
  return { id, version: version ?? null, configHash: configHash ?? null, workers, self: false };
}
