import assert from 'node:assert/strict';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { type Message, StrictReader } from './strict-http.ts';
import { turn, Waiters } from './wait.ts';

export interface RawClientOptions {
  /** Method of the nth request on this connection (from 0), where it changes how the answer is framed. */
  readonly methodOf?: (index: number) => string;
  readonly keepBody?: boolean;
  /** False: starts paused, reads only after `resume()`: a client that does not take its answer. */
  readonly reads?: boolean;
}

/** A client on a raw socket: sends any bytes in any pieces, reads answers strictly, keeps what it saw. */
export class RawClient {
  readonly socket: Socket;
  /** Final responses, complete, in order. */
  readonly responses: Message[] = [];
  /** 1xx responses, 101 included. */
  readonly interim: Message[] = [];
  /** Everything received; nothing with `keepBody: false`. */
  received: Buffer = Buffer.alloc(0);
  tunnelled: Buffer = Buffer.alloc(0);
  bytesReceived = 0;
  /** Set when the answer was not valid HTTP, or was cut. */
  malformed: Error | undefined;
  ended = false;
  closed = false;
  socketError: Error | undefined;
  readonly #reader: StrictReader;
  readonly #keeps: boolean;
  readonly #waiters = new Waiters();

  private constructor(socket: Socket, options: RawClientOptions) {
    this.socket = socket;
    this.#keeps = options.keepBody ?? true;
    this.#reader = new StrictReader({
      kind: 'response',
      ...(options.methodOf === undefined ? {} : { methodOf: options.methodOf }),
      keepBody: this.#keeps,
      onMessage: (message) => (message.status < 200 ? this.interim : this.responses).push(message),
      onTunnel: (bytes) => {
        this.tunnelled = Buffer.concat([this.tunnelled, bytes]);
      },
    });
    socket.setNoDelay(true);
    if (options.reads !== false) this.resume();
    socket.on('error', (error) => {
      this.socketError = error;
    });
    socket.on('close', () => {
      this.closed = true;
      if (!this.ended) this.#finish();
      this.#waiters.changed();
    });
  }

  /** `to`: a port on 127.0.0.1, a path of a unix socket, or net.connect options. */
  static open(to: number | string | NetConnectOpts, options: RawClientOptions = {}): Promise<RawClient> {
    const target: NetConnectOpts =
      typeof to === 'number' ? { host: '127.0.0.1', port: to } : typeof to === 'string' ? { path: to } : to;
    return new Promise((resolve, reject) => {
      const socket = connect({ allowHalfOpen: true, ...target });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RawClient(socket, options));
      });
    });
  }

  /** A client on a socket that is connected already. */
  static over(socket: Socket, options: RawClientOptions = {}): RawClient {
    return new RawClient(socket, options);
  }

  resume(): void {
    if (this.socket.listenerCount('data') > 0) {
      this.socket.resume();
      return;
    }
    this.socket.on('data', (bytes) => this.#data(bytes));
    this.socket.on('end', () => {
      this.ended = true;
      this.#finish();
      this.#waiters.changed();
    });
  }

  pause(): void {
    this.socket.pause();
  }

  /** Strings are latin1: one character is one byte. */
  send(bytes: string | Uint8Array): void {
    if (this.socket.writable) this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /**
   * Sends in pieces, each read by the other side before the next: cut before each of `positions`, or every `n` bytes.
   * Stops when the other side has finished.
   */
  async sendSplit(bytes: string | Uint8Array, positions: readonly number[] | number): Promise<void> {
    const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes);
    let from = 0;
    while (from < all.length && !this.closed && !this.ended) {
      const next: number = typeof positions === 'number' ? from + positions : nextAbove(positions, from, all.length);
      this.send(all.subarray(from, next));
      from = next;
      await turn();
    }
  }

  /** The nth final response (from 1), complete. Rejects when the connection ends without it. */
  response(n = 1): Promise<Message> {
    return this.until(`response ${n}`, () => this.responses[n - 1], true);
  }

  /** The head of a response whose body may still be coming (or of the last complete one). */
  head(): Promise<Message> {
    return this.until('a response head', () => this.#reader.current ?? this.responses.at(-1), true);
  }

  /** Any condition over this client. `orFail`: reject as soon as the connection is over. */
  until<T>(what: string, probe: () => T | undefined, orFail = false, guardMs?: number): Promise<T> {
    const checked = (): T | undefined => {
      const value = probe();
      if (value === undefined && orFail && (this.closed || this.ended || this.malformed !== undefined)) {
        throw new Error(`no ${what}: ${this.#describe()}`);
      }
      return value;
    };
    return this.#waiters.until<() => T>(what, () => settle(checked), guardMs).then((take) => take());
  }

  /** The other side's FIN or reset. */
  async untilEnded(guardMs?: number): Promise<void> {
    await this.until('the end of the connection', () => (this.ended || this.closed ? true : undefined), false, guardMs);
  }

  async untilClosed(guardMs?: number): Promise<void> {
    await this.until('the close of the connection', () => (this.closed ? true : undefined), false, guardMs);
  }

  /** FIN: nothing more will be sent, answers are still read. */
  halfClose(): void {
    if (this.socket.writable) this.socket.end();
  }

  /** RST, as a process that dies. */
  abort(): void {
    this.socket.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  #data(bytes: Buffer): void {
    this.bytesReceived += bytes.length;
    if (this.#keeps) this.received = Buffer.concat([this.received, bytes]);
    try {
      if (this.malformed === undefined) this.#reader.push(bytes);
    } catch (error) {
      this.malformed = error as Error;
    }
    this.#waiters.changed();
  }

  #finish(): void {
    try {
      if (this.malformed === undefined) this.#reader.end();
    } catch (error) {
      this.malformed = error as Error;
    }
  }

  #describe(): string {
    const seen = JSON.stringify(this.received.toString('latin1').slice(-300));
    return `closed=${this.closed} ended=${this.ended} ${this.malformed?.message ?? ''} ${this.socketError?.message ?? ''} received ${seen}`;
  }
}

/** A probe that throws must reject its own waiter only. */
function settle<T>(probe: () => T | undefined): (() => T) | undefined {
  try {
    const value = probe();
    return value === undefined ? undefined : () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function nextAbove(positions: readonly number[], from: number, end: number): number {
  for (const position of positions) if (position > from && position < end) return position;
  return end;
}

export interface SimpleRequest {
  readonly method?: string;
  /** Replaces Host where `host` is given. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** One request on a connection of its own, closed after the answer. */
export async function request(url: string, options: SimpleRequest = {}): Promise<Message> {
  const { host, hostname, port, pathname, search } = new URL(url);
  const method = options.method ?? 'GET';
  const given = options.headers ?? {};
  const names = new Set(Object.keys(given).map((name) => name.toLowerCase()));
  const lines = [`${method} ${pathname}${search} HTTP/1.1`];
  if (!names.has('host')) lines.push(`Host: ${host}`);
  if (!names.has('connection')) lines.push('Connection: close');
  if (options.body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(options.body)}`);
  for (const [name, value] of Object.entries(given)) lines.push(`${name}: ${value}`);
  const client = await RawClient.open(
    { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80) },
    { methodOf: () => method },
  );
  try {
    client.send(`${lines.join('\r\n')}\r\n\r\n`);
    if (options.body !== undefined) client.send(Buffer.from(options.body));
    const response = await client.response();
    assert.ok(response.complete);
    return response;
  } finally {
    client.destroy();
  }
}

export function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Message> {
  return request(url, { headers });
}
