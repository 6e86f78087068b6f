// Hot path: head and body of a small response leave in one write.
import type { Socket } from 'node:net';
import type { Fields } from '../../http/fields.ts';
import { addLine, type ReplyHead, type RequestHead, type ResponseHead } from '../../http/head.ts';
import { latin1 } from '../../http/http1/octets.ts';
import type { Http1RequestHead } from '../../http/http1/request-head.ts';
import { lastChunkText, type ResponseFraming, responseHeadText } from '../../http/http1/writer.ts';
import { HIGH_WATER_BYTES } from './socket-end.ts';
import { flushAtTurnEnd, type TurnWriter } from './turn-writes.ts';

/** Chunks up to here are gathered as text with what is written around them; larger ones are written as they are. */
const GATHER_BYTES = 16 * 1024;
const CLOSE_LINE = 'Connection: close\r\n';
const KEEP_ALIVE_LINE = 'Connection: keep-alive\r\n';
const NO_BODY: ResponseFraming = { kind: 'none' };
const CHUNKED: ResponseFraming = { kind: 'chunked' };
const UNTIL_CLOSE: ResponseFraming = { kind: 'until-close' };

/** Writes the responses of one client connection: framing, connection persistence, gathering of small writes. */
export class ResponseStream implements TurnWriter {
  inLine = false;
  /** Whether the connection closes behind the present response. */
  closes = false;
  /** The socket is gone: nothing is written any more. */
  dead = false;
  private readonly socket: Socket;
  private request: Http1RequestHead | undefined = undefined;
  private framing: ResponseFraming = NO_BODY;
  /** Used again by every response of known length. */
  private readonly ofLength = { kind: 'length' as const, length: 0 };
  private gathered = '';
  private wasFull = false;
  /** Octets that the kernel had not taken when last something was written; far below the mark it may be out of date. */
  private backlog = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** `undefined`: what came was no request. */
  begin(request: Http1RequestHead | undefined): void {
    this.request = request;
    this.closes = false;
  }

  informational(fields: ResponseHead): void {
    const drop = fields.connectionNamed;
    const head = { fields, dropCodes: 0, drop, shared: undefined, requestId: '', varying: undefined, extra: undefined };
    this.gathered += responseHeadText(fields.status, fields.reasonPhrase, head, NO_BODY, '');
    this.flush();
  }

  switchProtocols(head: ReplyHead): void {
    this.gathered += responseHeadText(101, head.reasonPhrase, head, NO_BODY, '');
    this.flush();
  }

  head(head: ReplyHead, mustClose: boolean): void {
    const { request } = this;
    const framing = framingFor(head, request, this.ofLength);
    this.framing = framing;
    this.closes = mustClose || request?.persistent !== true || framing.kind === 'until-close';
    const keepAlive = request?.version === 'HTTP/1.0' ? KEEP_ALIVE_LINE : '';
    const connection = this.closes ? CLOSE_LINE : keepAlive;
    this.gathered += responseHeadText(head.status, head.reasonPhrase, head, framing, connection);
  }

  /** A body that the gateway made: one octet a character. */
  text(body: string): void {
    if (this.framing.kind !== 'none') this.gathered += body;
  }

  /** False when enough is waiting. The chunk's memory is the caller's again when this returns. */
  data(chunk: Uint8Array): boolean {
    if (this.framing.kind === 'none' || this.dead) return true;
    const chunked = this.framing.kind === 'chunked';
    if (chunked) this.gathered += `${chunk.length.toString(16)}\r\n`;
    if (chunk.length <= GATHER_BYTES) {
      this.gathered += latin1(chunk, 0, chunk.length);
      if (chunked) this.gathered += '\r\n';
      if (this.gathered.length > GATHER_BYTES) this.flush();
    } else {
      this.flush();
      // The socket may keep the memory until the kernel takes it.
      this.socket.write(Buffer.from(chunk));
      this.backlog = this.socket.writableLength;
      if (chunked) this.gathered = '\r\n';
    }
    this.wasFull = this.isFull;
    return !this.wasFull;
  }

  end(trailers: Fields | undefined): void {
    if (this.framing.kind === 'chunked') this.gathered += lastChunkText(trailers);
    if (this.gathered.length > GATHER_BYTES) this.flush();
  }

  /** Writes at the end of the turn. */
  flushSoon(): void {
    if (this.gathered.length > 0) flushAtTurnEnd(this);
  }

  /** Writes now. */
  flush(): void {
    if (this.gathered.length === 0) return;
    const text = this.gathered;
    this.gathered = '';
    if (this.dead || this.socket.destroyed) return;
    this.socket.write(text, 'latin1');
    this.backlog = this.socket.writableLength;
  }

  /** Whether so much waits to be taken by the client that no further answer should join it. */
  get isFull(): boolean {
    if (this.backlog + this.gathered.length <= HIGH_WATER_BYTES) return false;
    // Written out, the count is exact, and behind a count above the socket's own mark a 'drain' is sure to come.
    this.flush();
    this.backlog = this.socket.writableLength;
    return this.backlog > HIGH_WATER_BYTES;
  }

  /**
   * Whether a cut is to be a reset: where the client would take the end of the connection for the end of the body, and where
   * it stopped reading, for the kernel would keep what it was sent as long as it likes.
   */
  wantsReset(timedOut: boolean): boolean {
    return this.framing.kind === 'until-close' || (timedOut && this.socket.writableLength > 0);
  }

  /** The socket drained. True when somebody was told to pause. */
  drained(): boolean {
    const was = this.wasFull;
    this.wasFull = false;
    this.backlog = 0;
    return was;
  }
}

function framingFor(
  head: ReplyHead,
  request: RequestHead | undefined,
  ofLength: { kind: 'length'; length: number },
): ResponseFraming {
  if (head.status === 204 || head.status === 304) return NO_BODY;
  if (request?.method === 'HEAD')
    return head.bodyLength === undefined || isForwarded(head) ? NO_BODY : lengthOnly(head);
  if (head.bodyLength !== undefined) {
    ofLength.length = head.bodyLength;
    return ofLength;
  }
  return request?.version === 'HTTP/1.0' ? UNTIL_CLOSE : CHUNKED;
}

/** HEAD: an endpoint's own Content-Length passes with its fields. */
function isForwarded(head: ReplyHead): boolean {
  return head.fields.get('content-length') !== undefined || head.bodyLength === 0;
}

/** HEAD: the length that GET would have had is told, the body is not sent. */
function lengthOnly(head: ReplyHead): ResponseFraming {
  addLine(head, 'Content-Length', String(head.bodyLength));
  return NO_BODY;
}
