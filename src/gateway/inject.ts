import { canonicalIp } from '../core/ip.ts';
import { WheelTimer } from '../core/timer-wheel.ts';
import type { Body, BodySink } from '../http/body.ts';
import { FieldCode, fieldCodeOf, HOP_BY_HOP } from '../http/field-code.ts';
import { type Fields, ListFields } from '../http/fields.ts';
import { addedLines, type OutgoingFields, type ReplyHead, type RequestHead } from '../http/head.ts';
import { hostOf } from '../http/http1/authority.ts';
import { isFieldValue, isTarget, isToken } from '../http/http1/chars.ts';
import { connectionOptions } from '../http/http1/connection-options.ts';
import type { Peer } from '../http/peer.ts';
import type { ProxyContext } from '../proxy/context.ts';
import { onDeadline } from '../proxy/deadlines.ts';
import type { Downstream } from '../proxy/downstream.ts';
import { Exchange } from '../proxy/exchange.ts';
import { serve } from '../proxy/pipeline.ts';

/** A request that is handed to the gateway without a socket. */
export interface InjectRequest {
  /** Default `GET`. */
  readonly method?: string;
  /** Path and query, or an absolute `http:` or `https:` URL. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Address the request comes from; default `127.0.0.1`. */
  readonly peer?: string;
}

export interface InjectResponse {
  readonly status: number;
  /** Lower-case names; lines of one name joined. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, string>>;
  /** The response was cut before its end. */
  readonly isCut: boolean;
}

/** Sends a request through the whole pipeline by a second, in-memory codec. */
export function inject(context: ProxyContext, request: InjectRequest): Promise<InjectResponse> {
  return new Promise((resolve) => {
    const downstream = new InMemoryDownstream(request, resolve);
    const { peer, head } = downstream;
    const exchange = new Exchange(context, downstream, head, context.newRequestId(), peer.address);
    downstream.timer = new WheelTimer(() => onDeadline(exchange));
    downstream.exchange = exchange;
    serve(exchange);
  });
}

class InMemoryDownstream implements Downstream, Body {
  readonly peer: Peer;
  readonly head: RequestHead;
  readonly length: number | undefined;
  readonly leastBytesPerS = undefined;
  readonly transient = false;
  timer: WheelTimer = new WheelTimer(() => 0);
  exchange: Exchange | undefined = undefined;
  private readonly content: Uint8Array;
  private readonly resolve: (response: InjectResponse) => void;
  private readonly chunks: Uint8Array[] = [];
  private status = 0;
  private headers: Record<string, string> = {};
  private trailers: Record<string, string> = {};
  private isCut = false;

  constructor(request: InjectRequest, resolve: (response: InjectResponse) => void) {
    const address = canonicalIp(request.peer ?? '127.0.0.1') ?? '127.0.0.1';
    const settled = { trusted: false, settledBy: undefined, listenerPlace: 'inject', forwarding: undefined };
    this.peer = { address, scheme: schemeOf(request.url), nameless: false, ...settled };
    this.content = Buffer.from(request.body ?? '');
    this.length = this.content.length;
    this.head = headOf(request, this.content.length);
    this.resolve = resolve;
  }

  get requestBody(): Body | undefined {
    return this.head.hasBody ? this : undefined;
  }

  pipe(sink: BodySink): void {
    sink.onData(this.content);
    sink.onEnd(undefined);
  }

  resume(): void {}

  writeInformational(): void {}

  sendReply(head: ReplyHead, body: string): void {
    this.writeHead(head);
    if (this.head.method !== 'HEAD') this.chunks.push(Buffer.from(body, 'latin1'));
  }

  writeHead(head: ReplyHead): void {
    this.status = head.status;
    this.headers = collect(head);
  }

  writeData(chunk: Uint8Array): boolean {
    this.chunks.push(Uint8Array.prototype.slice.call(chunk));
    return true;
  }

  writeEnd(trailers: Fields | undefined): void {
    trailers?.each((name, value) => {
      this.trailers[name] = value;
    });
  }

  flush(): void {}

  cut(): void {
    this.isCut = true;
  }

  openTunnel(): never {
    throw new TypeError('an injected request cannot become a tunnel');
  }

  done(): void {
    const { status, headers, trailers, isCut } = this;
    this.resolve({ status, headers, trailers, isCut, body: Buffer.concat(this.chunks) });
  }
}

function schemeOf(url: string): Peer['scheme'] {
  return /^https:/i.test(url) ? 'https' : 'http';
}

function headOf(request: InjectRequest, bodyLength: number): RequestHead {
  const url = new URL(request.url, 'http://localhost');
  const method = request.method ?? 'GET';
  const fields = new ListFields(Object.entries(request.headers ?? {}));
  const authority = fields.get('host') ?? url.host;
  // The path as it was written: a URL object would have normalised it before the gateway could judge it.
  const isWritten = request.url === '*' || request.url.startsWith('/');
  const target = isWritten ? request.url : `${url.pathname}${url.search}`;
  const queryAt = target.indexOf('?');
  assertWritable(method, target, fields);
  const host = hostOf(authority);
  if (host === undefined) throw new TypeError(`not a host: ${JSON.stringify(authority)}`);
  return Object.assign(fields, {
    method,
    path: queryAt < 0 ? target : target.slice(0, queryAt),
    query: queryAt < 0 ? '' : target.slice(queryAt),
    target,
    authority,
    host,
    version: 'HTTP/1.1' as const,
    hasBody: bodyLength > 0,
    bodyLength: bodyLength > 0 ? bodyLength : undefined,
    upgrade: undefined,
    expectsContinue: false,
    connectionNamed: connectionOptions(fields.get('connection')).named,
  });
}

/** What no codec would have let through must not reach an endpoint's wire either. */
function assertWritable(method: string, target: string, fields: ListFields): void {
  if (!isToken(method)) throw new TypeError(`not a method: ${JSON.stringify(method)}`);
  if (!isTarget(target)) throw new TypeError(`not a path: ${JSON.stringify(target)}`);
  for (const [name, value] of fields.lines) {
    const isForging = fieldCodeOf(name) === FieldCode.framingLookalike;
    if (isForging || !isToken(name) || !isFieldValue(value))
      throw new TypeError(`not a header: ${JSON.stringify(name)}`);
  }
}

/** The fields that a client would see. */
function collect(head: OutgoingFields): Record<string, string> {
  const headers: Record<string, string> = {};
  const add = (name: string, value: string): void => {
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  };
  const mask = HOP_BY_HOP | head.dropCodes;
  head.fields.each((name, value) => {
    if (((mask >> fieldCodeOf(name)) & 1) === 0 && head.drop?.has(name) !== true) add(name, value);
  });
  const lines = addedLines(head);
  for (let at = 0; at < lines.length; at += 2) add((lines[at] as string).toLowerCase(), lines[at + 1] as string);
  return headers;
}
