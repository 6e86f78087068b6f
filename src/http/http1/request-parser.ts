// Hot path: one latin1Slice and one scan for a head that came in one read.
import { BodyDecoder, type BodyEvents } from './body-decoder.ts';
import { CR, LF } from './chars.ts';
import { HeadBuffer } from './head-buffer.ts';
import { latin1 } from './octets.ts';
import { type HeadError, type HeadLimits, Http1RequestHead } from './request-head.ts';

export interface RequestEvents extends BodyEvents {
  onHead(head: Http1RequestHead): void;
  /** The stream cannot be read on: answer, then close. */
  onHeadError(error: HeadError): void;
  /** The body is malformed: what was forwarded must not look complete. */
  onBodyError(): void;
}

const NOBODY: BodyEvents = { onData() {}, onEnd() {} };
/** Octets looked at first for the end of a head; a longer head takes a second look. */
const FIRST_LOOK = 4096;
const TARGET_TOO_LONG: HeadError = { kind: 'target-too-long', detail: 'The request target is too long.' };
const HEAD_TOO_LARGE: HeadError = { kind: 'fields-too-large', detail: 'The header section is too large.' };
const NOT_HTTP: HeadError = { kind: 'bad-request', detail: 'This is not a valid HTTP/1.1 request head.' };

/**
 * Incremental parser of HTTP/1 requests: octets in, events out, no sockets (RFC 9112). It stops behind each head and
 * behind each message, so that whoever feeds it decides when the next part is read: `execute` returns how far it came.
 */
export class RequestParser {
  readonly head: Http1RequestHead;
  /** While `onHead` runs: the offset behind the head, in the octets given to `execute`. */
  headEnd = 0;
  private readonly events: RequestEvents;
  private readonly limits: HeadLimits;
  private readonly body: BodyDecoder;
  private readonly partial = new HeadBuffer();
  /** Of the empty line that may precede a head: 0 = nothing, 1 = its CR, 2 = all of it was read. */
  private emptyLine = 0;
  private failed = false;

  constructor(events: RequestEvents, limits: HeadLimits) {
    this.events = events;
    this.limits = limits;
    this.head = new Http1RequestHead(limits);
    this.body = new BodyDecoder(limits.maxHeaderBytes);
  }

  /** True between messages, with not one octet of the next head read. */
  get idle(): boolean {
    return this.body.done && this.partial.length === 0 && this.emptyLine !== 1;
  }

  /** True while octets of a body are expected. */
  get inBody(): boolean {
    return !this.body.done;
  }

  /**
   * Reads on from `at`, to the end of the next head or of the running body at most. Returns the offset behind what was
   * consumed; `chunk.length` when more is needed. After an error nothing is consumed any more.
   */
  execute(chunk: Buffer, at: number): number {
    if (this.failed) return chunk.length;
    if (this.body.done) return this.readHead(chunk, at);
    const end = this.body.decode(chunk, at, this.events);
    if (end >= 0) return end;
    this.failed = true;
    this.events.onBodyError();
    return chunk.length;
  }

  /** As `execute` for a body that nobody wants. What is malformed in it leaves the parser inside of it for good. */
  skipBody(chunk: Buffer, at: number): number {
    const end = this.failed ? -1 : this.body.decode(chunk, at, NOBODY);
    if (end >= 0) return end;
    this.failed = true;
    return chunk.length;
  }

  private readHead(chunk: Buffer, at: number): number {
    if (this.partial.length > 0) return this.continueHead(chunk, at);
    if (this.emptyLine < 2) {
      at = this.skipEmptyLine(chunk, at);
      if (at >= chunk.length) return at;
    }
    const text = latin1(chunk, at, Math.min(chunk.length, at + FIRST_LOOK));
    const end = text.indexOf('\r\n\r\n') + 4;
    if (end < 4) return this.continueHead(chunk, at);
    if (end > this.limits.maxHeaderBytes) return this.refuseLarge(text);
    this.headEnd = at + end;
    // A slice of a string keeps its parent and reads slower: cut the head out of the octets again.
    this.complete(end === text.length ? text : latin1(chunk, at, at + end));
    return at + end;
  }

  /** One empty line before a request line is skipped (RFC 9112 §2.2), in however many pieces it comes. */
  private skipEmptyLine(chunk: Buffer, at: number): number {
    if (this.emptyLine === 0) {
      if (chunk[at] !== CR) return at;
      this.emptyLine = 1;
      if (++at === chunk.length) return at;
    }
    if (chunk[at] === LF) {
      this.emptyLine = 2;
      return at + 1;
    }
    this.refuse(NOT_HTTP);
    return chunk.length;
  }

  private continueHead(chunk: Buffer, at: number): number {
    const before = this.partial.length;
    const room = this.limits.maxHeaderBytes - before + 4;
    this.partial.append(chunk.subarray(at, Math.min(chunk.length, at + room)));
    const end = this.partial.findEnd();
    if (end < 0) return this.judgePartial(chunk);
    if (end > this.limits.maxHeaderBytes) return this.refuseLarge(this.partial.text(this.partial.length));
    const text = this.partial.text(end);
    this.partial.clear();
    this.headEnd = at + end - before;
    this.complete(text);
    return this.headEnd;
  }

  private judgePartial(chunk: Buffer): number {
    if (this.partial.isHopeless()) this.refuse(NOT_HTTP);
    else if (this.partial.length >= this.limits.maxHeaderBytes)
      return this.refuseLarge(this.partial.text(this.partial.length));
    return chunk.length;
  }

  private refuseLarge(text: string): number {
    const line = text.indexOf('\r\n');
    this.refuse(line < 0 || line > this.limits.maxHeaderBytes - 4 ? TARGET_TOO_LONG : HEAD_TOO_LARGE);
    return Number.MAX_SAFE_INTEGER;
  }

  private complete(text: string): void {
    this.emptyLine = 0;
    const error = this.head.read(text);
    if (error !== undefined) {
      this.fail(error);
      return;
    }
    if (this.head.framing !== undefined) this.body.start(this.head.framing, this.head.options.named);
    this.events.onHead(this.head);
  }

  /** What came will never be a head that can be read. */
  refuse(error: HeadError): void {
    // Method and path of the request before are not those of this one.
    this.head.forget();
    this.fail(error);
  }

  private fail(error: HeadError): void {
    this.failed = true;
    this.events.onHeadError(error);
  }
}
