import type { Deadlined } from './deadlines.ts';
import { StoreFailure } from './limit-store.ts';

/** A call between its write and its reply; settled once, by the reply, the deadline or the end of the connection. */
export class PendingCall implements Deadlined {
  readonly sentMs: number;
  settled = false;
  private readonly done: (failure: StoreFailure | undefined, raw: unknown) => void;

  constructor(sentMs: number, done: (failure: StoreFailure | undefined, raw: unknown) => void) {
    this.sentMs = sentMs;
    this.done = done;
  }

  settle(failure: StoreFailure | undefined, raw: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.done(failure, raw);
  }

  expire(): void {
    this.settle(new StoreFailure('deadline', 'no reply in time'), undefined);
  }
}
