import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { MemoryStore } from './adapters/memory/memory-store.ts';
import { dateTexts } from './adapters/net/date-text.ts';
import { ListenError, Listener } from './adapters/net/listener.ts';
import { NetProber } from './adapters/net/prober.ts';
import { requestIds } from './adapters/net/request-id.ts';
import { tcpTransport } from './adapters/net/tcp-transport.ts';
import { wallTimes } from './adapters/net/wall-times.ts';
import { type DrivenWheel, driveWheel } from './adapters/net/wheel-driver.ts';
import { Logs } from './adapters/observe/logs.ts';
import { PrometheusMetrics } from './adapters/observe/metrics.ts';
import { SystemClock } from './adapters/observe/system-clock.ts';
import { AdminServer } from './admin/admin-server.ts';
import type { ReloadView } from './admin/api-types.ts';
import { compileConfig } from './config/compile.ts';
import { restartFields } from './config/diff.ts';
import { effectiveConfig } from './config/effective.ts';
import { type ConfigIssue, formatIssue } from './config/issue.ts';
import { type LoadedConfig, parseConfig } from './config/load.ts';
import { redact } from './config/redact.ts';
import type { HeadgateConfig } from './config/schema.ts';
import type { SnapshotModel } from './config/snapshot.ts';
import type { Random } from './core/random.ts';
import { GatewayAdmin } from './gateway/gateway-admin.ts';
import { type InjectRequest, type InjectResponse, inject } from './gateway/inject.ts';
import { buildSnapshot } from './gateway/routes.ts';
import { type OpenStore, openStore } from './gateway/store.ts';
import { UntrustedPeers } from './gateway/untrusted-peers.ts';
import { Limiter } from './limits/limiter.ts';
import type { AccessLog, ClockAndTimers, Log, LogLevel, Metrics } from './ports.ts';
import type { ProxyContext } from './proxy/context.ts';
import type { Transport } from './upstream/channel.ts';
import type { Endpoint } from './upstream/endpoint.ts';
import { EndpointPool, type PoolOptions } from './upstream/pool.ts';
import type { Upstream } from './upstream/upstream.ts';
import { Upstreams } from './upstream/upstreams.ts';

/** The configuration is not valid; `issues` are all its errors, `message` lists them, one a line. */
export class ConfigError extends Error {
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[]) {
    super(issues.map(formatIssue).join('\n'));
    this.issues = issues;
  }
}

/** The gateway could not start (a port in use, …) or reload; the message is one line for people. */
export class StartError extends Error {}

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
  /** What `POST /api/v1/reload` does; without it the answer says that nothing can be reloaded. */
  readonly onReload?: () => Promise<ReloadView>;
  readonly setLogLevel?: (level: LogLevel) => void;
}

export interface StopOptions {
  /** Requests are still accepted for so long, while readiness already fails. */
  readonly delayMs: number;
  /** Then those in flight get so long. */
  readonly graceMs: number;
}

export interface BoundListener {
  /** As written in the configuration. */
  readonly label: string;
  /** As bound: `host:port` or `unix:/path`. */
  readonly address: string;
}

/** A gateway in this process. */
export interface Gateway {
  /** Opens the listeners and the admin API. Rejects with a `StartError`. */
  start(): Promise<void>;
  /** Puts another configuration in force. Rejects with a `ConfigError` or `StartError` and changes nothing then. */
  reload(config: HeadgateConfig | LoadedConfig): Promise<void>;
  stop(options: StopOptions): Promise<void>;
  /** Sends a request through the whole gateway without a socket on the client's side. */
  inject(request: InjectRequest): Promise<InjectResponse>;
  readonly listeners: readonly BoundListener[];
  readonly adminAddress: string | undefined;
  /** The gateways on this one's store, itself included; and whether the store answers. */
  readonly fleet: { readonly size: number; readonly storeUp: boolean };
}

/** What the log still holds gets so long to be written. */
const LOG_DRAIN_MS = 1000;

export const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;

/** Makes a gateway of a configuration as one would write it, or as `loadConfigFile` gives it. Throws a `ConfigError`. */
export function createGateway(config: HeadgateConfig | LoadedConfig, overrides: GatewayOverrides = {}): Gateway {
  return new NodeGateway(loaded(config), overrides);
}

function loaded(config: HeadgateConfig | LoadedConfig): LoadedConfig {
  if ('ok' in config) return config;
  const result = parseConfig(config, process.env);
  if (!result.ok) throw new ConfigError(result.errors);
  return result;
}

class NodeGateway implements Gateway {
  readonly listeners: BoundListener[] = [];
  adminAddress: string | undefined = undefined;
  private readonly overrides: GatewayOverrides;
  /** Name of this process in the fleet. */
  private readonly instanceId = randomBytes(9).toString('base64url');
  private config: LoadedConfig;
  private model: SnapshotModel;
  private readonly clock: ClockAndTimers;
  private readonly metrics: Metrics & { text(): Promise<string> };
  private readonly log: Log;
  private readonly ownLogs: Logs | undefined;
  private readonly accessLogOf: (format: 'json' | 'combined' | false) => AccessLog | undefined;
  private readonly wheel: DrivenWheel;
  private readonly openStore: OpenStore;
  private readonly limiter: Limiter;
  private readonly upstreams: Upstreams;
  private readonly transport: Transport;
  private readonly untrusted: UntrustedPeers;
  private readonly context: ProxyContext;
  private readonly sockets: Listener[];
  private admin: AdminServer | undefined = undefined;
  private state: 'new' | 'ready' | 'draining' | 'stopped' = 'new';

  constructor(config: LoadedConfig, overrides: GatewayOverrides) {
    this.overrides = overrides;
    this.config = config;
    this.model = compileConfig(config.config);
    this.clock = overrides.clock ?? new SystemClock();
    this.ownLogs = overrides.log === undefined ? stdoutLogs(this.clock, this.model.log.level) : undefined;
    this.log = overrides.log ?? (this.ownLogs as Logs).events;
    this.accessLogOf = overrides.accessLog ?? ((format) => this.ownLogs?.access(format));
    this.metrics = overrides.metrics ?? new PrometheusMetrics({ version: VERSION, clock: this.clock });
    this.wheel = driveWheel(this.clock);
    this.transport = overrides.transport ?? tcpTransport(this.wheel.wheel, this.clock);
    const { clock, log, metrics } = this;
    const random = overrides.random ?? Math.random;
    const identity = { instance: this.instanceId, version: VERSION, configHash: () => this.model.hash };
    this.openStore = overrides.store ?? openStore(this.model, { clock, random, log, metrics, ...identity });
    this.limiter = this.createLimiter();
    this.upstreams = new Upstreams(this.model.upstreams, { clock, random, log, metrics, prober: new NetProber() });
    this.untrusted = new UntrustedPeers(log, metrics, () => this.model);
    this.context = this.createContext(random);
    this.sockets = this.model.listeners.map(
      (listener) => new Listener(listener, this.context, metrics.listener(listener.label)),
    );
    metrics.configLoaded('success', this.model.hash);
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
    const deps = { transport: this.transport, clock: this.clock, wheel: this.wheel.wheel };
    const pool = new EndpointPool(endpoint.model.address, poolOptions(upstream), deps);
    endpoint.pool = pool;
    return pool;
  }

  get fleet(): { size: number; storeUp: boolean } {
    return { size: this.openStore.store.fleetSize, storeUp: this.openStore.store.available };
  }

  async start(): Promise<void> {
    try {
      for (const [index, socket] of this.sockets.entries()) {
        const label = this.model.listeners[index]?.label ?? '';
        this.listeners.push({ label, address: await socket.listen() });
      }
      await this.startAdmin();
    } catch (error) {
      await this.release();
      if (error instanceof ListenError || error instanceof StartError) throw new StartError(error.message);
      throw error;
    }
    this.openStore.start();
    this.upstreams.start();
    this.state = 'ready';
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
      limiter: this.limiter,
      store: this.openStore.store,
      upstreams: this.upstreams,
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
      const next = loaded(config);
      const model = compileConfig(next.config);
      const fields = restartFields(this.model, model);
      if (fields.length > 0) throw new StartError(`a change of ${fields.join(', ')} needs a restart`);
      this.apply(next, model);
    } catch (error) {
      this.metrics.configLoaded('failure', undefined);
      throw error;
    }
  }

  /** Nothing in here fails: a configuration is put in force whole or not at all. */
  private apply(config: LoadedConfig, model: SnapshotModel): void {
    this.upstreams.reconfigure(model.upstreams);
    for (const upstream of model.upstreams.keys()) this.reconfigurePools(this.upstreams.get(upstream));
    this.reconfigureListeners(model);
    this.limiter.setSecret(model.secret);
    this.context.snapshot = this.buildSnapshot(model);
    this.context.accessLog = this.accessLogOf(model.log.access);
    if (model.log.level !== this.model.log.level) this.setLogLevel(model.log.level);
    if (model.admin !== undefined) this.admin?.setRules(model.admin);
    this.config = config;
    this.model = model;
    this.metrics.configLoaded('success', model.hash);
    this.log.info('configuration reloaded', { hash: model.hash });
  }

  /** By address, for their order in the file says nothing. */
  private reconfigureListeners(model: SnapshotModel): void {
    const open = [...this.sockets];
    for (const listener of model.listeners) {
      const at = open.findIndex(({ label }) => label === listener.label);
      if (at >= 0) open.splice(at, 1)[0]?.reconfigure(listener);
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

  async stop({ delayMs, graceMs }: StopOptions): Promise<void> {
    if (this.state === 'stopped') return;
    this.state = 'draining';
    this.context.draining = true;
    if (delayMs > 0) await this.wait(delayMs);
    for (const socket of this.sockets) socket.stopAccepting();
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
    for (const socket of this.sockets) {
      socket.stopAccepting();
      socket.destroyAll();
    }
    this.upstreams.stop();
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
