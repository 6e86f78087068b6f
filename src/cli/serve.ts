import { availableParallelism } from 'node:os';
import { Logs } from '../adapters/observe/logs.ts';
import { PrometheusMetrics } from '../adapters/observe/metrics.ts';
import { SystemClock } from '../adapters/observe/system-clock.ts';
import type { ReloadView } from '../admin/api-types.ts';
import { formatIssue } from '../config/issue.ts';
import type { LoadedConfig, LoadResult } from '../config/load.ts';
import { parseDuration } from '../config/scalars.ts';
import { workerCount } from '../config/worker-count.ts';
import { ConfigError, createGateway, type Gateway, StartError, type StopOptions } from '../gateway.ts';
import type { LogLevel } from '../ports.ts';
import { Primary } from '../workers/primary.ts';
import { bannerLines } from './banner.ts';
import { CommandError, EXIT } from './exit.ts';
import { version } from './version.ts';

/** What is in flight when a bug ends the process gets so long. */
const CRASH_GRACE_MS = 5000;
const LOG_DRAIN_MS = 1000;

/** A gateway that serves in this process, or in workers that this process looks after, with its logs. */
export class Served {
  readonly gateway: Omit<Gateway, 'inject'>;
  readonly logs: Logs;
  readonly clock = new SystemClock();
  readonly #metrics: PrometheusMetrics;
  readonly #load: (() => Promise<LoadResult>) | undefined;
  #config: LoadedConfig;
  /** Reloads run one after the other, each on the outcome of the one before. */
  #reloads: Promise<unknown> = Promise.resolve();

  /** `load` reads the configuration again; without it nothing can be reloaded. */
  constructor(config: LoadedConfig, load?: () => Promise<LoadResult>) {
    const { clock } = this;
    const { level } = config.config.log;
    this.#config = config;
    this.#load = load;
    this.logs = new Logs({ stream: process.stdout, clock, level, readable: process.stdout.isTTY === true });
    const { logs } = this;
    this.#metrics = new PrometheusMetrics({ version: version(), clock, droppedLogLines: () => logs.dropped });
    this.gateway = this.#createGateway(config);
  }

  #createGateway(config: LoadedConfig): Omit<Gateway, 'inject'> {
    const { clock, logs } = this;
    const parts = {
      clock,
      log: logs.events,
      metrics: this.#metrics,
      setLogLevel: (next: LogLevel): void => {
        logs.events.level = next;
      },
      ...(this.#load === undefined ? {} : { onReload: () => this.reload() }),
    };
    const workers = this.#workers();
    if (workers === 1) return createGateway(config, { ...parts, accessLog: (format) => logs.access(format) });
    const { stdout } = process;
    return new Primary(config, { ...parts, workers, version: version(), stdout, readable: stdout.isTTY === true });
  }

  /** Throws a CommandError with one line where it cannot start. */
  async start(): Promise<void> {
    try {
      await this.gateway.start();
    } catch (error) {
      if (error instanceof StartError || error instanceof ConfigError) throw new CommandError(error.message);
      throw error;
    }
  }

  /** Says where it listens, whatever the level of the log is, and what is doubtful in the configuration. */
  announce(): void {
    const { events } = this.logs;
    const { level } = events;
    events.level = 'info';
    const lines = bannerLines(this.gateway, this.#config, version(), this.#workers());
    if (process.stdout.isTTY === true) process.stdout.write(`${lines.join('\n')}\n`);
    else for (const line of lines) events.info(line);
    events.level = level;
    for (const warning of this.#config.warnings) events.warn(`configuration: ${formatIssue(warning)}`);
  }

  /** Loads the configuration again. A bad one is logged with all its errors and changes nothing. */
  reload(): Promise<ReloadView> {
    const next = this.#reloads.then(() => this.#reloadNow());
    this.#reloads = next;
    return next;
  }

  async #reloadNow(): Promise<ReloadView> {
    if (this.#load === undefined) return { ok: false, errors: ['there is no file to reload'] };
    const loaded = await this.#load();
    if (!loaded.ok) {
      // The gateway counts what it refuses itself; of this one it never hears.
      this.#metrics.configLoaded('failure', undefined);
      return this.#refused(loaded.errors.map(formatIssue));
    }
    try {
      await this.gateway.reload(loaded);
    } catch (error) {
      if (error instanceof ConfigError) return this.#refused(error.issues.map(formatIssue));
      if (error instanceof StartError) return this.#refused([error.message]);
      throw error;
    }
    this.#config = loaded;
    for (const warning of loaded.warnings) this.logs.events.warn(`configuration: ${formatIssue(warning)}`);
    return { ok: true };
  }

  #refused(errors: readonly string[]): ReloadView {
    const { events } = this.logs;
    for (const error of errors) events.error(`configuration: ${error}`);
    events.error('reload failed, nothing was changed');
    return { ok: false, errors };
  }

  /**
   * Resolves with the exit code when the process shall end. SIGTERM keeps accepting for `shutdown.delay`, SIGINT does
   * not; both give what is in flight `shutdown.grace`; a second one ends at once. A bug that nobody caught is logged,
   * and ends the process within seconds.
   */
  untilEnd(): Promise<number> {
    return new Promise((resolve) => {
      let ending = false;
      let code: number = EXIT.good;
      const close = (): void => void this.close(code).then(() => resolve(code));
      const end = (stop: StopOptions): void => {
        ending = true;
        void this.gateway.stop(stop).then(close, (error: unknown) => {
          this.logs.events.error('the gateway did not stop cleanly', { stack: stackOf(error) });
          code = EXIT.invalid;
          close();
        });
      };
      const onSignal = (signal: NodeJS.Signals): void => {
        if (ending) {
          this.logs.events.warn(`${signal} again: ending at once`);
          close();
          return;
        }
        const { delayMs, graceMs } = this.#shutdown();
        const stop = { delayMs: signal === 'SIGTERM' ? delayMs : 0, graceMs };
        this.logs.events.info(`${signal}: draining`, stop);
        end(stop);
      };
      const onBug = (error: unknown): void => {
        this.logs.events.error('a bug: the gateway ends', { stack: stackOf(error) });
        if (code === EXIT.invalid) return;
        code = EXIT.invalid;
        // Also where it was about to end anyway: nobody knows what state it is in.
        end({ delayMs: 0, graceMs: CRASH_GRACE_MS });
      };
      process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
      process.on('uncaughtException', onBug).on('unhandledRejection', onBug);
    });
  }

  /** Writes what the log still holds; answers `code`. */
  async close(code: number): Promise<number> {
    await this.logs.close(LOG_DRAIN_MS);
    return code;
  }

  #workers(): number {
    return workerCount(this.#config.config.workers, availableParallelism());
  }

  #shutdown(): StopOptions {
    const { delay, grace } = this.#config.config.shutdown;
    return { delayMs: parseDuration(delay) ?? 0, graceMs: parseDuration(grace) ?? 0 };
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
