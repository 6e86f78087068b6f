import type { Log } from '../../src/ports.ts';

export interface LoggedEvent {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

/** A log that keeps what it is told. */
export class KeptLog implements Log {
  readonly events: LoggedEvent[] = [];

  debug(message: string, fields?: Record<string, unknown>): void {
    this.#keep('debug', message, fields);
  }

  info(message: string, fields?: Record<string, unknown>): void {
    this.#keep('info', message, fields);
  }

  warn(message: string, fields?: Record<string, unknown>): void {
    this.#keep('warn', message, fields);
  }

  error(message: string, fields?: Record<string, unknown>): void {
    this.#keep('error', message, fields);
  }

  /** Those whose message matches. */
  matching(pattern: RegExp): LoggedEvent[] {
    return this.events.filter(({ message }) => pattern.test(message));
  }

  #keep(level: keyof Log, message: string, fields: Record<string, unknown> = {}): void {
    this.events.push({ level, message, fields });
  }
}
