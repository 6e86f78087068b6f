// Hot path: reads land in one buffer shared by all connections; nothing is allocated per read.
import type { Socket } from 'node:net';
import { type FailureName, GatewayError } from '../../errors.ts';
import { FieldCode } from '../../http/field-code.ts';
import type { Fields } from '../../http/fields.ts';
import type { OutgoingRequest } from '../../http/head.ts';
import { latin1 } from '../../http/http1/octets.ts';
import type { Http1ResponseHead } from '../../http/http1/response-head.ts';
import { type ResponseEvents, ResponseParser } from '../../http/http1/response-parser.ts';
import { lastChunkText, requestHeadText } from '../../http/http1/writer.ts';
import type { ChannelOwner, ChannelReceiver, UpstreamChannel } from '../../upstream/channel.ts';
import type { EndpointAddress } from '../../upstream/endpoint-address.ts';
import { connectError } from './connect-error.ts';
import { connectedEvent, openSocket } from './endpoint-socket.ts';
import { HIGH_WATER_BYTES, SocketEnd } from './socket-end.ts';
import { flushAtTurnEnd, type TurnWriter } from './turn-writes.ts';

const LIMITS = { maxHeaderBytes: 64 * 1024, maxHeaders: 256 };
/** Read into by every connection in turn: what outlives a callback is copied. */
const SHARED = Buffer.allocUnsafeSlow(64 * 1024);
/** Views of the shared buffer by length: small answers come in few lengths, and a view is not made for each. */
const VIEWS: (Buffer | undefined)[] = new Array(4096).fill(undefined);

function viewOf(bytes: number): Buffer {
  const known = VIEWS[bytes];
  if (known !== undefined) return known;
  const view = bytes === SHARED.length ? SHARED : SHARED.subarray(0, bytes);
  if (bytes < VIEWS.length) VIEWS[bytes] = view;
  return view;
}

/** Of a response nobody wants, this much is read to keep the connection. */
const DISCARD_BYTES = 64 * 1024;
/** And no longer than this without an octet. */
const DISCARD_MS = 1000;
/** A small first chunk of a body is sent with its head, in one write. */
const GATHER_BYTES = 16 * 1024;

/** One HTTP/1.1 connection to an endpoint (`UpstreamChannel`). */
export class UpstreamConnection implements UpstreamChannel, ResponseEvents, TurnWriter {
  inLine = false;
  served = 0;
  unsent = false;
  idleSinceMs = 0;
  idleUntilMs = 0;
  idleForMs = 0;
  private readonly socket: Socket;
  private readonly owner: ChannelOwner;
  private readonly parser = new ResponseParser(this, LIMITS);
  private receiver: ChannelReceiver | undefined = undefined;
  private connected = false;
  private closed = false;
  /** The present request: is its body chunked, and is it sent whole? */
  private chunked = false;
  private requestSent = true;
  private responded = false;
  private responseEnded = true;
  private idle = true;
  private persistent = false;
  private hintMs: number | undefined = undefined;
  private discarding = -1;
  private paused = false;
  private wasFull = false;
  private gathered = '';
  private tunnel: SocketEnd | undefined = undefined;

  constructor(address: EndpointAddress, owner: ChannelOwner) {
    this.owner = owner;
    this.socket = openSocket(address, { buffer: SHARED, callback: (bytes) => this.onRead(bytes) });
    this.socket.on(connectedEvent(address), () => this.onConnect(address));
    this.socket.on('drain', () => this.onDrain());
    this.socket.on('end', () => this.onEndOfInput());
    this.socket.on('error', (error: NodeJS.ErrnoException) => this.onGone(error.code ?? error.message, error));
    this.socket.on('timeout', () => this.shut());
    this.socket.on('close', () => this.onClose());
  }

  // Socket.

  private onConnect(address: EndpointAddress): void {
    if (this.closed) return;
    this.connected = true;
    this.owner.onConnected(this, address);
  }

  private onRead(bytes: number): boolean {
    const chunk = viewOf(bytes);
    if (this.tunnel !== undefined) {
      this.tunnel.received(chunk, true);
      return true;
    }
    // Octets that nobody asked for would be somebody else's answer if they were given to the next client.
    // So would they be where the next request waits for the end of the turn and has not left yet.
    const end = this.parser.busy && !this.unsent ? this.parser.execute(chunk) : 0;
    this.receiver?.onReadEnd();
    // Last, for it may put the next request on this connection.
    if (end < chunk.length) this.onExtra(chunk.subarray(end));
    else this.release();
    return !this.paused;
  }

  /** Octets behind a message: of a tunnel just opened, else the connection is of no more use. */
  private onExtra(rest: Buffer): void {
    if (this.tunnel !== undefined) (this.tunnel as SocketEnd).received(rest, true);
    else {
      this.shut();
      if (this.unsent) this.failReceiver('upstream-closed', 'The endpoint spoke before it was asked.');
    }
  }

  private onDrain(): void {
    if (this.tunnel !== undefined) this.tunnel.drained();
    else if (this.wasFull) {
      this.wasFull = false;
      this.receiver?.onWritable();
    }
  }

  private onEndOfInput(): void {
    if (this.tunnel !== undefined) this.tunnel.ended();
    else {
      if (this.parser.busy) this.parser.finish();
      this.onGone('closed');
    }
  }

  private onClose(): void {
    if (this.tunnel === undefined) {
      this.onGone('closed');
      return;
    }
    this.tunnel.closed();
    this.owner.onClosed(this);
  }

  private onGone(why: string, error?: NodeJS.ErrnoException): void {
    // The close of a tunnel's socket follows, and says all.
    if (this.closed || this.tunnel !== undefined) return;
    if (!this.connected) {
      this.closed = true;
      this.socket.destroy();
      this.owner.onConnectFailed(connectError(error ?? new Error(why)));
      return;
    }
    this.shut();
    const wasTls = why.startsWith('ERR_SSL_');
    const how = wasTls ? `ended the TLS session (${why})` : 'closed the connection';
    this.failReceiver('upstream-closed', `The endpoint ${how} before its response was whole.`);
  }

  private failReceiver(kind: FailureName, detail: string): void {
    const receiver = this.receiver;
    this.receiver = undefined;
    receiver?.onFailure(new GatewayError(kind, 'upstream', detail), this.responded || this.parser.inHead);
  }

  /** What it waits for while it is not connected. */
  get phase(): 'connect' | 'handshake' {
    return this.socket.connecting ? 'connect' : 'handshake';
  }

  /** Ends a connect that nobody waits for any more; its owner hears nothing. */
  giveUp(): void {
    if (this.connected || this.closed) return;
    this.closed = true;
    this.socket.destroy();
  }

  // The channel.

  send(request: OutgoingRequest, receiver: ChannelReceiver): void {
    this.receiver = receiver;
    this.idle = false;
    this.discarding = -1;
    this.responded = false;
    this.unsent = true;
    this.responseEnded = false;
    this.chunked = request.hasBody && request.bodyLength === undefined;
    this.requestSent = !request.hasBody;
    this.parser.expect(request.method);
    // What of the body is already here joins the head.
    this.gathered += requestHeadText(request);
    flushAtTurnEnd(this);
  }

  flush(): void {
    if (this.gathered.length === 0 || this.closed) return;
    const text = this.gathered;
    this.gathered = '';
    this.unsent = false;
    this.socket.write(text, 'latin1');
  }

  writeData(chunk: Uint8Array): boolean {
    if (this.closed || chunk.length === 0) return true;
    if (this.chunked) this.gathered += `${chunk.length.toString(16)}\r\n`;
    if (chunk.length <= GATHER_BYTES) {
      this.gathered += latin1(chunk, 0, chunk.length);
      if (this.chunked) this.gathered += '\r\n';
      if (this.gathered.length > GATHER_BYTES) this.flush();
      else flushAtTurnEnd(this);
    } else {
      this.socket.cork();
      this.flush();
      this.socket.write(chunk);
      if (this.chunked) this.socket.write('\r\n', 'latin1');
      this.socket.uncork();
    }
    this.wasFull = this.socket.writableLength > HIGH_WATER_BYTES;
    return !this.wasFull;
  }

  writeEnd(trailers: Fields | undefined): void {
    if (this.chunked) this.gathered += lastChunkText(trailers);
    flushAtTurnEnd(this);
    this.requestSent = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  discard(): void {
    this.receiver = undefined;
    if (!this.requestSent || !this.persistent) this.shut();
    else {
      this.discarding = DISCARD_BYTES;
      this.socket.setTimeout(DISCARD_MS);
      this.resume();
    }
  }

  close(): void {
    this.receiver = undefined;
    this.shut();
  }

  private shut(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.destroy();
    this.owner.onClosed(this);
  }

  // The response.

  onInformational(head: Http1ResponseHead): void {
    this.responded = true;
    this.receiver?.onInformational(head);
  }

  onHead(head: Http1ResponseHead): void {
    this.responded = true;
    this.persistent = isPersistent(head);
    this.hintMs = keepAliveHintMs(head);
    if (head.status === 101) {
      this.switchProtocols(head);
      return;
    }
    this.receiver?.onResponse(head, head.bodyLength);
  }

  private switchProtocols(head: Http1ResponseHead): void {
    const receiver = this.receiver;
    this.receiver = undefined;
    this.tunnel = new SocketEnd(this.socket, undefined);
    receiver?.onTunnel(head, this.tunnel);
  }

  onData(chunk: Uint8Array): void {
    if (this.discarding >= 0) {
      this.discarding -= chunk.length;
      if (this.discarding < 0) this.shut();
    } else if (this.receiver?.onData(chunk) === false && !this.paused) {
      this.paused = true;
      this.socket.pause();
    }
  }

  onEnd(trailers: Fields | undefined): void {
    this.responseEnded = true;
    const receiver = this.receiver;
    this.receiver = undefined;
    receiver?.onEnd(trailers);
    // An answer before the request was whole: the rest of it is not wanted here.
    if (!this.requestSent) this.shut();
  }

  onError(detail: string): void {
    if (this.closed) return;
    this.shut();
    this.failReceiver('upstream-protocol', detail);
  }

  /**
   * Gives the connection back once request and response are done. Not before the whole read was looked at: its next
   * request must not be answered by what was already there.
   */
  private release(): void {
    if (this.idle || !this.requestSent || !this.responseEnded || this.closed) return;
    // The end of the request may be gathered still, where its answer came early: it goes before the next head.
    this.flush();
    if (!this.persistent) {
      this.shut();
      return;
    }
    this.idle = true;
    this.served++;
    if (this.discarding >= 0) this.socket.setTimeout(0);
    this.resume();
    this.owner.onIdle(this, this.hintMs);
  }
}

function isPersistent(head: Http1ResponseHead): boolean {
  if (head.options.close || head.framing === 'until-close') return false;
  return !head.http10 || head.options.keepAlive;
}

let lastHint = '';
let lastHintMs: number | undefined;

/** `Keep-Alive: timeout=5` in milliseconds. An endpoint says the same thing every time: the last answer is kept. */
function keepAliveHintMs(head: Http1ResponseHead): number | undefined {
  if (!head.has(FieldCode.keepAlive)) return undefined;
  const text = head.joined(FieldCode.keepAlive) as string;
  if (text !== lastHint) {
    lastHint = text;
    const match = /(?:^|[,\s])timeout=(\d{1,6})(?:$|[,\s])/i.exec(text);
    lastHintMs = match === null ? undefined : Number(match[1]) * 1000;
  }
  return lastHintMs;
}
