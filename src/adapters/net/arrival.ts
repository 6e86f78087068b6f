import type { Socket } from 'node:net';
import { WheelTimer } from '../../core/timer-wheel.ts';
import { type ProxySource, readProxyPreface } from '../../http/proxy-protocol.ts';

/** Takes TLS off an accepted socket. */
export interface Encryption {
  /** Whether what the client has sent so far is enough to begin. */
  isReady(hello: Uint8Array): boolean;
  /** Calls `done` once, later, with the socket in clear or with what went wrong. The socket reads `hello` again. */
  secure(raw: Socket, hello: Uint8Array, done: (outcome: Socket | Error) => void): void;
}

/** What a connection must bring before its first request. */
export interface ArrivalTerms {
  /** Whether a PROXY header is read, and whether there must be one. */
  readonly proxyHeader: 'require' | 'allow' | false;
  /** Undefined: the connection is in clear. */
  readonly encryption: Encryption | undefined;
}

/** What became of an arrival. */
export type Arrived =
  | { readonly kind: 'ready'; readonly socket: Socket; readonly source: ProxySource | undefined }
  /** Octets that are no TLS where TLS is spoken: HTTP in clear, most likely. The socket reads them again. */
  | { readonly kind: 'in-clear'; readonly socket: Socket; readonly source: ProxySource | undefined }
  | { readonly kind: 'failed'; readonly step: 'proxy' | 'tls'; readonly reason: string }
  /** It went as it came, or was told to go: nobody's failure. */
  | { readonly kind: 'gone' };

const NOTHING = Buffer.alloc(0);

/** A connection until its first request may come: a PROXY header is read off it, then TLS is agreed on. */
export class Arrival {
  /** For the whole of it. */
  readonly timer = new WheelTimer(() => this.fail('not done in time'));
  private readonly socket: Socket;
  private readonly terms: ArrivalTerms;
  private readonly done: (arrived: Arrived) => void;
  private bytes: Buffer = NOTHING;
  private source: ProxySource | undefined = undefined;
  private step: 'proxy' | 'hello' | 'handshake' | 'over';
  private readonly onData = (chunk: Buffer): void => this.received(chunk);
  private readonly onEnd = (): void => this.fail('closed by the client');
  private readonly onClose = (): void => this.closed();

  /** `done` is called once, and not from in here. */
  constructor(socket: Socket, terms: ArrivalTerms, done: (arrived: Arrived) => void) {
    this.socket = socket;
    this.terms = terms;
    this.done = done;
    this.step = terms.proxyHeader === false ? 'hello' : 'proxy';
    socket.on('data', this.onData);
    socket.on('end', this.onEnd);
    socket.on('close', this.onClose);
    socket.on('error', ignore);
  }

  /** Ends it without a word. */
  destroy(): void {
    this.finish({ kind: 'gone' });
    this.socket.destroy();
  }

  private received(chunk: Buffer): void {
    this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk]);
    if (this.step === 'proxy' && !this.readHeader()) return;
    const { encryption } = this.terms;
    if (encryption === undefined) this.handOver({ kind: 'ready', socket: this.socket, source: this.source });
    else if (this.bytes.length > 0) this.readHello(encryption);
  }

  /** Whether the connection itself begins behind what was read. */
  private readHeader(): boolean {
    const preface = readProxyPreface(this.bytes);
    if (preface.kind === 'partial') return false;
    if (preface.kind === 'invalid' || (preface.kind === 'none' && this.terms.proxyHeader === 'require')) {
      this.fail(preface.kind === 'none' ? 'no PROXY header' : 'not a valid PROXY header');
      return false;
    }
    if (preface.kind === 'header') {
      this.source = preface.from;
      this.bytes = this.bytes.subarray(preface.length);
    }
    this.step = 'hello';
    return true;
  }

  private readHello(encryption: Encryption): void {
    const { socket, source } = this;
    if (isLetter(this.bytes[0] as number)) {
      this.handOver({ kind: 'in-clear', socket, source });
      return;
    }
    const hello = this.bytes;
    if (!encryption.isReady(hello)) return;
    this.putBack();
    this.step = 'handshake';
    encryption.secure(socket, hello, (outcome) => {
      if (!(outcome instanceof Error)) this.finish({ kind: 'ready', socket: outcome, source });
      else this.fail((outcome as NodeJS.ErrnoException).code ?? outcome.message);
    });
  }

  /** What came behind the header is read by whoever is next. */
  private putBack(): void {
    const { socket } = this;
    socket.off('data', this.onData);
    socket.off('end', this.onEnd);
    socket.pause();
    if (this.bytes.length > 0) socket.unshift(this.bytes);
    this.bytes = NOTHING;
  }

  private handOver(arrived: Arrived): void {
    this.putBack();
    this.finish(arrived);
  }

  private closed(): void {
    // Of a handshake TLS itself has a better word, which is on its way.
    if (this.step === 'handshake') setImmediate(() => this.fail('closed by the client'));
    else this.fail('closed by the client');
  }

  private fail(reason: string): void {
    const { step } = this;
    if (step === 'over') return;
    // A probe of the port that sends nothing, or no more than its PROXY header, is no failure.
    if (this.bytes.length === 0 && step !== 'handshake') this.finish({ kind: 'gone' });
    else this.finish({ kind: 'failed', step: step === 'proxy' ? 'proxy' : 'tls', reason });
    this.socket.destroy();
  }

  private finish(arrived: Arrived): void {
    if (this.step === 'over') return;
    this.step = 'over';
    this.socket.off('data', this.onData);
    this.socket.off('end', this.onEnd);
    this.socket.off('close', this.onClose);
    this.done(arrived);
  }
}

/** The first octet of a method; TLS begins with 22. */
function isLetter(octet: number): boolean {
  return (octet >= 65 && octet <= 90) || (octet >= 97 && octet <= 122);
}

/** A close follows. */
function ignore(): void {}
