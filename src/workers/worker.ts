import type { Socket } from 'node:net';
import { Channel, type IpcMessage } from '../adapters/ipc/channel.ts';
import { IpcStore } from '../adapters/ipc/ipc-store.ts';
import type { RefusedMessage, TakenMessage } from '../adapters/ipc/take-messages.ts';
import { Logs } from '../adapters/observe/logs.ts';
import { PrometheusMetrics } from '../adapters/observe/metrics.ts';
import { SystemClock } from '../adapters/observe/system-clock.ts';
import { parseDuration } from '../config/scalars.ts';
import { createWorker } from '../gateway/node-gateway.ts';
import type { OpenStore } from '../gateway/store.ts';
import { VERSION } from '../gateway/version.ts';
import type { WorkerGateway } from '../gateway/worker-part.ts';
import { type Begin, type Counts, receivedConfig, type ToPrimary, type ToWorker } from './messages.ts';

/** What is in flight when a bug ends the process gets so long. */
const CRASH_GRACE_MS = 5000;
const LOG_DRAIN_MS = 1000;
const COUNT_EVERY_MS = 1000;
/** Counting takes no more than one part in so many of the time. */
const COUNT_SHARE = 200;

/** One worker: a gateway whose connections come from its primary, and whose figures go there. */
export class Worker {
  private readonly clock = new SystemClock();
  private readonly channel: Channel;
  private store: IpcStore | undefined;
  private logs: Logs | undefined;
  private metrics: PrometheusMetrics | undefined;
  private gateway: WorkerGateway | undefined;
  private graceMs = 0;
  private ending = false;
  private connections = 0;
  /** Configurations are put in force one after the other. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor() {
    this.channel = new Channel(process, {
      received: (message, socket) => this.received(message, socket),
      closed: () => this.orphaned(),
    });
    process.on('uncaughtException', (error) => this.crashed(error));
    process.on('unhandledRejection', (error) => this.crashed(error));
  }

  private received(message: IpcMessage, socket: Socket | undefined): void {
    if (Array.isArray(message)) this.store?.received(message as unknown as TakenMessage | RefusedMessage);
    else this.heard(message as ToWorker, socket);
  }

  private heard(message: ToWorker, socket: Socket | undefined): void {
    switch (message.type) {
      case 'begin':
        this.turn = this.begin(message);
        return;
      case 'connection':
        this.take(message.listener, socket);
        return;
      case 'reload':
        this.turn = this.turn.then(() => this.reload(message));
        return;
      case 'count':
        void this.counts((metrics) => metrics.text()).then((value) =>
          this.tell({ type: 'answer', id: message.id, value }),
        );
        return;
      case 'upstreams':
        this.tell({ type: 'answer', id: message.id, value: this.gateway?.upstreamViews() ?? [] });
        return;
      case 'poke':
        this.tell({ type: 'alive' });
        return;
      case 'level':
        if (this.logs !== undefined) this.logs.events.level = message.level;
        return;
      case 'drain':
        this.gateway?.drain();
        return;
      case 'stop':
        void this.end(message.graceMs, 0);
    }
  }

  private tell(message: ToPrimary, written?: () => void): void {
    if (!this.channel.send(message, undefined, written)) written?.();
  }

  private async begin(begin: Begin): Promise<void> {
    const { clock } = this;
    const { config, part, level, readable, number, ticketKeys } = begin;
    process.title = `headgate worker ${number}`;
    const logs = new Logs({ stream: process.stdout, clock, level, readable, worker: number });
    this.logs = logs;
    this.metrics = new PrometheusMetrics({ version: VERSION, clock, droppedLogLines: () => logs.dropped });
    try {
      const loaded = receivedConfig(config);
      const overrides = {
        clock,
        log: logs.events,
        accessLog: logs.access.bind(logs),
        metrics: this.metrics,
        ticketKeys: Buffer.from(ticketKeys, 'base64'),
        setLogLevel: (next: typeof level) => {
          logs.events.level = next;
        },
      };
      const store = config.config.store === 'memory' ? this.openStore(begin) : undefined;
      this.gateway = createWorker(loaded, store === undefined ? overrides : { ...overrides, store }, part);
      await this.gateway.start();
      this.graceMs = graceOf(begin);
    } catch (error) {
      this.tell({ type: 'failed', message: (error as Error).message }, () => process.exit(1));
      return;
    }
    this.tell({ type: 'ready' });
    this.countLater(COUNT_EVERY_MS);
  }

  /** The store is in the primary. */
  private openStore({ part }: Begin): OpenStore {
    const { clock, logs } = this;
    const store = new IpcStore({
      send: (message) => this.channel.send(message),
      clock,
      random: Math.random,
      log: (logs as Logs).events,
      secret: part.secret ?? '',
      workers: part.workers,
    });
    this.store = store;
    return { store, start: () => {}, close: async () => store.close() };
  }

  private take(listener: number, socket: Socket | undefined): void {
    if (socket !== undefined) {
      this.connections++;
      socket.once('close', () => this.connections--);
    }
    this.tell({ type: 'taken', connections: this.connections });
    if (socket === undefined) return;
    if (this.gateway === undefined) socket.destroy();
    else this.gateway.adopt(listener, socket);
  }

  private async reload(message: ToWorker & { type: 'reload' }): Promise<void> {
    let problem: string | null = null;
    try {
      await this.gateway?.reload(receivedConfig(message.config));
      this.graceMs = graceOf(message);
    } catch (error) {
      problem = (error as Error).message;
    }
    this.tell({ type: 'answer', id: message.id, value: problem });
  }

  private async counts(textOf = (metrics: PrometheusMetrics) => metrics.textSoFar()): Promise<Counts> {
    const { metrics } = this;
    return { metrics: metrics === undefined ? '' : await textOf(metrics), limits: this.gateway?.limitFigures() ?? [] };
  }

  /** The next only when this one was taken: a primary that hangs is not sent ever more. */
  private countLater(inMs: number): void {
    this.clock.after(inMs, async () => {
      const startMs = this.clock.nowMs();
      const counts = await this.counts();
      const tookMs = this.clock.nowMs() - startMs;
      const next = (): void => this.countLater(Math.max(COUNT_EVERY_MS, tookMs * COUNT_SHARE));
      if (!this.ending) this.tell({ type: 'counts', counts, connections: this.connections }, next);
    });
  }

  /** Serves what is in flight, tells its last counts, and ends the process. */
  private async end(graceMs: number, code: number): Promise<void> {
    if (this.ending) return;
    this.ending = true;
    // Timers of the gateway keep no process alive.
    const alive = setInterval(() => {}, 1000);
    try {
      await this.gateway?.stop({ delayMs: 0, graceMs });
    } catch (error) {
      this.logs?.events.error('a worker did not stop cleanly', { stack: stackOf(error) });
    }
    const counts = await this.counts();
    await this.logs?.close(LOG_DRAIN_MS);
    clearInterval(alive);
    this.tell({ type: 'counts', counts, connections: 0 }, () => process.exit(code));
  }

  private crashed(error: unknown): void {
    if (this.logs === undefined) process.stderr.write(`${stackOf(error)}\n`);
    else this.logs.events.error('a bug: the worker ends', { stack: stackOf(error) });
    if (this.ending) return;
    this.tell({ type: 'leaving' });
    this.gateway?.drain();
    void this.end(CRASH_GRACE_MS, 1);
  }

  /** The primary is gone: no connection comes any more, and nobody would end this process. */
  private orphaned(): void {
    this.store?.close();
    void this.end(this.graceMs, 0);
  }
}

function graceOf({ config }: Pick<Begin, 'config'>): number {
  return parseDuration(config.config.shutdown.grace) ?? 0;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
