import { randomBytes } from 'node:crypto';
import type { FleetMember, StoreFailure } from '../../limits/limit-store.ts';
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

/** Who beats. */
export interface Instance {
  readonly id: string;
  readonly version: string;
  /** Of the configuration in force; asked for each beat, since a reload changes it. */
  configHash(): string;
  /** Undefined: the fleet makes one and keeps it in the store. */
  readonly configuredSecret: string | undefined;
  /** Processes that decide in it. */
  readonly workers: number;
  /** One of these: it learns who the others are and leaves the beating to the instance's primary. */
  readonly isWorker: boolean;
}

/** What is known of a fleet before its store has answered. */
export interface KnownFleet {
  readonly members: readonly FleetMember[] | undefined;
  readonly secret: string | undefined;
}

const INTERVAL_MS = 1000;
const EXPIRY_MS = 3000;

type BeatReply = readonly [atUs: number, size: number, secret: string, change: string, members: readonly string[]];

/**
 * The gateways on one store: each beats once a second into one sorted set, its score the expiry by the store's clock, and
 * says beside it what it runs. The members are those last seen, and stay so while the store is away. The fleet's secret
 * rides along: it is kept in the store, put back by any member when it was lost, and the store's wins where two differ.
 * Of an instance with workers the primary beats; a worker asks just as often and is no member of its own.
 */
export class Membership {
  size = 1;
  /** In the order of their ids; undefined until the store has answered. */
  members: readonly FleetMember[] | undefined = undefined;
  /** The fleet's secret; undefined until the store has answered, and where one is configured. */
  secret: string | undefined = undefined;
  private readonly prefix: string;
  private readonly instance: Instance;
  /** Put into the store where it has none; '' where one is configured. */
  private ownSecret = '';
  private readonly timers: Timers;
  private readonly beats: Beats;
  private timer: Cancel | undefined;
  private joined = false;
  /** The change of the fleet that `members` knows of. */
  private change = '';

  constructor(prefix: string, instance: Instance, timers: Timers, beats: Beats, known?: KnownFleet) {
    this.prefix = prefix;
    this.instance = instance;
    this.setSecret(instance.configuredSecret);
    this.timers = timers;
    this.beats = beats;
    this.members = known?.members;
    this.size = Math.max(1, known?.members?.length ?? 1);
    if (instance.configuredSecret === undefined) this.secret = known?.secret;
  }

  /** Processes of the whole fleet that decide, this instance's at least. */
  get sharers(): number {
    const others = (this.members ?? []).filter(({ id }) => id !== this.instance.id);
    return others.reduce((sum, { workers }) => sum + workers, this.instance.workers);
  }

  /** Another secret is configured, or (undefined) none: then the next beat brings the fleet's. */
  setSecret(configured: string | undefined): void {
    this.ownSecret = configured === undefined ? randomBytes(24).toString('base64url') : '';
    this.secret = undefined;
  }

  start(): void {
    this.timer = this.timers.after(INTERVAL_MS, () => {
      if (this.beats.isAsked()) this.beat();
      this.start();
    });
  }

  /** One heartbeat now. */
  beat(): void {
    const { version, workers, isWorker } = this.instance;
    this.send(`${version} ${this.instance.configHash()} ${workers}`, (failure, raw) => {
      if (failure !== undefined) return this.beats.missed(failure);
      const [atUs, size, secret, change, members] = raw as BeatReply;
      this.joined = !isWorker;
      this.size = Math.max(1, size);
      if (secret !== '' && this.ownSecret !== '') this.secret = secret;
      if (change !== this.change) this.members = membersOf(members);
      this.change = change;
      this.beats.beaten({ atUs, size: this.size });
    });
  }

  /** Leaves the fleet; waits for the store's answer, at most its deadline. */
  stop(): Promise<void> {
    this.timer?.();
    if (!this.joined || !this.beats.isAsked()) return Promise.resolve();
    return new Promise((resolve) => this.send('', () => resolve()));
  }

  /** Without details the member leaves at once. */
  private send(details: string, done: (failure: StoreFailure | undefined, raw: unknown) => void): void {
    const keys = ['members', 'secret', 'instances'].map((name) => `${this.prefix}:1:{hg}:${name}`);
    const secret = this.secret ?? this.ownSecret;
    const id = this.instance.isWorker ? '' : this.instance.id;
    this.beats.ask(['3', ...keys, id, String(EXPIRY_MS), secret, details, this.change], done);
  }
}

/** Of a list of ids and details. */
function membersOf(flat: readonly string[]): FleetMember[] {
  const members: FleetMember[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [version, configHash, workers] = flat[at + 1]!.split(' ');
    const known = { version: version || undefined, configHash: configHash || undefined };
    // A version before workers does not tell, and is one.
    members.push({ id: flat[at]!, ...known, workers: Math.max(1, Number(workers) || 1) });
  }
  return members.sort((left, right) => (left.id < right.id ? -1 : 1));
}
