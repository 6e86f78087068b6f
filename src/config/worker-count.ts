import type { SnapshotModel } from './snapshot.ts';

/** Processes that a configuration asks for on a machine with so many cores. */
export function workerCount(workers: SnapshotModel['workers'], cores: number): number {
  return workers === 'auto' ? Math.max(1, cores) : workers;
}
