import { randomBytes } from 'node:crypto';
import { Breaker } from '../../core/limit/breaker.ts';
import type { Random } from '../../core/random.ts';
import { Deadlines } from '../../limits/deadlines.ts';
import {
  type FleetMember,
  type LimitStore,
  StoreFailure,
  type TakeCall,
  type TakeReply,
} from '../../limits/limit-store.ts';
import { PendingCall } from '../../limits/pending-call.ts';
import type { Cancel, ClockAndTimers, Log, StoreMetrics } from '../../ports.ts';
import { type Beats, type FleetState, type KnownFleet, Membership } from './membership.ts';
import { RedisClient } from './redis-client.ts';
import { BEAT_SCRIPT, type Script, TAKE_SCRIPT } from './script.ts';
import { decodeReply, encodeCall, isStale, SentinelIds, timeOf } from './take-codec.ts';

export interface RedisStoreOptions {
  readonly url: string;
  readonly prefix: string;
  /** From the write of a call to its reply. */
  readonly timeoutMs: number;
  /** The configured secret; undefined: one is made and kept in the store, so that the fleet agrees. */
  readonly secret: string | undefined;
  readonly clock: ClockAndTimers;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: StoreMetrics;
  readonly fleetSize?: (size: number) => void;
  /** Name of this process in the fleet; random where left out. */
  readonly instance?: string;
  /** What it runs, for the fleet to see; the hash of the configuration is asked at each heartbeat. */
  readonly version: string;
  readonly configHash: () => string;
  /** Processes that decide in this instance; 1 where left out. */
  readonly workers?: number;
  /** Where this is one of them: what its primary knows of the fleet. The primary is the member. */
  readonly asWorker?: KnownFleet;
  /** `setImmediate` where left out: runs a function once the sockets were read. */
  readonly afterPoll?: (run: () => void) => void;
}

/** Probes without an answer after which the connection is taken for dead. */
const PROBES_UNTIL_REPLACED = 3;
const LATENCY_WEIGHT = 0.1;

/**
 * The store of a fleet: one EVALSHA a call, decided by `take.lua` in the server's time.
 *
 *   away → there    connected, scripts loaded, and a heartbeat answered
 *   there → away    the breaker opened: calls failed, or the connection was lost
 *
 * While away nothing is sent but a heartbeat per probe interval, so no request waits for a store that does not answer.
 */
export class RedisStore implements LimitStore {
  /** Calls answered after they were given up. */
  lateReplies = 0;
  latencyMs: number | undefined = undefined;
  private readonly options: RedisStoreOptions;
  private readonly clock: ClockAndTimers;
  private readonly client: RedisClient;
  private readonly breaker: Breaker;
  private readonly deadlines: Deadlines;
  private readonly membership: Membership;
  private readonly sentinels = new SentinelIds();
  private readonly instance: string;
  /** The workers of an instance share its name, and no two calls may have one sentinel. */
  private readonly caller: string;
  private readonly inFlight = new Set<PendingCall>();
  private readonly loading = new Set<Script>();
  private calls = 0;
  private probesUnanswered = 0;
  private loaded = false;
  private seenUs = 0;
  /** The store's time less the monotonic clock's, at the last reply; undefined = never asked. */
  private offsetUs: number | undefined;
  private probeTimer: Cancel | undefined;
  private started = false;

  constructor(options: RedisStoreOptions) {
    this.options = options;
    this.clock = options.clock;
    this.instance = options.instance ?? randomBytes(9).toString('base64url');
    this.caller = options.asWorker === undefined ? this.instance : randomBytes(9).toString('base64url');
    this.breaker = new Breaker(options.random);
    const afterPoll = options.afterPoll ?? ((run: () => void) => void setImmediate(run));
    this.deadlines = new Deadlines(options.timeoutMs, options.clock, options.clock, afterPoll);
    const events = {
      connected: () => this.connected(),
      disconnected: () => this.disconnected(),
      sent: () => options.metrics.sent(),
    };
    this.client = new RedisClient(options.url, events, options.clock, options.random, options.log);
    this.membership = this.createMembership();
    options.metrics.up = false;
  }

  private createMembership(): Membership {
    const { prefix, version, configHash, secret: configuredSecret, clock, workers = 1, asWorker } = this.options;
    const isWorker = asWorker !== undefined;
    const instance = { id: this.instance, version, configHash, configuredSecret, workers, isWorker };
    const beats: Beats = {
      ask: (args, done) => this.ask(BEAT_SCRIPT, args, done),
      isAsked: () => this.available,
      beaten: (state) => this.learned(state),
      missed: (failure) => this.missed(failure),
    };
    return new Membership(prefix, instance, clock, beats, asWorker);
  }

  get available(): boolean {
    return !this.breaker.open;
  }

  get fleetSize(): number {
    return this.membership.size;
  }

  get sharers(): number {
    return this.membership.sharers;
  }

  get members(): readonly FleetMember[] | undefined {
    return this.membership.members;
  }

  get secret(): string | undefined {
    return this.membership.secret;
  }

  setSecret(configured: string | undefined): void {
    this.membership.setSecret(configured);
  }

  /** Connects in the background: the gateway serves meanwhile. */
  start(): void {
    this.started = true;
    this.client.start();
    this.membership.start();
  }

  /** Leaves the fleet and closes the connection. */
  async stop(): Promise<void> {
    this.started = false;
    this.probeTimer?.();
    await this.membership.stop();
    this.client.stop();
    this.failInFlight('the gateway stops');
    this.deadlines.stop();
  }

  nowUs(): number {
    if (this.offsetUs === undefined) return this.clock.wallUs();
    return Math.floor(this.offsetUs + this.clock.nowMs() * 1000);
  }

  take(call: TakeCall): Promise<TakeReply> {
    return new Promise((resolve, reject) => this.send(call, false, resolve, reject));
  }

  private send(
    call: TakeCall,
    again: boolean,
    resolve: (reply: TakeReply) => void,
    reject: (failure: StoreFailure) => void,
  ): void {
    const { args, partitions } = encodeCall(call, {
      prefix: this.options.prefix,
      seenUs: this.seenUs,
      nowUs: this.nowUs(),
      sentinelId: `${this.caller}.${++this.calls}`,
      sentinels: this.sentinels,
    });
    this.ask(TAKE_SCRIPT, args, (failure, raw) => {
      if (failure !== undefined) return reject(failure);
      this.sawTime(timeOf(raw));
      if (!isStale(raw)) return resolve(decodeReply(raw, call, partitions, this.sentinels));
      // Nothing was done: with the store's time known, the edges hold.
      if (again) return reject(new StoreFailure('error', 'the clock of the store runs away'));
      this.send(call, true, resolve, reject);
    });
  }

  /** Runs a script under the deadline; `done` is called once. */
  private ask(
    script: Script,
    args: readonly string[],
    done: (failure: StoreFailure | undefined, raw: unknown) => void,
  ) {
    const call = new PendingCall(this.clock.nowMs(), (failure, raw) => {
      this.inFlight.delete(call);
      if (failure === undefined) this.answered(call);
      else this.failed(failure);
      done(failure, raw);
    });
    this.inFlight.add(call);
    this.write(call, script, ['EVALSHA', script.sha], args);
    this.deadlines.start(call);
  }

  private write(call: PendingCall, script: Script, [name, first]: [string, string], args: readonly string[]): void {
    this.client.send(name, [first, ...args], (error, raw) => {
      if (call.settled) {
        if (!error) this.lateReplies++;
        return;
      }
      if (!error) return call.settle(undefined, raw);
      if (name === 'EVALSHA' && error.message.startsWith('NOSCRIPT')) {
        // It did not run, so the same call may be sent once more, with the text; and the hash is made known again.
        this.write(call, script, ['EVAL', script.text], args);
        this.load(script);
        return;
      }
      this.client.report(error);
      call.settle(new StoreFailure('error', error.message), undefined);
    });
  }

  private load(script: Script): void {
    if (this.loading.has(script)) return;
    this.loading.add(script);
    this.client.send('SCRIPT', ['LOAD', script.text], (error) => {
      this.loading.delete(script);
      if (error) this.client.report(error);
    });
  }

  private answered(call: PendingCall): void {
    const tookMs = this.clock.nowMs() - call.sentMs;
    this.breaker.succeeded(this.clock.nowMs());
    this.latencyMs =
      this.latencyMs === undefined ? tookMs : this.latencyMs + LATENCY_WEIGHT * (tookMs - this.latencyMs);
    this.options.metrics.command(tookMs / 1000);
  }

  private failed(failure: StoreFailure): void {
    if (this.breaker.open) return;
    this.breaker.failed(this.clock.nowMs());
    if (this.breaker.open) this.wentAway(failure.detail);
  }

  private connected(): void {
    this.loaded = true;
    this.probesUnanswered = 0;
    this.loading.clear();
    this.load(TAKE_SCRIPT);
    this.load(BEAT_SCRIPT);
    this.breaker.nextProbeMs = this.clock.nowMs();
    this.probe();
  }

  private disconnected(): void {
    this.loaded = false;
    const wasOpen = this.breaker.open;
    this.breaker.trip(this.clock.nowMs());
    if (!wasOpen && this.started) this.wentAway('connection lost');
    this.failInFlight('connection lost');
  }

  private failInFlight(why: string): void {
    for (const call of [...this.inFlight]) call.settle(new StoreFailure('connection', why), undefined);
  }

  private wentAway(why: string): void {
    this.options.metrics.up = false;
    this.options.log.warn('store away: limits go on by local share', { why, gateways: this.fleetSize });
    this.scheduleProbe();
  }

  private cameBack(): void {
    this.breaker.probeSucceeded();
    this.options.metrics.up = true;
    this.options.log.info('store there', { gateways: this.fleetSize });
  }

  private scheduleProbe(): void {
    this.probeTimer?.();
    if (!this.started) return;
    const delayMs = Math.max(0, this.breaker.nextProbeMs - this.clock.nowMs());
    this.probeTimer = this.clock.after(delayMs, () => this.probe());
  }

  private probe(): void {
    if (!this.breaker.open || !this.started) return;
    if (this.breaker.takeProbe(this.clock.nowMs()) && this.loaded) {
      if (this.probesUnanswered < PROBES_UNTIL_REPLACED) this.membership.beat();
      else this.client.replace();
    }
    this.scheduleProbe();
  }

  private learned(state: FleetState): void {
    this.sawTime(state.atUs);
    this.options.fleetSize?.(state.size);
    this.probesUnanswered = 0;
    if (this.breaker.open) this.cameBack();
  }

  private missed(failure: StoreFailure): void {
    if (failure.kind === 'deadline') this.probesUnanswered++;
  }

  private sawTime(atUs: number): void {
    if (atUs > this.seenUs) this.seenUs = atUs;
    this.offsetUs = atUs - this.clock.nowMs() * 1000;
  }
}
