// Hot path: taking and giving back an idle connection allocates nothing.
import type { Clock } from '../core/clock.ts';
import { type TimerWheel, WheelTimer } from '../core/timer-wheel.ts';
import { GatewayError } from '../errors.ts';
import type { ChannelOwner, Transport, UpstreamChannel } from './channel.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import { LearnedIdle } from './learned-idle.ts';

/** Somebody who wants a connection. Exactly one of the two is called, perhaps at once, unless it was withdrawn. */
export interface PoolWaiter {
  onChannel(channel: UpstreamChannel): void;
  /** No byte was written. */
  onNoChannel(error: GatewayError): void;
}

export interface PoolOptions {
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export interface PoolDeps {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
}

const MAX_WAITING = 1024;
/** An endpoint's own hint is believed up to here. */
const MAX_HINT_MS = 60_000;
const HINT_MARGIN_MS = 1000;
/** A kept connection that dies unanswered this soon after it was given out was closed while it lay idle. */
const RACE_MS = 500;
/** Where the gateway itself could not open a connection, it tries again after so long. */
const LACK_MS = 100;
/** A deadline that is looked at so late passed while the gateway itself stood still. */
export const STOOD_STILL_MS = 100;

interface Waiting {
  readonly waiter: PoolWaiter;
  deadlineMs: number;
  /** A connection that was used before will not do. */
  readonly fresh: boolean;
}

/**
 * The connections to one endpoint: reused last in, first out; at most `maxConnections`; beyond that requests wait in
 * order, as long as a connect may take, and then fail. An idle connection is given out only while it is younger than its
 * limit: configured, or hinted at by the endpoint, and below the age at which the endpoint was seen to close one.
 */
export class EndpointPool implements ChannelOwner {
  private address: EndpointAddress;
  private options: PoolOptions;
  private readonly deps: PoolDeps;
  private readonly idleStack: UpstreamChannel[] = [];
  private readonly waiting: Waiting[] = [];
  private readonly all = new Set<UpstreamChannel>();
  /** Of those, the ones that carry a last exchange: they lead where the endpoint is no longer. */
  private readonly leaving = new Set<UpstreamChannel>();
  private connecting = 0;
  private readonly learned = new LearnedIdle();
  /** Kept past the learned limit and given to nobody: its end tells whether the limit still holds. */
  private witness: UpstreamChannel | undefined = undefined;
  /** Why the gateway opens no connections for a moment. */
  private lack: GatewayError | undefined = undefined;
  private lackUntilMs = 0;
  private closed = false;
  private readonly timer = new WheelTimer(() => this.expire());

  constructor(address: EndpointAddress, options: PoolOptions, deps: PoolDeps) {
    this.address = address;
    this.options = options;
    this.deps = deps;
  }

  get open(): number {
    return this.all.size + this.connecting;
  }

  get idle(): number {
    return this.idleStack.length;
  }

  reconfigure(options: PoolOptions): void {
    this.options = options;
    if (!this.closed) this.connectForWaiting();
  }

  /** The endpoint is to be reached otherwise from now on (another certificate, another authority). */
  moveTo(address: EndpointAddress): void {
    if (isSameAddress(address, this.address)) return;
    this.address = address;
    for (const channel of [...this.all]) this.onStale(channel);
  }

  /** `fresh`: a connection that was used before will not do (the retry after one of those died). */
  acquire(waiter: PoolWaiter, fresh: boolean, nowMs: number): void {
    const channel = fresh ? undefined : this.takeIdle(nowMs);
    if (channel !== undefined) {
      waiter.onChannel(channel);
      return;
    }
    if (this.waiting.length - this.connecting >= MAX_WAITING) {
      waiter.onNoChannel(new GatewayError('overloaded', 'gateway', 'Too many requests wait for a connection.'));
      return;
    }
    if (this.open >= this.options.maxConnections) this.makeRoom(fresh);
    const deadlineMs = nowMs + this.options.connectTimeoutMs;
    this.waiting.push({ waiter, deadlineMs, fresh });
    this.deps.wheel.arm(this.timer, Math.min(this.timer.deadlineMs, deadlineMs));
    this.connectForWaiting();
  }

  /** Takes back a request for a connection that nobody needs any more. */
  withdraw(waiter: PoolWaiter): void {
    const at = this.waiting.findIndex((entry) => entry.waiter === waiter);
    if (at >= 0) this.waiting.splice(at, 1);
  }

  /** Whether no connect is under way for this waiter: it waits for a turn. */
  isQueued(waiter: PoolWaiter): boolean {
    return this.waiting.findIndex((entry) => entry.waiter === waiter) >= this.connecting;
  }

  /**
   * A connection given out by `acquire` died before one octet of an answer came. Where it was kept before, it lost the race
   * with the endpoint's idle timeout: the age at which it was given out was too much.
   */
  unanswered(channel: UpstreamChannel): void {
    const now = this.deps.clock.nowMs();
    const { idleSinceMs, idleForMs } = channel;
    if (idleForMs > 0 && now - idleSinceMs - idleForMs < RACE_MS) this.learn(idleForMs, now);
  }

  /** No new requests; idle connections close now, busy ones when they are done. */
  close(): void {
    this.closed = true;
    while (this.closeOneIdle());
    this.dropWitness();
    if (this.all.size === 0) this.deps.wheel.remove(this.timer);
  }

  /** Closes everything now. */
  destroy(): void {
    this.close();
    for (const channel of [...this.all]) channel.close();
    this.all.clear();
    this.deps.wheel.remove(this.timer);
  }

  private takeIdle(nowMs: number): UpstreamChannel | undefined {
    for (;;) {
      const channel = this.idleStack.pop();
      if (channel === undefined) return undefined;
      const ageMs = nowMs - channel.idleSinceMs;
      if (channel.idleUntilMs > nowMs && ageMs < this.learned.limitMs) {
        channel.idleForMs = ageMs;
        return channel;
      }
      this.retire(channel, nowMs);
    }
  }

  /** In a full pool: what nobody may use makes room, and what is used where a fresh one is wanted. */
  private makeRoom(fresh: boolean): void {
    if (!this.dropWitness() && fresh) this.closeOneIdle();
  }

  private closeOneIdle(): boolean {
    const channel = this.idleStack.shift();
    if (channel === undefined) return false;
    this.drop(channel);
    return true;
  }

  private dropWitness(): boolean {
    const { witness } = this;
    if (witness === undefined) return false;
    this.witness = undefined;
    this.drop(witness);
    return true;
  }

  /** Its time is over. One of those that only the learned limit ends stays, to put that to the test. */
  private retire(channel: UpstreamChannel, nowMs: number): void {
    const isLearned = channel.idleUntilMs > nowMs;
    if (isLearned && this.witness === undefined && this.learned.isDoubted(nowMs) && this.waiting.length === 0) {
      this.witness = channel;
      channel.idleUntilMs = Math.min(channel.idleUntilMs, channel.idleSinceMs + 2 * this.learned.limitMs);
      this.armTimer(channel.idleUntilMs);
    } else this.drop(channel);
  }

  private drop(channel: UpstreamChannel): void {
    this.all.delete(channel);
    this.leaving.delete(channel);
    channel.close();
  }

  private connectForWaiting(): void {
    if (this.lack !== undefined) return;
    while (this.connecting < this.waiting.length && this.open < this.options.maxConnections) {
      this.connecting++;
      this.deps.transport.connect(this.address, this.options.connectTimeoutMs, this);
    }
  }

  onConnected(channel: UpstreamChannel, address: EndpointAddress): void {
    this.connecting--;
    this.all.add(channel);
    if (this.closed && this.waiting.length === 0) this.drop(channel);
    else this.offer(channel, undefined);
    // It was on its way when the endpoint moved.
    if (address !== this.address) this.onStale(channel);
  }

  onConnectFailed(error: GatewayError): void {
    this.connecting--;
    if (error.source === 'gateway' && this.all.size > 0) {
      this.doWithout(error);
      return;
    }
    // One failed connect answers one request, unless those that wait have a connect each without it.
    if (this.waiting.length > this.connecting) this.waiting.shift()?.waiter.onNoChannel(error);
    if (!this.closed) this.connectForWaiting();
  }

  /** The gateway itself could not open one more: requests wait for those that are there, as at a full pool. */
  private doWithout(error: GatewayError): void {
    this.lack = error;
    this.lackUntilMs = this.deps.clock.nowMs() + LACK_MS;
    this.armTimer(this.lackUntilMs);
  }

  onIdle(channel: UpstreamChannel, hintMs: number | undefined): void {
    if (this.closed || (this.leaving.size > 0 && this.leaving.has(channel))) this.drop(channel);
    else this.offer(channel, hintMs);
  }

  onStale(channel: UpstreamChannel): void {
    if (channel === this.witness) this.dropWitness();
    else if (this.all.has(channel)) {
      const at = this.idleStack.indexOf(channel);
      if (at < 0) this.leaving.add(channel);
      else {
        this.idleStack.splice(at, 1);
        this.drop(channel);
      }
    }
  }

  onClosed(channel: UpstreamChannel): void {
    this.all.delete(channel);
    this.leaving.delete(channel);
    if (channel === this.witness) {
      this.witness = undefined;
      this.learnFrom(channel);
    } else {
      const at = this.idleStack.indexOf(channel);
      if (at >= 0) {
        this.idleStack.splice(at, 1);
        this.learnFrom(channel);
      }
    }
    if (!this.closed) this.connectForWaiting();
  }

  /** The endpoint closed a connection at rest. */
  private learnFrom({ idleSinceMs }: UpstreamChannel): void {
    const now = this.deps.clock.nowMs();
    this.learn(now - idleSinceMs, now);
  }

  private learn(ageMs: number, nowMs: number): void {
    const before = this.learned.limitMs;
    this.learned.closed(ageMs, nowMs);
    // Those that lie idle already keep to it too.
    if (this.learned.limitMs < before && this.idleStack.length > 0) this.armTimer(nowMs);
  }

  private offer(channel: UpstreamChannel, hintMs: number | undefined): void {
    channel.idleForMs = 0;
    const next = this.nextFor(channel);
    if (next !== undefined) {
      next.waiter.onChannel(channel);
      return;
    }
    if (this.waiting.length > 0 && this.open >= this.options.maxConnections) {
      // All who wait want a fresh one, and this one takes its place.
      this.drop(channel);
      return;
    }
    // Coarse: idle times are seconds.
    const now = this.deps.wheel.nowMs;
    channel.idleSinceMs = now;
    channel.idleUntilMs = now + this.idleLimit(hintMs);
    this.idleStack.push(channel);
    this.armTimer(this.dueMs(channel));
  }

  /** When an idle connection is idle too long. */
  private dueMs({ idleSinceMs, idleUntilMs }: UpstreamChannel): number {
    return Math.min(idleUntilMs, idleSinceMs + this.learned.limitMs);
  }

  private armTimer(deadlineMs: number): void {
    if (deadlineMs < this.timer.deadlineMs) this.deps.wheel.arm(this.timer, deadlineMs);
  }

  private nextFor(channel: UpstreamChannel): Waiting | undefined {
    if (channel.served === 0 || this.waiting.length === 0) return this.waiting.shift();
    const at = this.waiting.findIndex((entry) => !entry.fresh);
    return at < 0 ? undefined : this.waiting.splice(at, 1)[0];
  }

  private idleLimit(hintMs: number | undefined): number {
    if (hintMs === undefined) return this.options.idleTimeoutMs;
    return Math.max(0, Math.min(hintMs, MAX_HINT_MS) - HINT_MARGIN_MS);
  }

  /** Closes what was idle too long and fails what waited too long. */
  private expire(): void {
    const now = this.deps.clock.nowMs();
    this.expireIdle(now);
    this.excuseWaiting(now);
    while (this.waiting.length > 0 && (this.waiting[0] as Waiting).deadlineMs <= now) {
      const late = this.waiting.shift() as Waiting;
      late.waiter.onNoChannel(this.waitedTooLong());
    }
    for (const channel of this.idleStack) this.armTimer(this.dueMs(channel));
    if (this.witness !== undefined) this.armTimer(this.witness.idleUntilMs);
    if (this.waiting.length > 0) this.armTimer((this.waiting[0] as Waiting).deadlineMs);
    if (this.lack !== undefined) this.endLack(now);
  }

  /** While the gateway stood still nobody was given a turn: they are waited for as long again. */
  private excuseWaiting(nowMs: number): void {
    const lateMs = nowMs - (this.waiting[0]?.deadlineMs ?? nowMs);
    if (lateMs >= STOOD_STILL_MS) for (const entry of this.waiting) entry.deadlineMs += 2 * lateMs;
  }

  private endLack(nowMs: number): void {
    if (this.lackUntilMs > nowMs) {
      this.armTimer(this.lackUntilMs);
      return;
    }
    this.lack = undefined;
    this.connectForWaiting();
  }

  private expireIdle(nowMs: number): void {
    const { witness } = this;
    if (witness !== undefined && witness.idleUntilMs <= nowMs) {
      this.learned.survived(nowMs - witness.idleSinceMs, nowMs);
      this.dropWitness();
    }
    for (let at = this.idleStack.length - 1; at >= 0; at--) {
      const channel = this.idleStack[at] as UpstreamChannel;
      if (this.dueMs(channel) > nowMs) continue;
      this.idleStack.splice(at, 1);
      this.retire(channel, nowMs);
    }
  }

  /** Behind a full pool the wait was for a turn (503), else for a connect (504). */
  private waitedTooLong(): GatewayError {
    if (this.lack !== undefined) return this.lack;
    if (this.all.size >= this.options.maxConnections) {
      return new GatewayError('overloaded', 'gateway', 'No connection to the endpoint became free in time.');
    }
    return new GatewayError('connect-timeout', 'upstream', 'The endpoint did not accept a connection in time.');
  }
}

/** Also where another configuration wrote it. */
function isSameAddress(one: EndpointAddress, other: EndpointAddress): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
