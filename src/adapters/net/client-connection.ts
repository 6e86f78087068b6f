// Hot path: one object per connection; a request on it allocates no more than its exchange.
import type { Socket } from 'node:net';
import { WheelTimer } from '../../core/timer-wheel.ts';
import { GatewayError } from '../../errors.ts';
import type { Body, BodySink } from '../../http/body.ts';
import type { Fields } from '../../http/fields.ts';
import type { ReplyHead, ResponseHead } from '../../http/head.ts';
import type { HeadError, Http1RequestHead } from '../../http/http1/request-head.ts';
import { type RequestEvents, RequestParser } from '../../http/http1/request-parser.ts';
import type { Peer } from '../../http/peer.ts';
import { onDeadline } from '../../proxy/deadlines.ts';
import type { Downstream } from '../../proxy/downstream.ts';
import type { Exchange } from '../../proxy/exchange.ts';
import { guarded } from '../../proxy/guarded.ts';
import type { TunnelEnd } from '../../upstream/channel.ts';
import type { ConnectionHost } from './connection-host.ts';
import { readDirectly } from './direct-reads.ts';
import { ResponseStream } from './response-stream.ts';
import { resetSocket, SocketEnd } from './socket-end.ts';

/** Octets of requests read ahead while one is being answered; more stay in the kernel. */
const READ_AHEAD_BYTES = 16 * 1024;
/** After the last answer this much of what a client still sends is read, and so long it is waited for its FIN. */
const LINGER_BYTES = 64 * 1024;
const LINGER_MS = 1000;
const NOTHING = Buffer.alloc(0);
const CUT_OFF = new GatewayError('client-closed', 'downstream', 'The client closed the connection inside a request.');
const HEAD_TOO_LATE: HeadError = { kind: 'request-timeout', detail: 'The head of the request did not come in time.' };

/**
 * An accepted HTTP/1 connection: feeds the parser, carries one exchange after the other in the order of their requests,
 * writes their answers, and knows when to close. It is also the source of the running request's body.
 */
export class ClientConnection implements RequestEvents, Downstream, Body {
  readonly peer: Peer;
  readonly timer = new WheelTimer(() => this.onDeadline());
  readonly transient = false;
  exchange: Exchange | undefined = undefined;
  /** What came last was no valid request head: the connection is answered and closed. */
  isRefused = false;
  private readonly socket: Socket;
  private readonly host: ConnectionHost;
  private readonly parser: RequestParser;
  private readonly response: ResponseStream;
  /** Waits for the client: a head, a body octet, the next request, the end of lingering. */
  readonly patience = new WheelTimer(() => this.outOfPatience());
  private sink: BodySink | undefined = undefined;
  private bodyPaused = false;
  /** Read but not yet parsed: the running exchange comes first. */
  private ahead: Buffer | undefined = undefined;
  private feeding = false;
  private fed: Buffer = NOTHING;
  private readOffTo = 0;
  private paused = false;
  private halfClosed = false;
  anyBytes = false;
  /** The time for a head is running; on a new connection from its start. */
  private headBegun = true;
  private closing = false;
  private lingerLeft = LINGER_BYTES;
  private tunnel: SocketEnd | undefined = undefined;

  constructor(socket: Socket, peer: Peer, host: ConnectionHost) {
    this.socket = socket;
    this.peer = peer;
    this.host = host;
    this.parser = new RequestParser(this, host);
    this.response = new ResponseStream(socket);
    host.arm(this.patience, host.headersTimeoutMs);
    readDirectly(socket, (chunk) => this.onSocketData(chunk));
    socket.on('end', () => this.onSocketEnd());
    socket.on('drain', () => this.onSocketDrain());
    socket.on('finish', () => this.onSocketFinish());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.onSocketClose());
  }

  private onDeadline(): void {
    const { exchange } = this;
    if (exchange !== undefined) guarded(exchange, () => onDeadline(exchange));
  }

  get length(): number | undefined {
    return this.parser.head.bodyLength;
  }

  get leastBytesPerS(): number | undefined {
    return this.host.minBodyRate;
  }

  get requestBody(): Body | undefined {
    return this.parser.head.hasBody ? this : undefined;
  }

  // Socket.

  private onSocketData(chunk: Buffer): void {
    this.anyBytes = true;
    if (this.tunnel !== undefined) this.tunnel.received(chunk, false);
    else if (this.closing) this.linger(chunk.length);
    else if (this.ahead !== undefined) this.readAhead(Buffer.concat([this.ahead, chunk]));
    else this.feed(chunk);
  }

  private onSocketEnd(): void {
    this.halfClosed = true;
    if (this.tunnel !== undefined) this.tunnel.ended();
    else if (!this.closing) this.judgeHalfClosed();
  }

  /** The client sends no more: what does that mean for what it has sent? */
  private judgeHalfClosed(): void {
    if (this.exchange === undefined) {
      if (this.ahead === undefined) this.close();
    } else if (!this.parser.inBody) this.exchange.onHalfClosed();
    else if (this.ahead === undefined) this.abortBody(CUT_OFF);
  }

  private onSocketDrain(): void {
    const wasFull = this.response.drained();
    if (this.tunnel !== undefined) this.tunnel.drained();
    else if (this.closing) return;
    else if (this.exchange === undefined) {
      // The wait for the next request begins when the last answer is out.
      if (this.parser.idle) this.host.arm(this.patience, this.host.idleTimeoutMs);
      this.goOn();
    } else if (wasFull) this.exchange.onWritable();
  }

  /** Everything was handed to the kernel, FIN included: from here the client has a moment to close its side. */
  private onSocketFinish(): void {
    if (this.closing) this.host.arm(this.patience, LINGER_MS);
  }

  private onSocketClose(): void {
    this.closing = true;
    this.response.dead = true;
    if (this.tunnel !== undefined) this.tunnel.closed();
    else this.exchange?.onClientGone();
    this.host.release(this, this.patience, this.timer);
  }

  private outOfPatience(): void {
    if (this.closing) this.socket.destroy();
    else if (this.exchange !== undefined) {
      const seconds = this.host.bodyTimeoutMs / 1000;
      this.exchange.refuse('request-timeout', `No octet of the body came for ${seconds} s.`);
    } else if (!this.anyBytes || this.parser.idle) this.close();
    else this.parser.refuse(HEAD_TOO_LATE);
  }

  // Reading.

  /** Parses as far as the running exchange allows and keeps the rest. */
  private feed(chunk: Buffer): void {
    this.feeding = true;
    this.fed = chunk;
    this.readOffTo = 0;
    let at = 0;
    while (at < chunk.length && !this.isBlocked()) at = Math.max(this.parser.execute(chunk, at), this.readOffTo);
    this.fed = NOTHING;
    this.feeding = false;
    if (this.closing || this.tunnel !== undefined) {
      if (at < chunk.length) this.tunnel?.received(chunk.subarray(at), false);
      return;
    }
    if (at < chunk.length) this.readAhead(chunk.subarray(at));
    this.response.flushSoon();
    if (this.halfClosed) this.judgeHalfClosed();
    else if (this.exchange === undefined) this.waitForHead();
  }

  private waitForHead(): void {
    if (this.host.stopping && this.isIdle) this.close();
    else if (!this.parser.idle && !this.headBegun) {
      // The time for a head runs from its first octet: the next does not push it back.
      this.headBegun = true;
      this.host.arm(this.patience, this.host.headersTimeoutMs);
    }
  }

  private isBlocked(): boolean {
    if (this.closing || this.tunnel !== undefined) return true;
    // A client that does not read its answers is given no more of them.
    if (this.exchange === undefined) return this.response.isFull;
    return !this.parser.inBody || this.sink === undefined || this.bodyPaused;
  }

  /** While an answer is pending a small read-ahead keeps the socket flowing, so that a client that leaves is noticed. */
  private readAhead(rest: Buffer): void {
    this.ahead = rest;
    const isUnwanted = this.parser.inBody && (this.sink === undefined || this.bodyPaused);
    if (isUnwanted || rest.length >= READ_AHEAD_BYTES) this.pauseReading();
  }

  private pauseReading(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  private resumeReading(): void {
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  private goOn(): void {
    if (this.closing) return;
    const rest = this.ahead ?? NOTHING;
    this.ahead = undefined;
    this.resumeReading();
    this.feed(rest);
  }

  onHead(head: Http1RequestHead): void {
    this.headBegun = false;
    this.host.disarm(this.patience);
    this.response.begin(head);
    const exchange = this.host.begin(this, head);
    this.exchange = exchange;
    this.host.serve(exchange);
  }

  onHeadError(error: HeadError): void {
    this.response.begin(undefined);
    this.isRefused = true;
    this.exchange = this.host.begin(this, this.parser.head);
    this.exchange.refuse(error.kind, error.detail);
  }

  onBodyError(): void {
    this.abortBody(new GatewayError('bad-request', 'downstream', 'The body of the request is not valid.'));
  }

  onData(chunk: Uint8Array): void {
    if (this.sink === undefined) return;
    const isFlowing = this.sink.onData(chunk);
    // What was too much ended the exchange, and with it the sink.
    if (this.sink === undefined || !this.parser.inBody) return;
    if (isFlowing) this.host.arm(this.patience, this.host.bodyTimeoutMs);
    else {
      // The endpoint is slow, not the client: its patience is not tried.
      this.bodyPaused = true;
      this.host.disarm(this.patience);
      this.pauseReading();
    }
  }

  onEnd(trailers: Fields | undefined): void {
    const sink = this.sink;
    if (sink === undefined) return;
    this.sink = undefined;
    this.host.disarm(this.patience);
    sink.onEnd(trailers);
  }

  private abortBody(error: GatewayError): void {
    const sink = this.sink;
    this.sink = undefined;
    if (sink !== undefined) sink.onAbort(error);
    else this.exchange?.fail(error);
  }

  // The body of the running request.

  pipe(sink: BodySink): void {
    this.sink = sink;
    // A client that waits for 100 Continue owes nothing before it comes.
    if (!this.parser.head.expectsContinue) this.host.arm(this.patience, this.host.bodyTimeoutMs);
    if (!this.feeding) this.goOn();
  }

  resume(): void {
    if (!this.bodyPaused) return;
    this.bodyPaused = false;
    this.host.arm(this.patience, this.host.bodyTimeoutMs);
    if (this.feeding) this.resumeReading();
    else this.goOn();
  }

  // The response.

  writeInformational(head: ResponseHead): void {
    this.response.informational(head);
    if (head.status === 100 && this.sink !== undefined) this.host.arm(this.patience, this.host.bodyTimeoutMs);
  }

  sendReply(head: ReplyHead, body: string): void {
    this.response.head(head, this.mustClose());
    this.response.text(body);
    this.response.end(undefined);
  }

  writeHead(head: ReplyHead): void {
    this.response.head(head, this.mustClose());
  }

  writeData(chunk: Uint8Array): boolean {
    return this.response.data(chunk);
  }

  writeEnd(trailers: Fields | undefined): void {
    this.response.end(trailers);
  }

  flush(): void {
    this.response.flushSoon();
  }

  cut(): void {
    this.closing = true;
    if (this.response.wantsReset(this.exchange?.reason === 'UT')) {
      // It tells that the end came too early only where it does not come in one piece with the last octets.
      resetSocket(this.socket);
      return;
    }
    this.response.flush();
    this.socket.destroy();
  }

  openTunnel(head: ReplyHead): TunnelEnd {
    this.response.switchProtocols(head);
    const tunnel = new SocketEnd(this.socket, this.ahead);
    this.ahead = undefined;
    this.tunnel = tunnel;
    this.resumeReading();
    if (this.halfClosed) tunnel.ended();
    return tunnel;
  }

  private mustClose(): boolean {
    if (this.host.draining || this.closing || this.exchange?.mustClose === true) return true;
    return this.parser.inBody && !this.readOff();
  }

  /** Reads off a body that nobody asked for where its end is here: the connection goes on behind it. */
  private readOff(): boolean {
    const { ahead, feeding, parser } = this;
    if (this.sink !== undefined) return false;
    if (feeding) this.readOffTo = parser.skipBody(this.fed, parser.headEnd);
    else if (ahead !== undefined) {
      const end = parser.skipBody(ahead, 0);
      this.ahead = end < ahead.length ? ahead.subarray(end) : undefined;
    }
    return !parser.inBody;
  }

  done(): void {
    this.exchange = undefined;
    this.sink = undefined;
    this.bodyPaused = false;
    if (this.tunnel !== undefined || this.socket.destroyed) return;
    if (this.response.closes || this.parser.inBody) {
      this.close();
      return;
    }
    this.host.arm(this.patience, this.host.idleTimeoutMs);
    if (this.feeding) return;
    this.response.flushSoon();
    // An endpoint's connection is free for the next request when the read that ended this one returns.
    if (this.ahead === undefined) this.goOn();
    else process.nextTick(() => this.goOn());
  }

  // Closing.

  /** No request is running: the connection may go. */
  closeIfIdle(): void {
    if (this.isIdle) this.close();
  }

  get isIdle(): boolean {
    return this.exchange === undefined && this.parser.idle && this.ahead === undefined;
  }

  /** Sends FIN, and reads on for a moment: a reset would destroy the answer on its way (RFC 9112 §9.6). */
  close(): void {
    if (this.socket.destroyed) return;
    this.response.flush();
    this.closing = true;
    this.ahead = undefined;
    this.socket.end();
    this.resumeReading();
    // A slow client may still be taking its answer; lingering begins when the last of it is out.
    const isOut = this.socket.writableLength === 0;
    this.host.arm(this.patience, isOut ? LINGER_MS : Math.max(LINGER_MS, this.host.idleTimeoutMs));
  }

  /** What still comes is read and dropped, up to a bound: behind it the client is left to notice the answer. */
  private linger(bytes: number): void {
    this.lingerLeft -= bytes;
    if (this.lingerLeft < 0) this.pauseReading();
  }

  destroy(): void {
    if (this.exchange?.tunnel !== undefined) this.exchange.tunnel.destroy();
    else this.socket.destroy();
  }
}
