import { MemoryStore } from '../adapters/memory/memory-store.ts';
import { RedisStore } from '../adapters/redis/redis-store.ts';
import type { SnapshotModel } from '../config/snapshot.ts';
import type { Random } from '../core/random.ts';
import type { LimitStore } from '../limits/limit-store.ts';
import type { Cancel, ClockAndTimers, Log, Metrics } from '../ports.ts';
import type { WorkerPart } from './worker-part.ts';

/** The store of limits with its life: a gateway starts and serves whether or not it answers. */
export interface OpenStore {
  readonly store: LimitStore;
  start(): void;
  close(): Promise<void>;
}

export interface StoreDeps {
  readonly clock: ClockAndTimers;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Name of this process in the fleet. */
  readonly instance: string;
  readonly version: string;
  /** Of the configuration in force. */
  readonly configHash: () => string;
  /** Processes that decide in this gateway. */
  readonly workers: number;
  /** Where this process is one of them: what is known of the fleet. */
  readonly asWorker?: Pick<WorkerPart, 'members' | 'secret'> | undefined;
}

/** Makes the store that a configuration names. */
export function openStore({ store, secret }: SnapshotModel, deps: StoreDeps): OpenStore {
  const { clock, metrics } = deps;
  if (store.kind === 'memory') {
    const memory = new MemoryStore({ nowUs: () => clock.wallUs() });
    let stopSweeping: Cancel = () => {};
    const start = (): void => {
      stopSweeping = memory.startSweeping(clock);
    };
    return { store: memory, start, close: async () => stopSweeping() };
  }
  const { asWorker, ...others } = deps;
  const redis = new RedisStore({
    ...others,
    ...(asWorker === undefined ? {} : { asWorker }),
    url: store.url,
    prefix: store.prefix,
    timeoutMs: store.timeoutMs,
    secret,
    metrics: metrics.store(),
    fleetSize: (size) => metrics.fleetSize(size),
  });
  return { store: redis, start: () => redis.start(), close: () => redis.stop() };
}
