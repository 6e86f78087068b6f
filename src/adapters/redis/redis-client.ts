import type { Command, Redis } from 'ioredis';
import type { Random } from '../../core/random.ts';
import type { ClockAndTimers, Log } from '../../ports.ts';
import { keepStringsFast } from './fast-strings.ts';

export type Done = (error: Error | null | undefined, reply?: unknown) => void;

export interface RedisClientEvents {
  /** The connection is there and greeted. */
  connected(): void;
  /** The connection is gone; what was in flight on it is lost. */
  disconnected(): void;
  /** A command was written. */
  sent(): void;
}

const CONNECT_TIMEOUT_MS = 500;
/** A connection that is open but not greeted by then is replaced. */
const GREETING_TIMEOUT_MS = 1000;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 400;
const LOG_INTERVAL_MS = 1000;
/** Errors that only a new connection heals: the server became a replica, or wants a password again. */
const RECONNECT_ON = /^(?:READONLY|NOAUTH)/;

interface Library {
  readonly Command: typeof Command;
  readonly Redis: typeof Redis;
}

async function loadLibrary(): Promise<Library> {
  const library = await import('ioredis');
  keepStringsFast();
  return library;
}

/**
 * One connection to Redis. Nothing is queued while it is away and nothing is ever sent twice: a command that charges a
 * limit must not be repeated. Timeouts of commands are the caller's. The library is loaded where a client is made, and nowhere else.
 */
export class RedisClient {
  private readonly library: Promise<Library>;
  private loaded: Library | undefined = undefined;
  private redis: Redis | undefined = undefined;
  private readonly url: string;
  private readonly random: Random;
  private readonly events: RedisClientEvents;
  private readonly log: Log;
  private readonly clock: ClockAndTimers;
  private lastLogMs = Number.NEGATIVE_INFINITY;
  private stopped = false;

  constructor(url: string, events: RedisClientEvents, clock: ClockAndTimers, random: Random, log: Log) {
    this.events = events;
    this.log = log;
    this.clock = clock;
    this.url = url;
    this.random = random;
    this.library = loadLibrary();
    // Said when it is started.
    this.library.catch(() => {});
  }

  get ready(): boolean {
    return this.redis?.status === 'ready';
  }

  start(): void {
    this.connect().catch((error: Error) => this.report(error));
  }

  private async connect(): Promise<void> {
    this.loaded = await this.library;
    if (this.stopped) return;
    const { events, random } = this;
    const redis = new this.loaded.Redis(this.url, redisOptions(random));
    redis.on('error', (error: Error) => this.report(error));
    redis.on('connect', () => this.watchGreeting(redis));
    redis.on('ready', () => events.connected());
    redis.on('close', () => events.disconnected());
    this.redis = redis;
    await redis.connect();
  }

  stop(): void {
    this.stopped = true;
    this.redis?.disconnect();
  }

  /** Drops the connection and makes a new one: for one that no longer answers. */
  replace(): void {
    if (!this.stopped) this.redis?.disconnect(true);
  }

  /** Writes a command now; `done` is called once, with an error when the connection is lost before the reply, or away. */
  send(name: string, args: readonly string[], done: Done): void {
    const { loaded, redis } = this;
    if (loaded === undefined || redis === undefined) {
      done(new Error('not connected yet'));
      return;
    }
    if (this.ready) this.events.sent();
    const command = new loaded.Command(name, args as string[], { replyEncoding: 'utf8' }, done as never);
    (redis.sendCommand(command) as Promise<unknown>).catch(() => {});
  }

  /** Logs an error, at most one a second. */
  report(error: Error): void {
    const nowMs = this.clock.nowMs();
    if (this.stopped || nowMs - this.lastLogMs < LOG_INTERVAL_MS) return;
    this.lastLogMs = nowMs;
    this.log.warn('store error', { error: error.message });
  }

  private watchGreeting(redis: Redis): void {
    this.clock.after(GREETING_TIMEOUT_MS, () => {
      if (redis.status === 'connect') this.replace();
    });
  }
}

function redisOptions(random: Random) {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: 100,
    noDelay: true,
    connectionName: 'headgate',
    reconnectOnError: (error: Error) => RECONNECT_ON.test(error.message),
    retryStrategy: (times: number) => retryDelayMs(times, random),
  };
}

function retryDelayMs(times: number, random: Random): number {
  const delayMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(times - 1, 8));
  return delayMs * (0.5 + random() / 2);
}
