import type { Socket } from 'node:net';

/** Who takes connections. */
export interface Taker {
  /** Open connections, as last told. */
  readonly connections: number;
  /** True when the connection was sent; the taker comes back by `free` once it has arrived. */
  hand(connection: Accepted): boolean;
}

/** A client's connection, paused, on its way from the primary to a worker. */
export interface Accepted {
  readonly listener: number;
  readonly socket: Socket;
}

/** Beyond so many no worker can have come for a long time: the client had better try elsewhere. */
const MOST_WAITING = 4096;

/**
 * Gives each connection to a worker that is free: one to which none is on its way. Of several free ones that with the
 * fewest connections takes it. A worker whose loop is busy so gets fewer, and one that hangs no more than one.
 */
export class HandOver {
  private readonly free = new Set<Taker>();
  private waiting: Accepted[] = [];
  private head = 0;
  private emptied: (() => void) | undefined;

  get waitingCount(): number {
    return this.waiting.length - this.head;
  }

  offer(connection: Accepted): void {
    if (this.waitingCount >= MOST_WAITING) connection.socket.destroy();
    else this.waiting.push(connection);
    this.go();
  }

  /** A connection that was on its way to a worker that died: it is the oldest. */
  offerAgain(connection: Accepted): void {
    this.waiting = [connection, ...this.waiting.slice(this.head)];
    this.head = 0;
    this.go();
  }

  /** A worker is there, or has taken what it was given. */
  add(taker: Taker): void {
    this.free.add(taker);
    this.go();
  }

  remove(taker: Taker): void {
    this.free.delete(taker);
  }

  /** Resolves when nothing waits any more. */
  empty(): Promise<void> {
    if (this.waitingCount === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.emptied = resolve;
    });
  }

  /** Closes what still waits. */
  drop(): void {
    for (const { socket } of this.waiting.slice(this.head)) socket.destroy();
    this.waiting = [];
    this.head = 0;
    this.emptied?.();
  }

  private go(): void {
    while (this.waitingCount > 0) {
      const taker = this.leastBusy();
      if (taker === undefined) return;
      const connection = this.waiting[this.head]!;
      this.free.delete(taker);
      // One that has just closed its channel is not asked again.
      if (taker.hand(connection)) this.advance();
    }
    this.emptied?.();
  }

  private advance(): void {
    this.head++;
    if (this.head < 256 && this.head < this.waiting.length) return;
    this.waiting = this.waiting.slice(this.head);
    this.head = 0;
  }

  private leastBusy(): Taker | undefined {
    let least: Taker | undefined;
    for (const taker of this.free) if (least === undefined || taker.connections < least.connections) least = taker;
    return least;
  }
}
