import { randomBytes } from 'node:crypto';
import type { StoreFailure } from '../../limits/limit-store.ts';
import type { Cancel, Timers } from '../../ports.ts';

/** What a heartbeat's answer says. */
export interface FleetState {
  /** The store's time, microseconds since the epoch. */
  readonly atUs: number;
  /** Instances alive, this one included. */
  readonly size: number;
}

/** How a heartbeat reaches the store. */
export interface Beats {
  ask(args: readonly string[], done: (failure: StoreFailure | undefined, raw: unknown) => void): void;
  /** Whether the store is asked at all now; while it is away it is probed by `beat()` from outside. */
  isAsked(): boolean;
  beaten(state: FleetState): void;
  missed(failure: StoreFailure): void;
}

const INTERVAL_MS = 1000;
const EXPIRY_MS = 3000;

/**
 * The gateways on one store: each beats once a second into one sorted set, its score the expiry by the store's clock. The
 * number of members is what was last seen, and stays so while the store is away. The fleet's secret rides along: it is
 * kept in the store, put back by any member when it was lost, and the store's wins where two differ.
 */
export class Membership {
  size = 1;
  /** The fleet's secret; undefined until the store has answered, and where one is configured. */
  secret: string | undefined = undefined;
  private readonly prefix: string;
  private readonly instance: string;
  private readonly ownSecret: string;
  private readonly timers: Timers;
  private readonly beats: Beats;
  private timer: Cancel | undefined;
  private joined = false;

  constructor(prefix: string, instance: string, configuredSecret: string | undefined, timers: Timers, beats: Beats) {
    this.prefix = prefix;
    this.instance = instance;
    this.ownSecret = configuredSecret === undefined ? randomBytes(24).toString('base64url') : '';
    this.timers = timers;
    this.beats = beats;
  }

  start(): void {
    this.timer = this.timers.after(INTERVAL_MS, () => {
      if (this.beats.isAsked()) this.beat();
      this.start();
    });
  }

  /** One heartbeat now. */
  beat(): void {
    this.send(EXPIRY_MS, (failure, raw) => {
      if (failure !== undefined) return this.beats.missed(failure);
      const [atUs, size, secret] = raw as [number, number, string];
      this.joined = true;
      this.size = Math.max(1, size);
      if (secret !== '') this.secret = secret;
      this.beats.beaten({ atUs, size: this.size });
    });
  }

  /** Leaves the fleet; waits for the store's answer, at most its deadline. */
  stop(): Promise<void> {
    this.timer?.();
    if (!this.joined || !this.beats.isAsked()) return Promise.resolve();
    return new Promise((resolve) => this.send(0, () => resolve()));
  }

  /** With an expiry of 0 the member leaves at once. */
  private send(expiryMs: number, done: (failure: StoreFailure | undefined, raw: unknown) => void): void {
    const keys = [`${this.prefix}:1:{hg}:members`, `${this.prefix}:1:{hg}:secret`];
    this.beats.ask(['2', ...keys, this.instance, String(expiryMs), this.secret ?? this.ownSecret], done);
  }
}
