import { canonicalPath } from '../../src/core/route/path.ts';
import type { Fields } from '../../src/http/fields.ts';
import type { Http1RequestHead } from '../../src/http/http1/request-head.ts';
import { type RequestEvents, RequestParser } from '../../src/http/http1/request-parser.ts';
import { lastChunkText, requestHeadText } from '../../src/http/http1/writer.ts';
import type { Peer } from '../../src/http/peer.ts';
import type { Exchange } from '../../src/proxy/exchange.ts';
import { outgoingRequest } from '../../src/proxy/outgoing.ts';
import type { Endpoint } from '../../src/upstream/endpoint.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';
import type { Field } from '../kit/strict-http.ts';
import { keptBytes } from './insides.ts';

export const LIMITS = { maxHeaderBytes: 8192, maxHeaders: 40 };
const OWN_ID = '0193-fuzz';
const ENDPOINT_HOST = 'endpoint.test:9000';

/** A request as the gateway means to have sent it on. */
export interface Forwarded {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  /** Field lines as they came. */
  readonly fields: readonly Field[];
  readonly upgrade: string | undefined;
  /** Where its octets stand in the input. */
  readonly start: number;
  end: number;
  /** The octets sent to the endpoint: the head, then all of it. */
  readonly headText: string;
  wire: string;
  body: string;
  trailers: Field[];
  complete: boolean;
}

const PEER: Peer = {
  address: '192.0.2.1',
  trusted: false,
  settledBy: undefined,
  listenerPlace: 'listeners[0]',
  forwarding: undefined,
} as Peer;
const UPSTREAM = { model: { host: { kind: 'keep' } } } as unknown as Upstream;
const ENDPOINT = { model: { address: { authority: ENDPOINT_HOST } } } as unknown as Endpoint;
const ROUTE = { requestDrop: undefined, requestExtra: [], model: { stripPrefix: undefined, rewrite: undefined } };

/** How a parser is made: the fuzz of the fuzz puts a broken one in. */
export type ParserMaker = (events: RequestEvents) => RequestParser;

export const soundParser: ParserMaker = (events) => new RequestParser(events, LIMITS);

/**
 * What the gateway does with the octets of one client connection, less sockets, limits and answers: the production parser,
 * path, head and trailers, and the octets that would go to an endpoint. It stops where the gateway would stop reading.
 */
export class Forwarder implements RequestEvents {
  readonly sent: Forwarded[] = [];
  /** Requests that the gateway answers itself. */
  answered = 0;
  refused: string | undefined = undefined;
  /** Something that must never be: no progress, too much kept. */
  broken: string | undefined = undefined;
  readonly #parser: RequestParser;
  #open: Forwarded | undefined;
  #chunked = false;
  #stopped = false;
  /** The running message is the last of its connection. */
  #stopsBehind = false;
  #offset = 0;
  #messageStart = 0;

  constructor(makeParser: ParserMaker) {
    this.#parser = makeParser(this);
  }

  /** Feeds octets as one read; returns itself. */
  feed(chunk: Buffer): this {
    let at = 0;
    for (let steps = 0; at < chunk.length && !this.#stopped; steps++) {
      const next = this.#parser.execute(chunk, at);
      if (next < at || steps > 2 * chunk.length + 8) {
        this.broken = `no progress at ${this.#offset + at}`;
        return this;
      }
      at = next;
      this.#settle(this.#offset + Math.min(at, chunk.length));
    }
    this.#offset += chunk.length;
    if (keptBytes(this.#parser) > 4 * LIMITS.maxHeaderBytes + 4 * 1024) this.broken = 'too much is kept';
    return this;
  }

  /** A message that is over gets its place in the input. */
  #settle(end: number): void {
    if (this.#parser.inBody) return;
    const open = this.#open;
    if (open !== undefined) {
      open.end = end;
      this.#open = undefined;
    }
    if (this.#parser.idle) this.#messageStart = end;
  }

  onHead(head: Http1RequestHead): void {
    this.#chunked = head.framing === 'chunked';
    if (!head.persistent) this.#stopsBehind = true;
    const path = canonicalPath(head.path);
    if (this.#answersItself(head) || path === undefined) {
      this.answered++;
      if (path === undefined && head.path !== '*') this.refused = 'path';
      this.#stopped = this.refused !== undefined || head.hasBody || this.#stopsBehind;
      return;
    }
    this.#forward(head, path);
    if (!head.hasBody) this.#end(undefined);
  }

  /** As the pipeline does, and independent of it. */
  #answersItself(head: Http1RequestHead): boolean {
    if (head.path === '*' || head.method === 'TRACE') return true;
    return head.method === 'OPTIONS' && /^0+$/.test(head.get('max-forwards') ?? '');
  }

  #forward(head: Http1RequestHead, path: string): void {
    const exchange = { head, path, id: OWN_ID, hit: undefined, route: ROUTE, downstream: { peer: PEER } };
    const request = outgoingRequest(exchange as unknown as Exchange, UPSTREAM, ENDPOINT);
    const headText = requestHeadText(request);
    const fields: Field[] = [];
    head.each((name, value) => fields.push([name, value]));
    const { method, target, host, upgrade } = request;
    const place = { start: this.#messageStart, end: -1 };
    const rest = { headText, wire: headText, body: '', trailers: [], complete: false };
    this.#open = { method, target, host, fields, upgrade, ...place, ...rest };
    this.sent.push(this.#open);
  }

  onData(chunk: Uint8Array): void {
    const open = this.#open;
    if (open === undefined) return;
    const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1');
    open.body += text;
    open.wire += this.#chunked ? `${chunk.length.toString(16)}\r\n${text}\r\n` : text;
  }

  onEnd(trailers: Fields | undefined): void {
    this.#end(trailers);
  }

  #end(trailers: Fields | undefined): void {
    const open = this.#open;
    if (open === undefined) return;
    if (this.#chunked) open.wire += lastChunkText(trailers);
    trailers?.each((name, value) => open.trailers.push([name, value]));
    open.complete = true;
    // A tunnel may begin behind an upgrade: what follows is no request for now.
    this.#stopped = this.#stopsBehind || open.upgrade !== undefined;
  }

  onHeadError(error: { kind: string }): void {
    this.refused = error.kind;
    this.#stopped = true;
  }

  onBodyError(): void {
    this.refused = 'body';
    this.#stopped = true;
  }
}
