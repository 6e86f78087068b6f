import type { Writable } from 'node:stream';
import type { AccessLog, Cancel, ClockAndTimers, LogLevel } from '../../ports.ts';
import { type AccessFormat, LineAccessLog } from './access-log.ts';
import { EventLog } from './event-log.ts';
import { LineSink } from './line-sink.ts';

const REPORT_LOSS_EVERY_MS = 10_000;

export interface LogsOptions {
  /** Usually `process.stdout`. */
  readonly stream: Writable;
  readonly clock: ClockAndTimers;
  readonly level: LogLevel;
  /** A person looks on: lines are for reading. */
  readonly readable: boolean;
  /** Number of this worker, where there are several. */
  readonly worker?: number;
}

/** Both logs of a process on one stream, so that their lines never tear each other apart. */
export class Logs {
  readonly events: EventLog;
  readonly #sink: LineSink;
  readonly #readable: boolean;
  #cancelReport: Cancel = () => {};

  constructor({ stream, clock, level, readable, worker }: LogsOptions) {
    this.#sink = new LineSink(stream, clock);
    this.#readable = readable;
    this.events = new EventLog(this.#sink, { level, clock, readable, worker });
    this.#reportLoss(clock, 0);
  }

  /** The access log of a configuration; undefined where it is off. */
  access(format: AccessFormat | false): AccessLog | undefined {
    return format === false ? undefined : new LineAccessLog(this.#sink, format, this.#readable);
  }

  /** Lines lost since the start, because the reader was too slow. */
  get dropped(): number {
    return this.#sink.dropped;
  }

  /** Hands over what was gathered, without waiting: for a process that ends now. */
  flush(): void {
    this.#sink.flush();
  }

  /** Resolves when all is written, or after `timeoutMs`. Lines may still come. */
  close(timeoutMs: number): Promise<void> {
    this.#cancelReport();
    return this.#sink.drain(timeoutMs);
  }

  #reportLoss(clock: ClockAndTimers, reported: number): void {
    this.#cancelReport = clock.after(REPORT_LOSS_EVERY_MS, () => {
      const { dropped } = this;
      if (dropped > reported) this.events.warn('log lines were lost: their reader is too slow', { dropped });
      this.#reportLoss(clock, dropped);
    });
  }
}
