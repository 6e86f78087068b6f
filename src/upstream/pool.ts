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

interface Idle {
  readonly channel: UpstreamChannel;
  sinceMs: number;
  untilMs: number;
}

interface Waiting {
  readonly waiter: PoolWaiter;
  readonly deadlineMs: number;
  /** A connection that was used before will not do. */
  readonly fresh: boolean;
}

/**
 * The connections to one endpoint: reused last in, first out; at most `maxConnections`; beyond that requests wait in
 * order, as long as a connect may take, and then fail.
 */
export class EndpointPool implements ChannelOwner {
  private readonly address: EndpointAddress;
  private options: PoolOptions;
  private readonly deps: PoolDeps;
  private readonly idleStack: Idle[] = [];
  private readonly waiting: Waiting[] = [];
  private readonly all = new Set<UpstreamChannel>();
  private connecting = 0;
  private readonly learned = new LearnedIdle();
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
    if (fresh && this.open >= this.options.maxConnections) this.closeOneIdle();
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

  /** No new requests; idle connections close now, busy ones when they are done. */
  close(): void {
    this.closed = true;
    while (this.closeOneIdle());
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
      const entry = this.idleStack.pop();
      if (entry === undefined) return undefined;
      if (entry.untilMs > nowMs) return entry.channel;
      this.drop(entry.channel);
    }
  }

  private closeOneIdle(): boolean {
    const entry = this.idleStack.shift();
    if (entry === undefined) return false;
    this.drop(entry.channel);
    return true;
  }

  private drop(channel: UpstreamChannel): void {
    this.all.delete(channel);
    channel.close();
  }

  private connectForWaiting(): void {
    while (this.connecting < this.waiting.length && this.open < this.options.maxConnections) {
      this.connecting++;
      this.deps.transport.connect(this.address, this.options.connectTimeoutMs, this);
    }
  }

  onConnected(channel: UpstreamChannel): void {
    this.connecting--;
    this.all.add(channel);
    if (this.closed && this.waiting.length === 0) this.drop(channel);
    else this.offer(channel, undefined);
  }

  onConnectFailed(error: GatewayError): void {
    this.connecting--;
    // One failed connect answers one request, unless those that wait have a connect each without it.
    if (this.waiting.length > this.connecting) this.waiting.shift()?.waiter.onNoChannel(error);
    if (!this.closed) this.connectForWaiting();
  }

  onIdle(channel: UpstreamChannel, hintMs: number | undefined): void {
    if (this.closed) this.drop(channel);
    else this.offer(channel, hintMs);
  }

  onClosed(channel: UpstreamChannel): void {
    this.all.delete(channel);
    const at = this.idleStack.findIndex((entry) => entry.channel === channel);
    const entry = this.idleStack[at];
    if (entry !== undefined) {
      this.idleStack.splice(at, 1);
      const now = this.deps.clock.nowMs();
      this.learned.closed(now - entry.sinceMs, now);
    }
    if (!this.closed) this.connectForWaiting();
  }

  private offer(channel: UpstreamChannel, hintMs: number | undefined): void {
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
    const untilMs = now + this.idleLimit(hintMs, now);
    this.idleStack.push({ channel, sinceMs: now, untilMs });
    if (untilMs < this.timer.deadlineMs) this.deps.wheel.arm(this.timer, untilMs);
  }

  private nextFor(channel: UpstreamChannel): Waiting | undefined {
    if (channel.served === 0 || this.waiting.length === 0) return this.waiting.shift();
    const at = this.waiting.findIndex((entry) => !entry.fresh);
    return at < 0 ? undefined : this.waiting.splice(at, 1)[0];
  }

  private idleLimit(hintMs: number | undefined, nowMs: number): number {
    const stated =
      hintMs === undefined ? this.options.idleTimeoutMs : Math.max(0, Math.min(hintMs, MAX_HINT_MS) - HINT_MARGIN_MS);
    return Math.min(stated, this.learned.limitMs(nowMs));
  }

  /** Closes what was idle too long and fails what waited too long. */
  private expire(): void {
    const now = this.deps.clock.nowMs();
    let next = Number.POSITIVE_INFINITY;
    for (let at = this.idleStack.length - 1; at >= 0; at--) {
      const entry = this.idleStack[at] as Idle;
      if (entry.untilMs <= now) {
        this.idleStack.splice(at, 1);
        this.drop(entry.channel);
      } else next = Math.min(next, entry.untilMs);
    }
    while (this.waiting.length > 0 && (this.waiting[0] as Waiting).deadlineMs <= now) {
      const late = this.waiting.shift() as Waiting;
      late.waiter.onNoChannel(this.waitedTooLong());
    }
    if (this.waiting.length > 0) next = Math.min(next, (this.waiting[0] as Waiting).deadlineMs);
    if (next !== Number.POSITIVE_INFINITY) this.deps.wheel.arm(this.timer, next);
  }

  /** Behind a full pool the wait was for a turn (503), else for a connect (504). */
  private waitedTooLong(): GatewayError {
    if (this.all.size >= this.options.maxConnections) {
      return new GatewayError('overloaded', 'gateway', 'No connection to the endpoint became free in time.');
    }
    return new GatewayError('connect-timeout', 'upstream', 'The endpoint did not accept a connection in time.');
  }
}
