import { randomBytes } from 'node:crypto';
import type { Writable } from 'node:stream';
import { StoreHost } from '../adapters/ipc/store-host.ts';
import { AdminServer } from '../admin/admin-server.ts';
import type { ReloadView } from '../admin/api-types.ts';
import { compileConfig } from '../config/compile.ts';
import { restartFields } from '../config/diff.ts';
import { effectiveConfig } from '../config/effective.ts';
import { folderOf } from '../config/folder-of.ts';
import type { LoadedConfig } from '../config/load.ts';
import { redact } from '../config/redact.ts';
import type { SnapshotModel } from '../config/snapshot.ts';
import { StartError } from '../gateway/errors.ts';
import { GatewayAdmin } from '../gateway/gateway-admin.ts';
import type { BoundListener, Gateway, StopOptions } from '../gateway/gateway-types.ts';
import { type OpenStore, openStore } from '../gateway/store.ts';
import type { WorkerPart } from '../gateway/worker-part.ts';
import { isSync } from '../limits/limit-store.ts';
import type { ClockAndTimers, Log, LogLevel, Metrics } from '../ports.ts';
import { Doors } from './doors.ts';
import { HandOver } from './hand-over.ts';
import { type Begin, sentConfig } from './messages.ts';
import { Spare } from './spare.ts';
import { Supervisor } from './supervisor.ts';
import { Tally } from './tally.ts';
import { WorkerProcess, type WorkerProcessEvents } from './worker-process.ts';

export interface PrimaryOptions {
  readonly workers: number;
  readonly version: string;
  readonly clock: ClockAndTimers;
  readonly log: Log;
  readonly metrics: Metrics & { text(): Promise<string> };
  /** Where the log lines of the workers go. */
  readonly stdout: Writable;
  /** A person reads them. */
  readonly readable: boolean;
  readonly setLogLevel: (level: LogLevel) => void;
  /** What `POST /api/v1/reload` does. */
  readonly onReload?: () => Promise<ReloadView>;
}

/** A worker that has not put a configuration in force by then is replaced by one that begins with it. */
const RELOAD_TIMEOUT_MS = 5000;
/** Past their grace, workers have so long to write their logs and end. */
const END_AFTER_GRACE_MS = 3000;
/** As `tls.createServer` wants them. */
const TICKET_KEY_BYTES = 48;

/**
 * A gateway of several processes. This one has no data plane: it holds the listening sockets and gives each connection to
 * a worker, keeps the workers going, and owns what there is one of: the admin API, the membership in the fleet, the store
 * of limits where that is memory, the log, and the sum of the metrics.
 */
export class Primary implements Omit<Gateway, 'inject'> {
  adminAddress: string | undefined = undefined;
  private readonly options: PrimaryOptions;
  private readonly instance = randomBytes(9).toString('base64url');
  /** Of this gateway where none is configured and the store keeps none. */
  private readonly secret = randomBytes(24).toString('base64url');
  private readonly ticketKeys = randomBytes(TICKET_KEY_BYTES).toString('base64');
  private config: LoadedConfig;
  private model: SnapshotModel;
  private level: LogLevel;
  private readonly store: OpenStore;
  private readonly doors: Doors;
  private readonly handOver = new HandOver();
  private readonly supervisor: Supervisor;
  private readonly spare: Spare;
  private readonly tally: Tally;
  private admin: AdminServer | undefined = undefined;
  private state: 'new' | 'ready' | 'draining' | 'stopped' = 'new';
  private readonly killAll = (): void => {
    this.spare.stop();
    this.supervisor.kill();
  };

  constructor(config: LoadedConfig, options: PrimaryOptions) {
    this.options = options;
    this.config = config;
    this.model = compiled(config);
    this.level = this.model.log.level;
    const { clock, log, metrics, version, workers } = options;
    const identity = { instance: this.instance, version, configHash: () => this.model.hash };
    this.store = openStore(this.model, { clock, random: Math.random, log, metrics, workers, ...identity });
    this.doors = new Doors(log, (listener, socket) => this.handOver.offer({ listener, socket }));
    this.supervisor = new Supervisor({
      count: workers,
      clock,
      log,
      spawn: (number, events) => this.spawn(number, events),
      free: (worker) => this.handOver.add(worker),
      left: (worker) => this.handOver.remove(worker),
      replaced: () => this.spare.prepare(),
      gone: (worker, lost) => {
        this.tally.bury(worker);
        if (lost !== undefined) this.handOver.offerAgain(lost);
      },
    });
    this.spare = new Spare(clock, () => this.makeRoom());
    this.tally = new Tally(() => this.supervisor.workers);
    metrics.configLoaded('success', this.model.hash);
  }

  get listeners(): readonly BoundListener[] {
    return this.doors.bound;
  }

  get fleet(): { size: number; storeUp: boolean } {
    return { size: this.store.store.fleetSize, storeUp: this.store.store.available };
  }

  async start(): Promise<void> {
    // However this process ends, short of SIGKILL, no worker stays behind; then they see that it is gone.
    process.once('exit', this.killAll);
    try {
      await this.doors.open(this.model.listeners);
      await this.startAdmin();
      await this.supervisor.start();
    } catch (error) {
      await this.release();
      throw error;
    }
    this.store.start();
    this.state = 'ready';
    this.spare.prepare();
  }

  async reload(config: Parameters<Gateway['reload']>[0]): Promise<void> {
    try {
      if (!('ok' in config)) throw new StartError('a gateway with workers reloads what was loaded');
      const model = compiled(config);
      const fields = restartFields(this.model, model);
      if (fields.length > 0) throw new StartError(`a change of ${fields.join(', ')} needs a restart`);
      await this.apply(config, model);
    } catch (error) {
      this.options.metrics.configLoaded('failure', undefined);
      throw error;
    }
  }

  /** It was found good before any worker hears of it; one that yet cannot put it in force is replaced. */
  private async apply(config: LoadedConfig, model: SnapshotModel): Promise<void> {
    const old = this.model;
    this.config = config;
    this.model = model;
    if (model.log.level !== old.log.level) this.setLogLevel(model.log.level);
    if (model.admin !== undefined) this.admin?.setRules(model.admin);
    if (model.secret !== old.secret) this.store.store.setSecret?.(model.secret);
    const sent = sentConfig(config);
    await Promise.all(this.supervisor.workers.map((worker) => this.reloadWorker(worker, sent)));
    this.options.metrics.configLoaded('success', model.hash);
    this.options.log.info('configuration reloaded', { hash: model.hash });
  }

  private async reloadWorker(worker: WorkerProcess, config: Begin['config']): Promise<void> {
    const question = { type: 'reload', config } as const;
    const problem = await worker.ask(question, RELOAD_TIMEOUT_MS);
    if (problem === null || !this.supervisor.workers.includes(worker)) return;
    const why = problem ?? 'it does not answer';
    this.options.log.error('a worker could not reload: another takes its place', { worker: worker.number, why });
    worker.kill();
  }

  private setLogLevel(level: LogLevel): void {
    this.level = level;
    this.options.setLogLevel(level);
    for (const worker of this.supervisor.workers) worker.tell({ type: 'level', level });
  }

  async stop({ delayMs, graceMs }: StopOptions): Promise<void> {
    if (this.state === 'stopped') return;
    this.state = 'draining';
    this.supervisor.stop();
    this.spare.stop();
    for (const worker of this.supervisor.workers) worker.tell({ type: 'drain' });
    if (delayMs > 0) await this.wait(delayMs);
    this.doors.close();
    await Promise.race([this.handOver.empty(), this.wait(graceMs)]);
    for (const worker of this.supervisor.workers) worker.tell({ type: 'stop', graceMs });
    await this.supervisor.allGone(graceMs + END_AFTER_GRACE_MS);
    await this.release();
  }

  private wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.options.clock.after(ms, resolve));
  }

  private async release(): Promise<void> {
    this.state = 'stopped';
    this.supervisor.stop();
    this.killAll();
    this.doors.close();
    this.handOver.drop();
    await this.admin?.close();
    await this.store.close();
    process.off('exit', this.killAll);
  }

  private spawn(number: number, events: WorkerProcessEvents): WorkerProcess {
    const { clock, stdout, readable } = this.options;
    const { store } = this.store;
    const begin: Begin = {
      type: 'begin',
      number,
      config: sentConfig(this.config),
      part: this.part(),
      level: this.level,
      ticketKeys: this.ticketKeys,
      readable,
    };
    const host = isSync(store) ? new StoreHost(store) : undefined;
    return new WorkerProcess(this.spare.take(), begin, events, { clock, stdout, store: host });
  }

  /** Connections that wait for a worker may hold the very descriptors that it takes to start one. */
  private makeRoom(): void {
    const closed = this.handOver.waitingCount;
    this.handOver.drop();
    this.options.log.error('there is no room for a worker: connections that waited for one are closed', { closed });
  }

  private part(): WorkerPart {
    const { store } = this.store;
    const secret = isSync(store) ? this.secret : store.secret;
    const listeners = this.doors.bound.map(({ label }) => label);
    return { instance: this.instance, workers: this.options.workers, listeners, members: store.members, secret };
  }

  private async startAdmin(): Promise<void> {
    const { admin } = this.model;
    if (admin === undefined) return;
    this.admin = new AdminServer(this.adminSource(), admin, this.options.log);
    try {
      this.adminAddress = await this.admin.listen(admin.address);
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'the address is in use' : String(error);
      throw new StartError(`cannot open the admin API on ${admin.label}: ${why}`);
    }
  }

  private adminSource(): GatewayAdmin {
    return new GatewayAdmin({
      instanceId: this.instance,
      version: this.options.version,
      store: this.store.store,
      workers: this.options.workers,
      limits: (models) => this.tally.limits(Array.from(models, ({ name }) => name)),
      upstreams: () => this.tally.upstreams(),
      isReady: () => this.state === 'ready' && this.supervisor.readyCount > 0,
      model: () => this.model,
      printable: () => redact(effectiveConfig(this.config.config), this.config.secrets),
      metricsText: () => this.metricsText(),
      reload: this.options.onReload ?? (async () => ({ ok: false, errors: ['this gateway has no file to reload'] })),
      setLogLevel: (level) => this.setLogLevel(level),
    });
  }

  private async metricsText(): Promise<string> {
    const { metrics } = this.options;
    metrics.fleetSize(this.store.store.fleetSize);
    return (await this.tally.metrics(await metrics.text())) + this.ownText();
  }

  private ownText(): string {
    return [
      '# HELP headgate_workers Processes that serve now.',
      '# TYPE headgate_workers gauge',
      `headgate_workers ${this.supervisor.readyCount}`,
      '# HELP headgate_worker_restarts_total Workers that ended and were replaced.',
      '# TYPE headgate_worker_restarts_total counter',
      `headgate_worker_restarts_total ${this.supervisor.restarts}`,
      '',
    ].join('\n');
  }
}

function compiled(config: LoadedConfig): SnapshotModel {
  return compileConfig(config.config, folderOf(config), config.texts);
}
