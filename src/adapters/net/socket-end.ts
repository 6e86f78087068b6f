import type { Socket } from 'node:net';
import type { TunnelEnd, TunnelPeer } from '../../upstream/channel.ts';

/** Octets waiting to be written beyond which a socket asks its source to pause. */
export const HIGH_WATER_BYTES = 64 * 1024;

/** What waits to be written when the other side is gone may take this long without moving. */
const CLOSE_MS = 5000;

/** A socket as one side of a tunnel. Its owner passes on what it hears from the socket. */
export class SocketEnd implements TunnelEnd {
  private readonly socket: Socket;
  private peer: TunnelPeer | undefined = undefined;
  /** What came before the tunnel was joined. */
  private early: Uint8Array[] | undefined;
  private endedEarly = false;
  private wasFull = false;

  constructor(socket: Socket, early: Uint8Array | undefined) {
    this.socket = socket;
    this.early = early === undefined || early.length === 0 ? undefined : [early];
  }

  attach(peer: TunnelPeer): void {
    this.peer = peer;
    const early = this.early;
    this.early = undefined;
    for (const chunk of early ?? []) peer.onData(chunk, false);
    if (this.endedEarly) peer.onEnd();
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

  close(): void {
    if (this.socket.destroyed) return;
    this.socket.setTimeout(CLOSE_MS, () => this.socket.destroy());
    this.socket.destroySoon();
  }

  destroy(): void {
    this.socket.destroy();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  // From the owner of the socket.

  received(chunk: Uint8Array, transient: boolean): void {
    if (this.peer !== undefined) this.peer.onData(chunk, transient);
    else (this.early ??= []).push(transient ? Buffer.from(chunk) : chunk);
  }

  drained(): void {
    if (!this.wasFull) return;
    this.wasFull = false;
    this.peer?.onWritable();
  }

  ended(): void {
    if (this.peer !== undefined) this.peer.onEnd();
    else this.endedEarly = true;
  }

  closed(): void {
    this.peer?.onClose();
  }
}
