// Hot path: see request-parser.ts.

import { FieldCode } from '../field-code.ts';
import type { ProtocolVersion, ResponseHead } from '../head.ts';
import { BodyDecoder, type BodyEvents } from './body-decoder.ts';
import { FIELD_VALUE } from './chars.ts';
import { type ConnectionOptions, connectionOptions } from './connection-options.ts';
import { type Framing, framingOf } from './framing.ts';
import { HeadBuffer } from './head-buffer.ts';
import { latin1 } from './octets.ts';
import { RawFields } from './raw-fields.ts';
import type { HeadLimits } from './request-head.ts';

export interface ResponseEvents extends BodyEvents {
  /** A 1xx other than 101. */
  onInformational(head: Http1ResponseHead): void;
  /** A final response, or 101. `onEnd` follows at once where it has no body. */
  onHead(head: Http1ResponseHead): void;
  /** Octets that are no valid response; the connection is of no more use. */
  onError(detail: string): void;
}

/** The head of an HTTP/1 response; one object serves a connection for its life. */
export class Http1ResponseHead extends RawFields implements ResponseHead {
  status = 0;
  reasonPhrase = '';
  http10 = false;
  framing: Framing = 0;
  /** `raw` was read without an error, as the answer to `method`. */
  private isGood = false;
  private method = '';
  options: ConnectionOptions = connectionOptions(undefined);

  get version(): ProtocolVersion {
    return this.http10 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  get connectionNamed(): ReadonlySet<string> | undefined {
    return this.options.named;
  }

  get bodyLength(): number | undefined {
    return typeof this.framing === 'number' ? this.framing : undefined;
  }

  /** Reads a whole head. `method` is that of the request: HEAD has no body (RFC 9112 §6.3). Returns what is wrong. */
  read(raw: string, method: string, maxHeaders: number): string | undefined {
    // As for requests: an endpoint's answers are often alike to the octet.
    if (raw === this.raw && method === this.method && this.isGood) return undefined;
    this.isGood = false;
    this.method = method;
    const problem = this.readAnew(raw, method, maxHeaders);
    this.isGood = problem === undefined;
    return problem;
  }

  private readAnew(raw: string, method: string, maxHeaders: number): string | undefined {
    const lineEnd = raw.indexOf('\r\n');
    if (!STATUS_LINE.test(raw)) return 'The status line is not valid.';
    this.http10 = raw.charCodeAt(7) === 48;
    this.status = (raw.charCodeAt(9) - 48) * 100 + (raw.charCodeAt(10) - 48) * 10 + (raw.charCodeAt(11) - 48);
    this.reasonPhrase = raw.slice(13, lineEnd);
    for (let at = 12; at < lineEnd; at++)
      if (FIELD_VALUE[raw.charCodeAt(at)] !== 1) return 'The reason phrase is not valid.';
    if (this.scan(raw, lineEnd + 2, maxHeaders) !== undefined) return 'A header field is not valid.';
    this.options = connectionOptions(this.joined(FieldCode.connection));
    return this.readFraming(method);
  }

  private readFraming(method: string): string | undefined {
    const verdict = framingOf(this, this.http10);
    if ('error' in verdict) return `The framing of the response is not valid (${verdict.error}).`;
    if (this.status < 200 || this.status === 204 || this.status === 304 || method === 'HEAD') this.framing = 0;
    else this.framing = verdict.framing ?? 'until-close';
    return undefined;
  }
}

const STATUS_LINE = /^HTTP\/1\.[01] [1-9]\d\d(?: |\r)/;

/** Incremental parser of HTTP/1 responses: octets in, events out (RFC 9112). */
export class ResponseParser {
  readonly head = new Http1ResponseHead();
  private readonly events: ResponseEvents;
  private readonly limits: HeadLimits;
  private readonly body: BodyDecoder;
  private readonly partial = new HeadBuffer();
  private method = '';
  private expecting = false;

  constructor(events: ResponseEvents, limits: HeadLimits) {
    this.events = events;
    this.limits = limits;
    this.body = new BodyDecoder(limits.maxHeaderBytes);
  }

  /** A request with this method was sent: its response may come now. */
  expect(method: string): void {
    this.method = method;
    this.expecting = true;
  }

  /** Whether a response, or the rest of one, is still to come. */
  get busy(): boolean {
    return this.expecting || !this.body.done;
  }

  /** Whether octets of the awaited response head have come. */
  get headBegun(): boolean {
    return this.partial.length > 0;
  }

  /**
   * Reads `chunk`. Returns the offset behind the end of the message: less than `chunk.length` when octets follow that
   * nobody asked for (or that belong to a tunnel, after 101).
   */
  execute(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && this.busy) {
      if (!this.body.done) {
        at = this.body.decode(chunk, at, this.events);
        if (at < 0) return this.fail('The body of the response is not valid.', chunk);
      } else {
        at = this.readHead(chunk, at);
      }
    }
    return at;
  }

  /** The endpoint closed its side. True when that ends the message as it should. */
  finish(): boolean {
    if (this.expecting) return false;
    return this.body.finish(this.events);
  }

  private readHead(chunk: Buffer, at: number): number {
    if (this.partial.length > 0) return this.continueHead(chunk, at);
    const text = latin1(chunk, at, Math.min(chunk.length, at + this.limits.maxHeaderBytes));
    const end = text.indexOf('\r\n\r\n') + 4;
    if (end < 4) return this.continueHead(chunk, at);
    return this.complete(latin1(chunk, at, at + end), at + end, chunk);
  }

  private continueHead(chunk: Buffer, at: number): number {
    const before = this.partial.length;
    this.partial.append(chunk.subarray(at));
    const end = this.partial.findEnd();
    if (end < 0) {
      if (this.partial.isHopeless()) return this.fail('The endpoint did not answer with HTTP/1.', chunk);
      if (this.partial.length >= this.limits.maxHeaderBytes) return this.fail('The response head is too large.', chunk);
      return chunk.length;
    }
    const text = this.partial.text(end);
    this.partial.clear();
    return this.complete(text, at + end - before, chunk);
  }

  private complete(text: string, next: number, chunk: Buffer): number {
    if (text.length > this.limits.maxHeaderBytes) return this.fail('The response head is too large.', chunk);
    const head = this.head;
    const problem = head.read(text, this.method, this.limits.maxHeaders);
    if (problem !== undefined) return this.fail(problem, chunk);
    if (head.status < 200 && head.status !== 101) {
      this.events.onInformational(head);
      return next;
    }
    this.expecting = false;
    this.body.start(head.framing);
    this.events.onHead(head);
    if (this.body.done && head.status !== 101) this.events.onEnd(undefined);
    return next;
  }

  private fail(detail: string, chunk: Buffer): number {
    this.expecting = false;
    this.body.start(0);
    this.events.onError(detail);
    return chunk.length;
  }
}
