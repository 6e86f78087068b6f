import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { type Field, type Message, StrictReader } from './strict-http.ts';
import { turn, Waiters } from './wait.ts';

/** Plays the endpoint for one request. Called when the head is read (`onHead`) or the request is complete (`onRequest`). */
export type Script = (request: OriginRequest, connection: OriginConnection) => void | Promise<void>;

export interface OriginOptions {
  /** Default: `echo`. */
  readonly onRequest?: Script;
  readonly onHead?: Script;
  /** Called with each accepted connection before anything is read: speak first, reset at once, pause. */
  readonly onConnection?: (connection: OriginConnection) => void;
  /** Closes a connection silently (FIN, no `Connection: close`) after this many answered requests. */
  readonly closeAfter?: number;
  /** False: bodies are counted, not kept. */
  readonly keepBody?: boolean;
  /** Send `100 Continue` to a request that expects it. Default true. */
  readonly continues?: boolean;
  /** 0 or none: a free port. To come back on a port that was killed. */
  readonly port?: number;
  /** A unix socket instead of a port. */
  readonly path?: string;
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** Speaks TLS with these. */
  readonly tls?: TlsOptions;
}

export interface OriginRequest {
  readonly message: Message;
  readonly connection: OriginConnection;
  /** Order of arrival of the head at this origin, from 0. */
  readonly index: number;
}

/** One connection that the origin accepted, with all it received. */
export class OriginConnection {
  readonly socket: Socket;
  readonly requests: OriginRequest[] = [];
  /** Raw bytes received; nothing with `keepBody: false`. */
  received: Buffer = Buffer.alloc(0);
  tunnelled: Buffer = Buffer.alloc(0);
  bytesReceived = 0;
  /** Set at the first bytes that are not a strict request. */
  malformed: Error | undefined;
  /** The gateway sent FIN. */
  ended = false;
  closed = false;
  answered = 0;
  readonly reader: StrictReader;

  constructor(socket: Socket, reader: StrictReader) {
    this.socket = socket;
    this.reader = reader;
  }

  /** Strings are latin1: one character is one byte. */
  send(bytes: string | Uint8Array): void {
    if (this.socket.writable) this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Sends in pieces of `size` bytes, one per turn of the event loop. */
  async dribble(bytes: string, size = 1): Promise<void> {
    const all = Buffer.from(bytes, 'latin1');
    for (let from = 0; from < all.length && !this.closed; from += size) {
      this.send(all.subarray(from, from + size));
      await turn();
    }
  }

  /** Sends only the first `count` bytes, then FIN. */
  truncate(bytes: string, count: number): void {
    this.socket.end(Buffer.from(bytes, 'latin1').subarray(0, count));
  }

  /** FIN. */
  end(): void {
    this.socket.end();
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }
}

/** A scriptable endpoint on a raw socket that records everything and reads requests strictly. */
export class RawOrigin {
  readonly connections: OriginConnection[] = [];
  /** Requests whose head was read, in order of arrival. */
  readonly heads: OriginRequest[] = [];
  /** Requests read whole, in order of completion. */
  readonly requests: OriginRequest[] = [];
  /** Errors that scripts threw: a test asserts that there are none. */
  readonly scriptErrors: unknown[] = [];
  port = 0;
  #options: OriginOptions;
  /** Beneath TLS: a handshake that its client broke off stays open. */
  readonly #beneath = new Set<Socket>();
  #server: Server;
  readonly #waiters = new Waiters();

  private constructor(options: OriginOptions) {
    this.#options = options;
    this.#server = this.#create();
  }

  static async start(options: OriginOptions | Script = {}): Promise<RawOrigin> {
    const origin = new RawOrigin(typeof options === 'function' ? { onRequest: options } : options);
    await origin.#listen(origin.#options.port ?? 0);
    return origin;
  }

  get url(): string {
    const { path, host = '127.0.0.1', tls } = this.#options;
    if (path !== undefined) return `unix:${path}`;
    return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  /** Connections that are open now. */
  get open(): OriginConnection[] {
    return this.connections.filter((connection) => !connection.closed);
  }

  /** Requests from now on are played by another script. */
  script(options: OriginOptions | Script): void {
    this.#options = { ...this.#options, ...(typeof options === 'function' ? { onRequest: options } : options) };
  }

  /** The nth complete request (from 1). */
  request(n = 1): Promise<OriginRequest> {
    return this.until(`request ${n} at the origin`, () => this.requests[n - 1]);
  }

  /** The nth request head (from 1). */
  head(n = 1): Promise<OriginRequest> {
    return this.until(`request head ${n} at the origin`, () => this.heads[n - 1]);
  }

  /** The nth connection (from 1). */
  connection(n = 1): Promise<OriginConnection> {
    return this.until(`connection ${n} at the origin`, () => this.connections[n - 1]);
  }

  /** Any condition over what the origin has seen. */
  until<T>(what: string, probe: () => T | undefined, guardMs?: number): Promise<T> {
    return this.#waiters.until(what, probe, guardMs);
  }

  async untilClosed(connection: OriginConnection): Promise<void> {
    await this.until('the close of an origin connection', () => (connection.closed ? true : undefined));
  }

  /** As a killed process: no listener, every connection reset. `revive()` listens on the same port again. */
  async kill(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.open) connection.reset();
    await closed;
  }

  async revive(): Promise<void> {
    this.#server = this.#create();
    await this.#listen(this.port);
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.open) connection.socket.destroy();
    for (const socket of this.#beneath) socket.destroy();
    await closed;
  }

  #create(): Server {
    const { tls } = this.#options;
    const options = { allowHalfOpen: true, noDelay: true };
    if (tls === undefined) return createServer(options, (socket) => this.#accept(socket));
    // A handshake that fails is what the test looks at.
    return createTlsServer({ ...options, ...tls }, (socket) => this.#accept(socket))
      .on('tlsClientError', () => {})
      .on('connection', (socket: Socket) => {
        this.#beneath.add(socket);
        socket.once('close', () => this.#beneath.delete(socket));
      });
  }

  #listen(port: number): Promise<void> {
    const { path, host = '127.0.0.1' } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path === undefined ? { host, port, backlog: 1024 } : { path }, () => {
        if (path === undefined) this.port = (this.#server.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    const reader = new StrictReader({
      kind: 'request',
      keepBody: this.#options.keepBody ?? true,
      onHead: (message) => this.#head(connection, message),
      onBody: () => this.#waiters.changed(),
      onMessage: (message) => this.#complete(connection, message),
      onTunnel: (bytes) => {
        connection.tunnelled = Buffer.concat([connection.tunnelled, bytes]);
      },
    });
    const connection = new OriginConnection(socket, reader);
    this.connections.push(connection);
    socket.on('error', () => {});
    socket.on('data', (bytes) => this.#data(connection, bytes));
    socket.on('end', () => this.#end(connection));
    socket.on('close', () => {
      connection.closed = true;
      this.#waiters.changed();
    });
    this.#options.onConnection?.(connection);
    this.#waiters.changed();
  }

  #data(connection: OriginConnection, bytes: Buffer): void {
    connection.bytesReceived += bytes.length;
    if (this.#options.keepBody !== false) connection.received = Buffer.concat([connection.received, bytes]);
    try {
      if (connection.malformed === undefined) connection.reader.push(bytes);
    } catch (error) {
      connection.malformed = error as Error;
    }
    this.#waiters.changed();
  }

  /** A FIN that cuts a request leaves it incomplete; that is what the test looks at, so it is no error of the origin's. */
  #end(connection: OriginConnection): void {
    connection.ended = true;
    const isCut = !connection.reader.idle;
    if (isCut || connection.answered >= connection.requests.length) connection.socket.end();
    this.#waiters.changed();
  }

  #head(connection: OriginConnection, message: Message): void {
    const request: OriginRequest = { message, connection, index: this.heads.length };
    this.heads.push(request);
    connection.requests.push(request);
    const expects = message.get('expect')?.toLowerCase() === '100-continue';
    if (expects && this.#options.continues !== false) connection.send('HTTP/1.1 100 Continue\r\n\r\n');
    if (this.#options.onHead !== undefined) this.#play(this.#options.onHead, request);
  }

  #complete(connection: OriginConnection, message: Message): void {
    const request = connection.requests.find((candidate) => candidate.message === message)!;
    this.requests.push(request);
    if (this.#options.onHead === undefined || this.#options.onRequest !== undefined) {
      this.#play(this.#options.onRequest ?? echo, request);
    }
  }

  #play(script: Script, request: OriginRequest): void {
    const { connection } = request;
    Promise.resolve()
      .then(() => script(request, connection))
      .catch((error) => this.scriptErrors.push(error))
      .then(() => {
        connection.answered++;
        if (connection.answered === this.#options.closeAfter) connection.end();
        if (connection.ended && connection.answered >= connection.requests.length) connection.end();
        this.#waiters.changed();
      });
  }
}

/** Bytes of a response with a stated length. Strings are latin1. */
export function reply(status: number, fields: readonly Field[] = [], body = ''): string {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const length = status < 200 || status === 204 || status === 304 ? '' : `Content-Length: ${body.length}\r\n`;
  return `HTTP/1.1 ${status} ${status < 400 ? 'OK' : 'Error'}\r\n${length}${lines}\r\n${body}`;
}

/** Bytes of a chunked response: each string one chunk, then the trailers. */
export function chunkedReply(
  status: number,
  fields: readonly Field[],
  chunks: readonly string[],
  trailers: readonly Field[] = [],
): string {
  const lines = (list: readonly Field[]): string => list.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const body = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  return `HTTP/1.1 ${status} OK\r\nTransfer-Encoding: chunked\r\n${lines(fields)}\r\n${body}0\r\n${lines(trailers)}\r\n`;
}

/** 200 with what was received as JSON; HEAD gets the head alone. */
export const echo: Script = ({ message }, connection) => {
  const { method, target, version, fields, bodyBytes } = message;
  const body = JSON.stringify({ method, target, version, fields, bodyBytes });
  const bytes = reply(
    200,
    [
      ['Content-Type', 'application/json'],
      ['X-Origin', '1'],
    ],
    body,
  );
  connection.send(method === 'HEAD' ? bytes.slice(0, bytes.length - body.length) : bytes);
};

/** Reads everything and never answers. */
export const silence: Script = () => {};
