// Hot path: see request-parser.ts.

import { BodyDecoder, type BodyEvents } from './body-decoder.ts';
import { HeadBuffer } from './head-buffer.ts';
import { latin1 } from './octets.ts';
import type { HeadLimits } from './request-head.ts';
import { Http1ResponseHead } from './response-head.ts';

export interface ResponseEvents extends BodyEvents {
  /** A 1xx other than 101. */
  onInformational(head: Http1ResponseHead): void;
  /** A final response, or 101. `onEnd` follows at once where it has no body. */
  onHead(head: Http1ResponseHead): void;
  /** Octets that are no valid response; the connection is of no more use. */
  onError(detail: string): void;
}

const END_OF_HEAD = '\r\n\r\n';
/** Octets looked at first for the end of the first head. */
const FIRST_LOOK = 512;

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
    this.body = new BodyDecoder(limits.maxHeaderBytes, true);
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

  /** Whether a part of a head was read. */
  get inHead(): boolean {
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
    // Heads of one endpoint are mostly of one length: so one slice is the head, and no body is sliced with it.
    let text = latin1(chunk, at, Math.min(chunk.length, at + (this.head.raw.length || FIRST_LOOK)));
    let end = text.indexOf(END_OF_HEAD) + 4;
    if (end < 4) {
      text = latin1(chunk, at, Math.min(chunk.length, at + this.limits.maxHeaderBytes));
      end = text.indexOf(END_OF_HEAD) + 4;
      if (end < 4) return this.continueHead(chunk, at);
    }
    // A slice of a string keeps its parent and reads slower: a head that is not all of it is cut out of the octets again.
    return this.complete(end === text.length ? text : latin1(chunk, at, at + end), at + end, chunk);
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
    this.body.start(head.framing, head.options.named);
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
