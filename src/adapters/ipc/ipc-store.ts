import { Breaker } from '../../core/limit/breaker.ts';
import type { Random } from '../../core/random.ts';
import { Deadlines } from '../../limits/deadlines.ts';
import { type LimitStore, StoreFailure, type TakeCall, type TakeReply } from '../../limits/limit-store.ts';
import { PendingCall } from '../../limits/pending-call.ts';
import type { Cancel, ClockAndTimers, Log } from '../../ports.ts';
import { decodeReply, REFUSED, type RefusedMessage, TAKEN, TakeEncoder, type TakenMessage } from './take-messages.ts';

export interface IpcStoreOptions {
  /** Sends a message to the primary; false where it is gone. */
  readonly send: (message: readonly unknown[]) => boolean;
  readonly clock: ClockAndTimers;
  readonly random: Random;
  readonly log: Log;
  /** The secret of this gateway where none is configured: one for all its workers. */
  readonly secret: string;
  /** Processes on this store. */
  readonly workers: number;
  /** `setImmediate` where left out: runs a function once what has arrived was read. */
  readonly afterPoll?: (run: () => void) => void;
}

/**
 * From the sending of a call to its answer. The primary decides in microseconds; only one that hangs, or is not given the
 * processor, takes longer, and to decide without it costs the limit's exactness.
 */
const TIMEOUT_MS = 1000;

/**
 * The store of a gateway with several workers and no Redis: it lives in the primary, and a worker asks it with one message
 * for all decisions of a turn. The limits are exact over the workers. A primary that does not answer is a store that is
 * away: each worker goes on with its share.
 */
export class IpcStore implements LimitStore {
  readonly fleetSize = 1;
  readonly members = undefined;
  readonly latencyMs = undefined;
  readonly sharers: number;
  readonly secret: string;
  private readonly options: IpcStoreOptions;
  private readonly breaker: Breaker;
  private readonly deadlines: Deadlines;
  private readonly encoder = new TakeEncoder();
  private readonly waiting = new Map<number, (message: TakenMessage | RefusedMessage) => void>();
  private readonly pending = new Set<PendingCall>();
  private calls = 0;
  private probeTimer: Cancel | undefined;
  private closed = false;

  constructor(options: IpcStoreOptions) {
    this.options = options;
    this.secret = options.secret;
    this.sharers = options.workers;
    this.breaker = new Breaker(options.random);
    this.breaker.probeSucceeded();
    const afterPoll = options.afterPoll ?? ((run: () => void) => void setImmediate(run));
    this.deadlines = new Deadlines(TIMEOUT_MS, options.clock, options.clock, afterPoll);
  }

  get available(): boolean {
    return !this.breaker.open;
  }

  /** Of the same machine's clock. */
  nowUs(): number {
    return this.options.clock.wallUs();
  }

  take(call: TakeCall): Promise<TakeReply> {
    return new Promise((resolve, reject) => {
      this.ask(call, (failure, reply) => {
        if (failure === undefined) {
          this.breaker.succeeded(this.options.clock.nowMs());
          resolve(reply as TakeReply);
          return;
        }
        this.failed(failure);
        reject(failure);
      });
    });
  }

  /** An answer of the primary. */
  received(message: TakenMessage | RefusedMessage): void {
    this.waiting.get(message[1])?.(message);
  }

  /** The primary is gone: nothing waits for it, and nothing is asked any more. */
  close(): void {
    this.closed = true;
    this.probeTimer?.();
    this.breaker.trip(this.options.clock.nowMs());
    for (const call of [...this.pending]) call.settle(new StoreFailure('connection', 'the primary is gone'), undefined);
    this.deadlines.stop();
  }

  private ask(call: TakeCall, done: (failure: StoreFailure | undefined, reply: unknown) => void): void {
    const id = ++this.calls;
    const pending = new PendingCall(this.options.clock.nowMs(), (failure, reply) => {
      this.waiting.delete(id);
      this.pending.delete(pending);
      done(failure, reply);
    });
    this.pending.add(pending);
    this.waiting.set(id, (message) => {
      if (message[0] === TAKEN) pending.settle(undefined, decodeReply(message, call));
      else if (message[0] === REFUSED) pending.settle(new StoreFailure('error', message[2]), undefined);
    });
    if (this.options.send(this.encoder.encode(id, call))) this.deadlines.start(pending);
    else pending.settle(new StoreFailure('connection', 'the primary is gone'), undefined);
  }

  private failed(failure: StoreFailure): void {
    if (this.breaker.open) return;
    this.breaker.failed(this.options.clock.nowMs());
    if (!this.breaker.open || this.closed) return;
    this.options.log.warn('the primary does not answer: limits go on by local share', { why: failure.detail });
    this.scheduleProbe();
  }

  private scheduleProbe(): void {
    const delayMs = Math.max(0, this.breaker.nextProbeMs - this.options.clock.nowMs());
    this.probeTimer = this.options.clock.after(delayMs, () => this.probe());
  }

  /** A call that asks for nothing. */
  private probe(): void {
    if (!this.breaker.open || this.closed) return;
    if (this.breaker.takeProbe(this.options.clock.nowMs())) {
      this.ask({ groups: [], carried: undefined }, (failure) => {
        if (failure !== undefined || !this.breaker.open || this.closed) return;
        this.breaker.probeSucceeded();
        this.options.log.info('the primary answers again');
      });
    }
    this.scheduleProbe();
  }
}
