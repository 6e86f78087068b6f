import type { Writable } from 'node:stream';
import type { Cancel, Timers } from '../../ports.ts';

/** Lines are handed to the stream in chunks of about this size; more would only add latency. */
const CHUNK_CHARS = 8 * 1024;
/** What waits for a slow reader at most, so that its pace never becomes the requests' pace nor the heap's size. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;
const FLUSH_AFTER_MS = 50;

/** A stream that sinks write to, with the one listener that they share: a process may have many gateways on its output. */
interface Reader {
  isGone: boolean;
}

const READERS = new WeakMap<Writable, Reader>();

/** Its listener stays for good: lines may come behind the end of a gateway, and an error that nobody hears ends the process. */
function readerOf(stream: Writable): Reader {
  let reader = READERS.get(stream);
  if (reader === undefined) {
    const made: Reader = { isGone: false };
    // The reader is gone (EPIPE): the gateway goes on without a log.
    stream.on('error', () => {
      made.isGone = true;
    });
    READERS.set(stream, made);
    reader = made;
  }
  return reader;
}

/**
 * Where all log lines of the process go: they are gathered and written in chunks. A reader that does not keep up loses
 * lines, which are counted; a request never waits for it. Standard output as a pipe or file never blocks here.
 */
export class LineSink {
  readonly #stream: Writable;
  readonly #reader: Reader;
  readonly #timers: Timers;
  readonly #maxBacklogBytes: number;
  #pending = '';
  #timer: Cancel | undefined;
  #dropped = 0;

  constructor(stream: Writable, timers: Timers, maxBacklogBytes: number = MAX_BACKLOG_BYTES) {
    this.#stream = stream;
    this.#timers = timers;
    this.#maxBacklogBytes = maxBacklogBytes;
    this.#reader = readerOf(stream);
  }

  /** Lines lost since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes one line, its newline included. */
  write(line: string): void {
    if (this.#reader.isGone || this.#stream.writableLength > this.#maxBacklogBytes) {
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
    if (!this.#reader.isGone) this.#stream.write(chunk);
  }

  /** Resolves when everything is written, or after `timeoutMs` when the reader does not take it. */
  drain(timeoutMs: number): Promise<void> {
    this.flush();
    if (this.#reader.isGone || this.#stream.writableLength === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        this.#stream.off('error', done);
        resolve();
      };
      const cancel = this.#timers.after(timeoutMs, done);
      this.#stream.once('error', done);
      this.#stream.write('', done);
    });
  }
}
