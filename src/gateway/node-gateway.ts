import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { MemoryStore } from '../adapters/memory/memory-store.ts';
import { dateTexts } from '../adapters/net/date-text.ts';
import { ListenError, Listener } from '../adapters/net/listener.ts';
import { requestIds } from '../adapters/net/request-id.ts';
import { wallTimes } from '../adapters/net/wall-times.ts';
import { type DrivenWheel, driveWheel } from '../adapters/net/wheel-driver.ts';
import { Logs } from '../adapters/observe/logs.ts';
import { PrometheusMetrics } from '../adapters/observe/metrics.ts';
import { SystemClock } from '../adapters/observe/system-clock.ts';
import { AdminServer } from '../admin/admin-server.ts';
import type { ReloadView } from '../admin/api-types.ts';
import { compileConfig } from '../config/compile.ts';
import { restartFields } from '../config/diff.ts';
import { effectiveConfig } from '../config/effective.ts';
import { folderOf } from '../config/folder-of.ts';
import type { LoadedConfig } from '../config/load.ts';
import { redact } from '../config/redact.ts';
import type { HeadgateConfig } from '../config/schema.ts';
import type { SnapshotModel } from '../config/snapshot.ts';
import type { Random } from '../core/random.ts';
import { Limiter, type LimiterView } from '../limits/limiter.ts';
import type { AccessLog, ClockAndTimers, Log, LogLevel, Metrics, Resolver } from '../ports.ts';
import type { ProxyContext } from '../proxy/context.ts';
import { OpenTunnels } from '../proxy/open-tunnels.ts';
import type { Transport } from '../upstream/channel.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import { EndpointPool, type PoolOptions } from '../upstream/pool.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { UpstreamView } from '../upstream/upstream-view.ts';
import { Upstreams } from '../upstream/upstreams.ts';
import { Certificates, type PreparedTls } from './certificates.ts';
import { StartError } from './errors.ts';
import { GatewayAdmin } from './gateway-admin.ts';
import type { BoundListener, StopOptions } from './gateway-types.ts';
import { type InjectRequest, type InjectResponse, inject } from './inject.ts';
import { endpointNames, type Network, openNetwork } from './network.ts';
import { buildSnapshot } from './routes.ts';
import { type OpenStore, openStore } from './store.ts';
import { UntrustedPeers } from './untrusted-peers.ts';
import { VERSION } from './version.ts';
import { type WorkerGateway, type WorkerPart, workerModel } from './worker-part.ts';

/** Parts of a gateway that may be replaced; left out, the real ones are used. */
export interface GatewayOverrides {
  readonly clock?: ClockAndTimers;
  readonly random?: Random;
  readonly log?: Log;
  /** Makes the access log of a configuration; undefined = off. */
  readonly accessLog?: (format: 'json' | 'combined' | false) => AccessLog | undefined;
  readonly metrics?: Metrics & { text(): Promise<string> };
  readonly store?: OpenStore;
  readonly transport?: Transport;
  /** Asks for the addresses of endpoints' names. */
  readonly resolver?: Resolver;
  /** What `POST /api/v1/reload` does; without it the answer says that nothing can be reloaded. */
  readonly onReload?: () => Promise<ReloadView>;
  readonly setLogLevel?: (level: LogLevel) => void;
  /** 48 secret octets, the same for processes that shall resume each other's TLS sessions; default: this process's own. */
  readonly ticketKeys?: Buffer;
}

/** What the log still holds gets so long to be written. */
const LOG_DRAIN_MS = 1000;

/** Makes a configuration of what a `reload` is given; throws a `ConfigError`. */
export type ReadConfig = (config: HeadgateConfig | LoadedConfig) => LoadedConfig;

/**
 * A gateway that serves in this process. It reads no configuration of its own, so that a process which is handed checked ones
 * loads neither the schema nor the YAML parser.
 */
export class NodeGateway implements WorkerGateway {
  readonly listeners: BoundListener[] = [];
  adminAddress: string | undefined = undefined;
  private readonly overrides: GatewayOverrides;
  private readonly readConfig: ReadConfig;
  private readonly part: WorkerPart | undefined;
  /** Name of this gateway in the fleet. */
  private readonly instanceId: string;
  private config: LoadedConfig;
  private model: SnapshotModel;
  private readonly clock: ClockAndTimers;
  private readonly metrics: Metrics & { text(): Promise<string> };
  readonly log: Log;
  private readonly ownLogs: Logs | undefined;
  private readonly accessLogOf: (format: 'json' | 'combined' | false) => AccessLog | undefined;
  private readonly wheel: DrivenWheel;
  private readonly openStore: OpenStore;
  private readonly limiter: Limiter;
  private readonly upstreams: Upstreams;
  private readonly network: Network;
  private readonly certificates: Certificates;
  private readonly untrusted: UntrustedPeers;
  private readonly context: ProxyContext;
  private readonly sockets: Listener[];
  private admin: AdminServer | undefined = undefined;
  private state: 'new' | 'ready' | 'draining' | 'stopped' = 'new';

  constructor(config: LoadedConfig, overrides: GatewayOverrides, readConfig: ReadConfig, part?: WorkerPart) {
    this.overrides = overrides;
    this.readConfig = readConfig;
    this.part = part;
    this.instanceId = part?.instance ?? randomBytes(9).toString('base64url');
    this.config = config;
    this.model = this.compiled(config);
    this.clock = overrides.clock ?? new SystemClock();
    this.ownLogs = overrides.log === undefined ? stdoutLogs(this.clock, this.model.log.level) : undefined;
    this.log = overrides.log ?? (this.ownLogs as Logs).events;
    this.accessLogOf = overrides.accessLog ?? ((format) => this.ownLogs?.access(format));
    this.metrics = overrides.metrics ?? new PrometheusMetrics({ version: VERSION, clock: this.clock });
    this.wheel = driveWheel(this.clock);
    const { clock, log, metrics } = this;
    const random = overrides.random ?? Math.random;
    this.certificates = new Certificates({ clock, log, metrics, ticketKeys: overrides.ticketKeys });
    this.network = openNetwork(overrides, { clock, random, log, wheel: this.wheel.wheel });
    const identity = { instance: this.instanceId, version: VERSION, configHash: () => this.model.hash };
    const deps = { clock, random, log, metrics, ...identity, workers: part?.workers ?? 1, asWorker: part };
    this.openStore = overrides.store ?? openStore(this.model, deps);
    this.limiter = this.createLimiter();
    this.upstreams = new Upstreams(this.model.upstreams, { clock, random, log, metrics, prober: this.network.prober });
    this.untrusted = new UntrustedPeers(log, metrics, () => this.model);
    this.context = this.createContext(random);
    this.sockets = this.model.listeners.map(
      (listener) => new Listener(listener, this.context, metrics.listener(listener.label)),
    );
    metrics.configLoaded('success', this.model.hash);
  }

  private compiled(loadedConfig: LoadedConfig): SnapshotModel {
    const model = compileConfig(loadedConfig.config, folderOf(loadedConfig), loadedConfig.texts);
    return this.part === undefined ? model : workerModel(model, this.part);
  }

  private createLimiter(): Limiter {
    const { store } = this.openStore;
    return new Limiter({
      store,
      metrics: this.metrics,
      clock: this.clock,
      log: this.log,
      prefix: this.model.store.kind === 'redis' ? this.model.store.prefix : 'headgate',
      secret: this.model.secret,
      createLocal: (nowUs, seed) => new MemoryStore({ nowUs, seed }),
    });
  }

  private createContext(random: Random): ProxyContext {
    const wallUsAt = wallTimes(this.clock);
    // Coarse, for ids and dates need no better: the wheel's last turn.
    const wallMs = (): number => Math.floor(wallUsAt(this.wheel.wheel.nowMs) / 1000);
    return {
      snapshot: this.buildSnapshot(this.model),
      clock: this.clock,
      wheel: this.wheel.wheel,
      random,
      log: this.log,
      tunnels: new OpenTunnels(this.clock, random),
      accessLog: this.accessLogOf(this.model.log.access),
      draining: false,
      wallUsAt,
      newRequestId: requestIds(() => this.wheel.wheel.nowMs, wallMs),
      dateText: dateTexts(wallMs),
      poolOf: (upstream, endpoint) => this.poolOf(upstream, endpoint),
      untrustedForwarded: (peer, place) => this.untrusted.saw(peer, place),
    };
  }

  private buildSnapshot(model: SnapshotModel): ProxyContext['snapshot'] {
    return buildSnapshot(model, { metrics: this.metrics, limiter: this.limiter, upstreams: this.upstreams });
  }

  private poolOf(upstream: Upstream, endpoint: Endpoint): EndpointPool {
    const known = endpoint.pool;
    if (known !== undefined) return known as EndpointPool;
    const deps = { transport: this.network.transport, clock: this.clock, wheel: this.wheel.wheel };
    const pool = new EndpointPool(endpoint.model.address, poolOptions(upstream), deps);
    endpoint.pool = pool;
    return pool;
  }

  get fleet(): { size: number; storeUp: boolean } {
    return { size: this.openStore.store.fleetSize, storeUp: this.openStore.store.available };
  }

  get workers(): SnapshotModel['workers'] {
    return this.model.workers;
  }

  adopt(listener: number, socket: Socket): void {
    if (this.state === 'stopped') socket.destroy();
    else this.sockets[listener]?.adopt(socket);
  }

  limitFigures(): readonly LimiterView[] {
    return this.limiter.view(this.model.limits.values());
  }

  upstreamViews(): readonly UpstreamView[] {
    return this.upstreams.views();
  }

  async start(): Promise<void> {
    try {
      this.certificates.use(this.certificates.prepare(this.model));
      this.reconfigureListeners(this.model);
      if (this.part === undefined) await this.listen();
      await this.startAdmin();
    } catch (error) {
      await this.release();
      if (error instanceof ListenError || error instanceof StartError) throw new StartError(error.message);
      throw error;
    }
    this.openStore.start();
    this.network.names.keep(endpointNames(this.model));
    this.network.names.start();
    this.upstreams.start();
    this.state = 'ready';
  }

  private async listen(): Promise<void> {
    for (const [index, socket] of this.sockets.entries()) {
      const label = this.model.listeners[index]?.label ?? '';
      this.listeners.push({ label, address: await socket.listen() });
    }
  }

  private async startAdmin(): Promise<void> {
    const { admin } = this.model;
    if (admin === undefined) return;
    this.admin = new AdminServer(this.adminSource(), admin, this.log);
    try {
      this.adminAddress = await this.admin.listen(admin.address);
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'the address is in use' : String(error);
      throw new StartError(`cannot open the admin API on ${admin.label}: ${why}`);
    }
  }

  private adminSource(): GatewayAdmin {
    return new GatewayAdmin({
      instanceId: this.instanceId,
      version: VERSION,
      store: this.openStore.store,
      workers: 1,
      limits: (models) => this.limiter.view(models),
      upstreams: () => this.upstreams.views(),
      isReady: () => this.state === 'ready',
      model: () => this.model,
      printable: () => redact(effectiveConfig(this.config.config), this.config.secrets),
      metricsText: () => {
        this.metrics.fleetSize(this.openStore.store.fleetSize);
        return this.metrics.text();
      },
      reload: this.overrides.onReload ?? (async () => ({ ok: false, errors: ['this gateway has no file to reload'] })),
      setLogLevel: (level) => this.setLogLevel(level),
    });
  }

  async reload(config: HeadgateConfig | LoadedConfig): Promise<void> {
    try {
      const next = this.readConfig(config);
      const model = this.compiled(next);
      const fields = restartFields(this.model, model);
      if (fields.length > 0) throw new StartError(`a change of ${fields.join(', ')} needs a restart`);
      this.apply(next, model, this.certificates.prepare(model));
    } catch (error) {
      this.metrics.configLoaded('failure', undefined);
      throw error;
    }
  }

  /** Nothing in here fails: a configuration is put in force whole or not at all. */
  private apply(config: LoadedConfig, model: SnapshotModel, tls: PreparedTls): void {
    this.network.names.keep(endpointNames(model));
    this.upstreams.reconfigure(model.upstreams);
    for (const upstream of model.upstreams.keys()) this.reconfigurePools(this.upstreams.get(upstream));
    this.certificates.use(tls);
    this.reconfigureListeners(model);
    this.limiter.setSecret(model.secret);
    this.context.snapshot = this.buildSnapshot(model);
    this.context.accessLog = this.accessLogOf(model.log.access);
    if (model.log.level !== this.model.log.level) this.setLogLevel(model.log.level);
    if (model.admin !== undefined) this.admin?.setRules(model.admin);
    this.config = config;
    this.model = model;
    this.metrics.configLoaded('success', model.hash);
    // Of workers the primary says so.
    if (this.part === undefined) this.log.info('configuration reloaded', { hash: model.hash });
  }

  /** By address, for their order in the file says nothing. */
  private reconfigureListeners(model: SnapshotModel): void {
    const open = [...this.sockets];
    for (const listener of model.listeners) {
      const at = open.findIndex(({ label }) => label === listener.label);
      if (at >= 0) open.splice(at, 1)[0]?.reconfigure(listener, this.certificates.of(listener));
    }
  }

  private setLogLevel(level: LogLevel): void {
    if (this.ownLogs !== undefined) this.ownLogs.events.level = level;
    this.overrides.setLogLevel?.(level);
  }

  private reconfigurePools(upstream: Upstream | undefined): void {
    for (const { pool } of upstream?.endpoints ?? [])
      (pool as EndpointPool | undefined)?.reconfigure(poolOptions(upstream as Upstream));
  }

  drain(): void {
    this.state = 'draining';
    this.context.draining = true;
  }

  async stop({ delayMs, graceMs }: StopOptions): Promise<void> {
    if (this.state === 'stopped') return;
    this.drain();
    if (delayMs > 0) await this.wait(delayMs);
    for (const socket of this.sockets) socket.stopAccepting();
    this.context.tunnels.drain(graceMs);
    await this.drained(graceMs);
    await this.release();
  }

  private wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.after(ms, resolve));
  }

  /** Until no connection is left, or the time is over. */
  private async drained(graceMs: number): Promise<void> {
    const stepMs = 20;
    for (let left = graceMs; left > 0 && this.openConnections > 0; left -= stepMs) await this.wait(stepMs);
  }

  private get openConnections(): number {
    return this.sockets.reduce((sum, socket) => sum + socket.connectionCount, 0);
  }

  private async release(): Promise<void> {
    if (this.state === 'stopped') return;
    this.state = 'stopped';
    this.context.tunnels.destroyAll();
    for (const socket of this.sockets) {
      socket.stopAccepting();
      socket.destroyAll();
    }
    this.upstreams.stop();
    this.network.names.stop();
    this.certificates.stop();
    await this.admin?.close();
    await this.openStore.close();
    this.wheel.stop();
    await this.ownLogs?.close(LOG_DRAIN_MS);
  }

  inject(request: InjectRequest): Promise<InjectResponse> {
    return inject(this.context, request);
  }
}

function poolOptions({ model }: Upstream): PoolOptions {
  const { maxConnections, connectTimeoutMs, idleTimeoutMs } = model;
  return { maxConnections, connectTimeoutMs, idleTimeoutMs };
}

function stdoutLogs(clock: ClockAndTimers, level: LogLevel): Logs {
  return new Logs({ stream: process.stdout, clock, level, readable: process.stdout.isTTY });
}

/** One of several workers: what a primary makes in each of its processes. */
export function createWorker(config: LoadedConfig, overrides: GatewayOverrides, part: WorkerPart): WorkerGateway {
  return new NodeGateway(config, overrides, alreadyLoaded, part);
}

function alreadyLoaded(config: HeadgateConfig | LoadedConfig): LoadedConfig {
  if ('ok' in config) return config;
  throw new StartError('a worker reloads what its primary has loaded');
}
