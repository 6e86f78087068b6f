import { MemoryStore } from '../adapters/memory/memory-store.ts';
import type { StoreModel } from '../config/snapshot.ts';
import type { LimitStore } from '../limits/limit-store.ts';
import type { ClockAndTimers, Log, Metrics } from '../ports.ts';

/** The store of limits, and how to let go of it. */
export interface OpenStore {
  readonly store: LimitStore;
  close(): Promise<void>;
}

export interface StoreDeps {
  readonly clock: ClockAndTimers;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function openStore(model: StoreModel, deps: StoreDeps): OpenStore {
  return { store: new MemoryStore({ nowUs: () => deps.clock.wallUs() }), close: async () => {} };
}
