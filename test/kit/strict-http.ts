/**
 * A strict HTTP/1.1 reader (RFC 9112) for the test side: it judges what the gateway sends, so it shares no code with the
 * gateway's codec, prefers clarity to speed and accepts nothing that two readers could understand differently.
 */
export type Field = readonly [name: string, value: string];

export interface Message {
  /** Requests: as on the wire. Responses: ''. */
  readonly method: string;
  readonly target: string;
  /** Responses: the code. Requests: 0. */
  readonly status: number;
  readonly version: '1.0' | '1.1';
  /** Field lines in order, names as on the wire. */
  readonly fields: readonly Field[];
  readonly framing: 'none' | 'length' | 'chunked' | 'until-close';
  /** Sizes of the chunks as they were framed on the wire. */
  readonly chunks: readonly number[];
  readonly trailers: readonly Field[];
  /** Bytes of body so far, counted also where they are not kept. */
  readonly bodyBytes: number;
  readonly complete: boolean;
  /** Everything kept of the body so far. */
  body(): Buffer;
  text(): string;
  /** Value by lower-case name; lines joined with ', '. */
  get(name: string): string | undefined;
}

export interface ReaderOptions {
  readonly kind: 'request' | 'response';
  /** Method of the request that the nth (from 0) final response answers: HEAD and CONNECT change the framing. */
  readonly methodOf?: (index: number) => string;
  /** False: bodies are counted, not kept. */
  readonly keepBody?: boolean;
  readonly onHead?: (message: Message) => void;
  readonly onBody?: (message: Message, chunk: Buffer) => void;
  readonly onMessage?: (message: Message) => void;
  /** Bytes after a 101, or after `tunnel()`. */
  readonly onTunnel?: (bytes: Buffer) => void;
}

export class StrictHttpError extends Error {}

class OpenMessage implements Message {
  method = '';
  target = '';
  status = 0;
  version: '1.0' | '1.1' = '1.1';
  fields: Field[] = [];
  framing: Message['framing'] = 'none';
  chunks: number[] = [];
  trailers: Field[] = [];
  bodyBytes = 0;
  complete = false;
  readonly kept: Buffer[] = [];

  body(): Buffer {
    return Buffer.concat(this.kept);
  }

  text(): string {
    return this.body().toString('latin1');
  }

  get(name: string): string | undefined {
    const values = this.all(name);
    return values.length === 0 ? undefined : values.join(', ');
  }

  all(name: string): string[] {
    return this.fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  }
}

type State = 'head' | 'fixed' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'until-close' | 'tunnel';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*$/;
const ORIGIN_FORM = /^\/[!-"$-;=?-Z_a-z~|[\]^`{}%]*$/;
const HOST = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;
const CHUNK = /^[0-9A-Fa-f]{1,13}$/;
const NOT_IN_TRAILERS = new Set(['content-length', 'transfer-encoding', 'host', 'trailer', 'connection']);
const MAX_HEAD_BYTES = 256 * 1024;

export class StrictReader {
  readonly #options: ReaderOptions;
  #buffer: Buffer = Buffer.alloc(0);
  #state: State = 'head';
  #open: OpenMessage | undefined;
  #left = 0;
  #finals = 0;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /** The message whose head was read and whose body was not, if any. */
  get current(): Message | undefined {
    return this.#open;
  }

  /** True between messages, with no byte of a next one. */
  get idle(): boolean {
    return this.#state === 'head' && this.#buffer.length === 0;
  }

  /** Everything after the message that was just read is opaque: call it from the handler that answers an upgrade. */
  tunnel(): void {
    this.#state = 'tunnel';
    this.push(Buffer.alloc(0));
  }

  /** @throws StrictHttpError at the first byte that is not valid. */
  push(bytes: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    while (this.#step());
  }

  /** The sender finished. @throws StrictHttpError when that cuts a message. */
  end(): void {
    if (this.#state === 'until-close') this.#finish();
    if (this.#state !== 'tunnel' && !this.idle) throw new StrictHttpError(`cut off in ${this.#state}`);
  }

  /** True when it may go on with what it has. */
  #step(): boolean {
    switch (this.#state) {
      case 'head':
        return this.#head();
      case 'fixed':
        return this.#data();
      case 'chunk-size':
        return this.#chunkSize();
      case 'chunk-data':
        return this.#data();
      case 'chunk-end':
        return this.#chunkEnd();
      case 'trailers':
        return this.#trailer();
      case 'until-close':
        this.#left = Number.POSITIVE_INFINITY;
        return this.#data();
      case 'tunnel':
        if (this.#buffer.length > 0) this.#options.onTunnel?.(this.#take(this.#buffer.length));
        return false;
    }
  }

  #take(size: number): Buffer {
    const taken = this.#buffer.subarray(0, size);
    this.#buffer = this.#buffer.subarray(size);
    return taken;
  }

  #line(): string | undefined {
    const end = this.#buffer.indexOf('\r\n');
    if (end < 0) {
      if (this.#buffer.length > MAX_HEAD_BYTES) throw new StrictHttpError('a line without end');
      return undefined;
    }
    const line = this.#take(end + 2).toString('latin1', 0, end);
    if (/[\r\n]/.test(line)) throw new StrictHttpError(`bare CR or LF in ${JSON.stringify(line)}`);
    return line;
  }

  #head(): boolean {
    const end = this.#buffer.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#buffer.length > MAX_HEAD_BYTES) throw new StrictHttpError('a head without end');
      return false;
    }
    const lines = this.#take(end + 4)
      .toString('latin1', 0, end)
      .split('\r\n');
    const message = new OpenMessage();
    this.#startLine(message, lines[0]!);
    message.fields = lines.slice(1).map(parseField);
    this.#frame(message);
    this.#open = message;
    this.#options.onHead?.(message);
    // Zero bytes of body are complete at once; `onHead` may have turned the rest into a tunnel.
    if (this.#state === 'head') this.#finish();
    return true;
  }

  #startLine(message: OpenMessage, line: string): void {
    const isRequest = this.#options.kind === 'request';
    const parts = (isRequest ? /^(\S+) (\S+) HTTP\/(1\.[01])$/ : /^HTTP\/(1\.[01]) (\d{3}) ([^\r\n]*)$/).exec(line);
    if (parts === null) throw new StrictHttpError(`start line ${JSON.stringify(line.slice(0, 200))}`);
    if (!isRequest) {
      message.version = parts[1] as '1.0' | '1.1';
      message.status = Number(parts[2]);
      if (message.status < 100 || message.status > 599) throw new StrictHttpError(`status ${message.status}`);
      return;
    }
    message.method = parts[1]!;
    message.target = parts[2]!;
    message.version = parts[3] as '1.0' | '1.1';
    if (!TOKEN.test(message.method)) throw new StrictHttpError(`method ${JSON.stringify(message.method)}`);
    const asterisk = message.target === '*' && message.method === 'OPTIONS';
    if (!asterisk && !ORIGIN_FORM.test(message.target)) throw new StrictHttpError(`target ${message.target}`);
  }

  #frame(message: OpenMessage): void {
    const codings = message.all('transfer-encoding');
    const lengths = message.all('content-length');
    if (codings.length > 0 && lengths.length > 0) throw new StrictHttpError('both length and coding');
    if (codings.length > 1 || lengths.length > 1) throw new StrictHttpError('framing stated twice');
    if (codings.length === 1 && codings[0]?.toLowerCase() !== 'chunked') throw new StrictHttpError('coding');
    if (codings.length === 1 && message.version === '1.0') throw new StrictHttpError('coding in HTTP/1.0');
    if (lengths.length === 1 && !/^\d{1,16}$/.test(lengths[0]!)) throw new StrictHttpError(`length ${lengths[0]}`);
    if (this.#options.kind === 'request') {
      const hosts = message.all('host');
      if (hosts.length !== 1 || !HOST.test(hosts[0]!)) throw new StrictHttpError(`host ${JSON.stringify(hosts)}`);
    } else if (this.#hasNoBody(message, codings.length + lengths.length)) {
      return;
    }
    if (codings.length === 1) this.#state = 'chunk-size';
    else if (lengths.length === 1) this.#left = Number(lengths[0]);
    message.framing = codings.length === 1 ? 'chunked' : lengths.length === 1 ? 'length' : 'none';
    if (message.framing === 'length' && this.#left > 0) this.#state = 'fixed';
    if (message.framing === 'none' && this.#options.kind === 'response') {
      message.framing = 'until-close';
      this.#state = 'until-close';
    }
  }

  #hasNoBody(message: OpenMessage, framingFields: number): boolean {
    const { status } = message;
    if (status < 200 || status === 204) {
      if (framingFields > 0) throw new StrictHttpError(`framing field in a ${status}`);
      return true;
    }
    return status === 304 || this.#options.methodOf?.(this.#finals) === 'HEAD';
  }

  #data(): boolean {
    const message = this.#open!;
    const size = Math.min(this.#left, this.#buffer.length);
    if (size === 0) return false;
    const chunk = this.#take(size);
    this.#left -= size;
    message.bodyBytes += size;
    if (this.#options.keepBody !== false) message.kept.push(Buffer.from(chunk));
    this.#options.onBody?.(message, chunk);
    if (this.#left > 0) return false;
    if (this.#state === 'chunk-data') this.#state = 'chunk-end';
    else this.#finish();
    return true;
  }

  #chunkSize(): boolean {
    const line = this.#line();
    if (line === undefined) return false;
    if (!CHUNK.test(line)) throw new StrictHttpError(`chunk size ${JSON.stringify(line.slice(0, 80))}`);
    this.#left = Number.parseInt(line, 16);
    if (this.#left > 0) this.#open!.chunks.push(this.#left);
    this.#state = this.#left === 0 ? 'trailers' : 'chunk-data';
    return true;
  }

  #chunkEnd(): boolean {
    if (this.#buffer.length < 2) return false;
    if (this.#take(2).toString('latin1') !== '\r\n') throw new StrictHttpError('no CRLF after a chunk');
    this.#state = 'chunk-size';
    return true;
  }

  #trailer(): boolean {
    const line = this.#line();
    if (line === undefined) return false;
    if (line === '') {
      this.#finish();
      return true;
    }
    const field = parseField(line);
    if (NOT_IN_TRAILERS.has(field[0].toLowerCase())) throw new StrictHttpError(`${field[0]} in trailers`);
    this.#open!.trailers.push(field);
    return true;
  }

  #finish(): void {
    const message = this.#open!;
    message.complete = true;
    this.#open = undefined;
    this.#left = 0;
    this.#state = message.status === 101 ? 'tunnel' : 'head';
    if (message.status >= 200) this.#finals++;
    this.#options.onMessage?.(message);
  }
}

function parseField(line: string): Field {
  const parts = FIELD.exec(line);
  if (parts === null) throw new StrictHttpError(`field line ${JSON.stringify(line.slice(0, 200))}`);
  return [parts[1]!, parts[2]!];
}
