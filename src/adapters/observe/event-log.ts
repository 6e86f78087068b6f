import { type Logger, pino } from 'pino';
import type { Clock } from '../../core/clock.ts';
import type { Log, LogLevel } from '../../ports.ts';
import { isoMicros } from './iso-time.ts';
import type { LineSink } from './line-sink.ts';

export interface EventLogOptions {
  readonly level: LogLevel;
  readonly clock: Clock;
  /** Lines for people instead of JSON. */
  readonly readable: boolean;
  /** Number of the worker that speaks, where there are several. */
  readonly worker?: number | undefined;
}

/** The event log: JSON lines (`kind: event`), or lines for people on a terminal. Events are rare and written at once. */
export class EventLog implements Log {
  readonly #logger: Logger;

  constructor(sink: LineSink, { level, clock, readable, worker }: EventLogOptions) {
    const write = (line: string): void => {
      sink.write(readable ? readableEvent(line) : line.replace(/[\u007f-\u009f\u2028\u2029]/g, '?'));
      sink.flush();
    };
    this.#logger = pino(
      {
        level,
        base: worker === undefined ? { kind: 'event' } : { kind: 'event', worker },
        messageKey: 'message',
        timestamp: () => `,"time":"${isoMicros(clock.wallUs())}"`,
        formatters: { level: (label) => ({ level: label }) },
      },
      { write },
    );
  }

  get level(): LogLevel {
    return this.#logger.level as LogLevel;
  }

  set level(level: LogLevel) {
    this.#logger.level = level;
  }

  debug(message: string, fields?: Record<string, unknown>): void {
    this.#logger.debug(fields ?? {}, message);
  }

  info(message: string, fields?: Record<string, unknown>): void {
    this.#logger.info(fields ?? {}, message);
  }

  warn(message: string, fields?: Record<string, unknown>): void {
    this.#logger.warn(fields ?? {}, message);
  }

  error(message: string, fields?: Record<string, unknown>): void {
    this.#logger.error(fields ?? {}, message);
  }
}

/** `14:37:21.417  warn   message  name=value`. */
function readableEvent(line: string): string {
  const { level, kind: _, time, message, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const details = Object.entries(fields)
    .map(([name, value]) => `  ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('');
  const text = `${String(time).slice(11, 23)}  ${String(level).padEnd(5)}  ${String(message)}${details}`;
  return `${text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/g, '?')}\n`;
}
