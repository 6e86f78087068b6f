import type { Clock } from '../core/clock.ts';
import type { Cancel, Timers } from '../ports.ts';

/** A call that must be answered by a certain time. */
export interface Deadlined {
  /** Answered, or given up: nothing more happens to it. */
  readonly settled: boolean;
  /** It was not answered in time. */
  expire(): void;
}

interface Entry {
  readonly call: Deadlined;
  readonly deadlineMs: number;
}

/**
 * Deadlines of calls in flight, all with the same allowance, so they come due in the order of sending: one timer for all.
 *
 * Node runs timers before it reads sockets. After the loop was busy, an answer may lie in the socket while the timer of
 * its call fires; a late loop is no failure of the store. So a timer that fires only marks what is due, and the verdict
 * falls after one poll: an answer that is there wins.
 */
export class Deadlines {
  readonly allowanceMs: number;
  private readonly clock: Clock;
  private readonly timers: Timers;
  private readonly afterPoll: (run: () => void) => void;
  private entries: Entry[] = [];
  private head = 0;
  private timer: Cancel | undefined;

  /** `afterPoll` runs a function once the sockets were read (`setImmediate`). */
  constructor(allowanceMs: number, clock: Clock, timers: Timers, afterPoll: (run: () => void) => void) {
    this.allowanceMs = allowanceMs;
    this.clock = clock;
    this.timers = timers;
    this.afterPoll = afterPoll;
  }

  /** Starts the deadline of a call that was written to its socket just now. */
  start(call: Deadlined): void {
    this.entries.push({ call, deadlineMs: this.clock.nowMs() + this.allowanceMs });
    if (this.timer === undefined) this.arm();
  }

  stop(): void {
    this.timer?.();
    this.timer = undefined;
    this.entries = [];
    this.head = 0;
  }

  private arm(): void {
    this.skipSettled();
    const next = this.entries[this.head];
    if (next === undefined) return;
    this.timer = this.timers.after(Math.max(1, Math.ceil(next.deadlineMs - this.clock.nowMs())), () => this.mark());
  }

  private mark(): void {
    const dueMs = this.clock.nowMs();
    this.skipSettled();
    const next = this.entries[this.head];
    if (next === undefined || next.deadlineMs > dueMs) {
      this.timer = undefined;
      this.arm();
      return;
    }
    this.afterPoll(() => this.judge(dueMs));
  }

  /** Gives up what was due when the timer fired and is still not answered. */
  private judge(dueMs: number): void {
    if (this.timer === undefined) return;
    this.timer = undefined;
    for (let at = this.head; at < this.entries.length; at++) {
      const { call, deadlineMs } = this.entries[at]!;
      if (deadlineMs > dueMs) break;
      if (!call.settled) call.expire();
    }
    if (this.timer === undefined) this.arm();
  }

  private skipSettled(): void {
    const { entries } = this;
    while (this.head < entries.length && entries[this.head]!.call.settled) this.head++;
    if (this.head === entries.length) {
      this.entries = [];
      this.head = 0;
    } else if (this.head > 256) {
      entries.splice(0, this.head);
      this.head = 0;
    }
  }
}
