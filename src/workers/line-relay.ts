import type { Readable, Writable } from 'node:stream';

/** Beyond so much that waits for the reader of the log, no more is taken from a worker, whose own sink then gives way. */
const MAX_WAITING_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/** Relays that wait until a stream takes more, or never will again: one listener for all, however many workers there are. */
const WAITING = new WeakMap<Writable, Set<() => void>>();

function onceTaken(to: Writable, run: () => void): void {
  const known = WAITING.get(to);
  if (known !== undefined) {
    known.add(run);
    return;
  }
  const waiting = new Set([run]);
  WAITING.set(to, waiting);
  const taken = (): void => {
    to.off('drain', taken).off('error', taken);
    WAITING.delete(to);
    for (const each of waiting) each();
  };
  to.on('drain', taken).on('error', taken);
}

/**
 * Passes the log of a worker on, whole lines at a time. Processes that write into one pipe tear each other's lines apart
 * where a write is longer than PIPE_BUF (4 096 bytes on Linux), so only the primary writes.
 */
export class LineRelay {
  private readonly from: Readable;
  private readonly to: Writable;
  private rest: Buffer[] = [];

  constructor(from: Readable, to: Writable) {
    this.from = from;
    this.to = to;
    from.on('data', (chunk: Buffer) => this.take(chunk));
    // What a worker that was killed left of a line is no line.
    from.on('end', () => {
      this.rest = [];
    });
    from.on('error', () => {});
  }

  private take(chunk: Buffer): void {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      this.rest.push(chunk);
      return;
    }
    const lines = chunk.subarray(0, end);
    const whole = this.rest.length === 0 ? lines : Buffer.concat([...this.rest, lines]);
    this.rest = end === chunk.length ? [] : [chunk.subarray(end)];
    if (this.to.destroyed || this.to.errored) return;
    this.to.write(whole);
    if (this.to.writableLength <= MAX_WAITING_BYTES) return;
    this.from.pause();
    onceTaken(this.to, () => this.from.resume());
  }
}
