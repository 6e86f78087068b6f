import type { Writable } from 'node:stream';
import type { Cancel, Timers } from '../../ports.ts';

/** Lines are handed to the stream in chunks of about this size; more would only add latency. */
const CHUNK_CHARS = 8 * 1024;
/** What waits for a slow reader at most, so that its pace never becomes the requests' pace nor the heap's size. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;
const FLUSH_AFTER_MS = 50;

/**
 * Where all log lines of the process go: they are gathered and written in chunks. A reader that does not keep up loses
 * lines, which are counted; a request never waits for it. Standard output as a pipe or file never blocks here.
 */
export class LineSink {
  readonly #stream: Writable;
  readonly #timers: Timers;
  readonly #maxBacklogBytes: number;
  #pending = '';
  #timer: Cancel | undefined;
  #broken = false;
  #dropped = 0;

  constructor(stream: Writable, timers: Timers, maxBacklogBytes: number = MAX_BACKLOG_BYTES) {
    this.#stream = stream;
    this.#timers = timers;
    this.#maxBacklogBytes = maxBacklogBytes;
    // The reader is gone (EPIPE): the gateway goes on without a log.
    stream.on('error', () => {
      this.#broken = true;
    });
  }

  /** Lines lost since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes one line, its newline included. */
  write(line: string): void {
    if (this.#broken || this.#stream.writableLength > this.#maxBacklogBytes) {
      this.#dropped++;
      return;
    }
    this.#pending += line;
    if (this.#pending.length >= CHUNK_CHARS) this.flush();
    else this.#timer ??= this.#timers.after(FLUSH_AFTER_MS, () => this.flush());
  }

  /** Hands what was gathered to the stream. */
  flush(): void {
    this.#timer?.();
    this.#timer = undefined;
    if (this.#pending === '') return;
    const chunk = this.#pending;
    this.#pending = '';
    if (!this.#broken) this.#stream.write(chunk);
  }

  /** Resolves when everything is written, or after `timeoutMs` when the reader does not take it. */
  drain(timeoutMs: number): Promise<void> {
    this.flush();
    if (this.#broken || this.#stream.writableLength === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#timers.after(timeoutMs, resolve);
      const done = (): void => {
        cancel();
        resolve();
      };
      this.#stream.once('error', done);
      this.#stream.write('', done);
    });
  }
}
