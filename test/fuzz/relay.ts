import type { Socket } from 'node:net';
import { ResponseStream } from '../../src/adapters/net/response-stream.ts';
import { FieldCode, maskOf } from '../../src/http/field-code.ts';
import type { Fields } from '../../src/http/fields.ts';
import { responseVia } from '../../src/http/forwarding.ts';
import { Http1RequestHead } from '../../src/http/http1/request-head.ts';
import type { Http1ResponseHead } from '../../src/http/http1/response-head.ts';
import { type ResponseEvents, ResponseParser } from '../../src/http/http1/response-parser.ts';
import type { Field } from '../kit/strict-http.ts';
import { keptBytes } from './insides.ts';

const LIMITS = { maxHeaderBytes: 8192, maxHeaders: 40 };
const DATE = 'Tue, 15 Nov 1994 08:12:31 GMT';
const REPLACED = maskOf(FieldCode.via, FieldCode.xRequestId);

/** A response as the gateway means to have passed it on. */
export interface Relayed {
  readonly method: string;
  readonly toOldClient: boolean;
  readonly informational: number[];
  status: number;
  fields: Field[];
  body: string;
  trailers: Field[];
  untilClose: boolean;
  complete: boolean;
  /** Where its octets stand in the input. */
  readonly start: number;
  end: number;
}

export type ResponseParserMaker = (events: ResponseEvents) => ResponseParser;

export const soundResponseParser: ResponseParserMaker = (events) => new ResponseParser(events, LIMITS);

/** As much of a socket as the response stream wants: it keeps what is written. */
class Wire {
  text = '';
  readonly writableLength = 0;
  readonly destroyed = false;

  write(chunk: string | Buffer): boolean {
    this.text += typeof chunk === 'string' ? chunk : chunk.toString('latin1');
    return true;
  }
}

function requestHead(method: string, toOldClient: boolean): Http1RequestHead {
  const head = new Http1RequestHead(LIMITS);
  head.read(`${method} / HTTP/1.${toOldClient ? 0 : 1}\r\nHost: h\r\n\r\n`);
  return head;
}

/**
 * What the gateway does with the octets that an endpoint sends in answer to requests of these methods: the production
 * parser and the production stream to the client. It stops where the endpoint's connection would be closed.
 */
export class Relay implements ResponseEvents {
  readonly sent: Relayed[] = [];
  readonly wire = new Wire();
  /** What the endpoint sent is no response, or more than was asked for. */
  refused: string | undefined = undefined;
  broken: string | undefined = undefined;
  readonly #parser: ResponseParser;
  readonly #stream = new ResponseStream(this.wire as unknown as Socket);
  readonly #methods: readonly string[];
  readonly #toOldClient: boolean;
  #open: Relayed | undefined;
  #offset = 0;
  #next = 0;

  constructor(makeParser: ResponseParserMaker, methods: readonly string[], toOldClient: boolean) {
    this.#parser = makeParser(this);
    this.#methods = methods;
    this.#toOldClient = toOldClient;
    this.#ask(0);
  }

  #ask(start: number): void {
    const method = this.#methods[this.#next++];
    if (method === undefined) {
      this.#open = undefined;
      return;
    }
    const rest = { status: 0, fields: [], body: '', trailers: [], untilClose: false, complete: false };
    this.#open = { method, toOldClient: this.#toOldClient, informational: [], start, end: -1, ...rest };
    this.#stream.begin(requestHead(method, this.#toOldClient));
    this.#parser.expect(method);
  }

  feed(chunk: Buffer): this {
    let at = 0;
    for (let steps = 0; at < chunk.length && this.refused === undefined && this.#open !== undefined; steps++) {
      const read = this.#parser.execute(chunk.subarray(at));
      if (read < 0 || read > chunk.length - at || steps > chunk.length + 8) {
        this.broken = 'no progress';
        return this;
      }
      at += read;
      this.#settle(this.#offset + at);
    }
    // One response behind the other stands for connections that are used again; the real one takes what nobody asked for as an error.
    if (at < chunk.length && this.refused === undefined && this.#open === undefined) this.refused = 'extra octets';
    this.#offset += chunk.length;
    if (keptBytes(this.#parser) > 4 * LIMITS.maxHeaderBytes + 131_072) this.broken = 'too much is kept';
    return this;
  }

  #settle(end: number): void {
    if (this.#parser.busy || this.#open === undefined || this.refused !== undefined) return;
    this.#open.end = end;
    this.#stream.flush();
    this.#ask(end);
  }

  /** The endpoint closes. */
  end(): this {
    const open = this.#open;
    if (open === undefined || this.refused !== undefined) return this;
    if (this.#parser.finish() && open.status !== 0) open.end = this.#offset;
    this.#stream.flush();
    return this;
  }

  onInformational(head: Http1ResponseHead): void {
    const open = this.#open as Relayed;
    if (this.#toOldClient || head.status === 100) return;
    open.informational.push(head.status);
    this.#stream.informational(head);
  }

  onHead(head: Http1ResponseHead): void {
    const open = this.#open as Relayed;
    if (head.status === 101) {
      this.onError('101 unasked');
      return;
    }
    open.status = head.status;
    open.untilClose = head.framing === 'until-close';
    head.each((name, value) => open.fields.push([name, value]));
    this.sent.push(open);
    const extra = head.has(FieldCode.date) ? undefined : ['Date', DATE];
    const { status, reasonPhrase } = head;
    const added = { shared: responseVia(head), requestId: 'fuzz', varying: undefined, extra };
    const edits = { dropCodes: REPLACED, drop: head.connectionNamed, ...added };
    const reply = { status, reasonPhrase, fields: head, ...edits, bodyLength: head.bodyLength };
    this.#stream.head(reply, false);
  }

  onData(chunk: Uint8Array): void {
    const open = this.#open as Relayed;
    open.body += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1');
    this.#stream.data(chunk);
  }

  onEnd(trailers: Fields | undefined): void {
    const open = this.#open as Relayed;
    trailers?.each((name, value) => open.trailers.push([name, value]));
    open.complete = true;
    this.#stream.end(trailers);
  }

  onError(detail: string): void {
    this.refused = detail;
    this.#stream.flush();
  }
}
