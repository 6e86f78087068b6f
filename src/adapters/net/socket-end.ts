import type { Socket } from 'node:net';
import type { TunnelEnd, TunnelPeer } from '../../upstream/channel.ts';

/** Octets waiting to be written beyond which a socket asks its source to pause. */
export const HIGH_WATER_BYTES = 64 * 1024;

/** What waits to be written when the other side is gone may take this long without moving. */
const CLOSE_MS = 5000;
/** Once all of it is out, the peer gets so long to send its FIN: to close on unread octets would be a reset. */
const LINGER_MS = 1000;
/** What a closing peer still sends is read and dropped up to here. */
const LINGER_BYTES = 64 * 1024;
/** A read counts for at least so much, so that one octet now and then does not go on for ever. */
const LINGER_READ_BYTES = 256;
/** A peer that vanished without a word is asked after so long a silence (TCP keep-alive). */
const KEEP_ALIVE_MS = 30_000;

/** A socket as one side of a tunnel. Its owner passes on what it hears from the socket, errors aside. */
export class SocketEnd implements TunnelEnd {
  private readonly socket: Socket;
  private peer: TunnelPeer | undefined = undefined;
  /** What came before the tunnel was joined. */
  private early: Uint8Array[] | undefined;
  private isEnded = false;
  private wasFull = false;
  private failure: string | undefined = undefined;
  private closing = false;
  private lingerLeft = LINGER_BYTES;

  constructor(socket: Socket, early: Uint8Array | undefined) {
    this.socket = socket;
    this.early = early === undefined || early.length === 0 ? undefined : [early];
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.failure ??= error.code ?? error.message;
    });
  }

  attach(peer: TunnelPeer): void {
    this.peer = peer;
    const early = this.early;
    this.early = undefined;
    for (const chunk of early ?? []) peer.onData(chunk, false);
    if (this.isEnded) peer.onEnd();
  }

  write(chunk: Uint8Array, transient: boolean): boolean {
    if (this.socket.destroyed || this.socket.writableEnded) return true;
    this.socket.write(transient ? Buffer.from(chunk) : chunk);
    this.wasFull = this.socket.writableLength > HIGH_WATER_BYTES;
    return !this.wasFull;
  }

  end(): void {
    this.socket.end();
  }

  /** FIN behind what waits; then the peer's FIN is waited for, or a moment. */
  close(): void {
    const { socket } = this;
    if (socket.destroyed || this.closing) return;
    this.closing = true;
    socket.setTimeout(CLOSE_MS, () => socket.destroy());
    if (socket.writableFinished) this.linger();
    else socket.once('finish', () => this.linger());
    socket.end();
    socket.resume();
  }

  private linger(): void {
    const { socket } = this;
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.socket.destroy();
  }

  reset(): void {
    resetSocket(this.socket);
  }

  pause(): void {
    if (!this.closing) this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  // From the owner of the socket.

  received(chunk: Uint8Array, transient: boolean): void {
    if (this.closing) this.drop(chunk.length);
    else if (this.peer !== undefined) this.peer.onData(chunk, transient);
    else (this.early ??= []).push(transient ? Buffer.from(chunk) : chunk);
  }

  private drop(bytes: number): void {
    this.lingerLeft -= Math.max(bytes, LINGER_READ_BYTES);
    if (this.lingerLeft < 0) this.socket.pause();
  }

  drained(): void {
    if (!this.wasFull || this.closing) return;
    this.wasFull = false;
    this.peer?.onWritable();
  }

  ended(): void {
    this.isEnded = true;
    this.peer?.onEnd();
  }

  closed(): void {
    // What comes behind a FIN takes nothing back: a peer that has closed answers every further octet with a reset.
    this.peer?.onClose(this.isEnded ? undefined : this.failure);
  }
}

/** RST; where the socket has none (a unix socket, TLS to an endpoint) it is closed at once. */
export function resetSocket(socket: Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    socket.destroy();
  }
}
