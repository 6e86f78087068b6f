import type { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import type { ListenerModel, SnapshotModel } from '../config/snapshot.ts';
import { workerCount } from '../config/worker-count.ts';
import type { FleetMember } from '../limits/limit-store.ts';
import type { LimiterView } from '../limits/limiter.ts';
import type { Log } from '../ports.ts';
import type { UpstreamView } from '../upstream/upstream-view.ts';
import type { Gateway } from './gateway-types.ts';

/** What makes a gateway one of the workers of another process, its primary, which has the sockets and the admin API. */
export interface WorkerPart {
  /** Name of the whole gateway in the fleet: one for its primary and all its workers. */
  readonly instance: string;
  /** How many there are, this one included. */
  readonly workers: number;
  /** Labels of the listeners in the order in which the primary opened them, whatever the order in the file is now. */
  readonly listeners: readonly string[];
  /** What the primary knew of the fleet when this worker began. */
  readonly members: readonly FleetMember[] | undefined;
  /** Likewise; undefined where one is configured or none is known. */
  readonly secret: string | undefined;
}

/** What a configuration means to one worker: no admin API, and its share of what is bounded for the whole gateway. */
export function workerModel(model: SnapshotModel, { workers, listeners: labels }: WorkerPart): SnapshotModel {
  const listeners = inOrder(model.listeners, labels).map((listener) => {
    const { maxConnections } = listener;
    if (maxConnections === undefined) return listener;
    return { ...listener, maxConnections: Math.ceil(maxConnections / workers) };
  });
  return Object.freeze({ ...model, listeners, admin: undefined });
}

/** Port 0 lets several listeners share a label: of those, the first in the file comes first. */
function inOrder(listeners: readonly ListenerModel[], labels: readonly string[]): ListenerModel[] {
  const left = [...listeners];
  const taken = labels.flatMap((label) => {
    const at = left.findIndex((listener) => listener.label === label);
    return at < 0 ? [] : left.splice(at, 1);
  });
  return [...taken, ...left];
}

/** A gateway as its primary sees it from inside the worker. */
export interface WorkerGateway extends Gateway {
  /** Takes a client's connection that the primary accepted on the nth listener. */
  adopt(listener: number, socket: Socket): void;
  /** The first sign of shutdown: connections close behind the answer that they carry. */
  drain(): void;
  limitFigures(): readonly LimiterView[];
  upstreamViews(): readonly UpstreamView[];
}

/** A gateway that a program made for itself is one process, whatever the file says that it shares with the command line. */
export function warnOfWorkers(workers: SnapshotModel['workers'], log: Log): void {
  if (workerCount(workers, availableParallelism()) === 1) return;
  log.warn('workers is for "headgate start": this gateway is one process', { workers });
}
