import type { ListenerModel } from '../../config/snapshot.ts';
import type { ListenerMetrics, Log } from '../../ports.ts';
import type { ClientConnection } from './client-connection.ts';

/** Room is made for several at a time, so that a flood at the cap does not look through all connections for each. */
const MOST_SHED = 32;
/** And never of more than this share of those at rest. */
const SHED_SHARE = 1 / 8;
const LOG_EVERY_MS = 10_000;

export interface ConnectionCapDeps {
  readonly log: Log;
  readonly metrics: ListenerMetrics;
  readonly nowMs: () => number;
  /** Lets go of a connection at once. */
  readonly shed: (connection: ClientConnection) => void;
}

/**
 * What happens where a listener has all its connections (`maxConnections`): those longest at rest make room for a new one,
 * as in nginx; where every connection carries a request the new one is closed, counted, and now and then logged.
 */
export class ConnectionCap {
  private readonly deps: ConnectionCapDeps;
  private nobodyRestsAtMs = Number.NaN;
  private loggedMs = Number.NEGATIVE_INFINITY;
  private unlogged = 0;

  constructor(deps: ConnectionCapDeps) {
    this.deps = deps;
  }

  /** Whether there is room now for one more. */
  makeRoom(connections: ReadonlySet<ClientConnection>, model: ListenerModel): boolean {
    const nowMs = this.deps.nowMs();
    if (this.nobodyRestsAtMs !== nowMs) {
      const resting = longestAtRest(connections, model);
      for (const connection of resting) this.deps.shed(connection);
      if (resting.length > 0) return true;
      this.nobodyRestsAtMs = nowMs;
    }
    this.refused(nowMs, model);
    return false;
  }

  private refused(nowMs: number, { label, place, maxConnections }: ListenerModel): void {
    this.deps.metrics.connectionsRefused++;
    this.unlogged++;
    if (nowMs - this.loggedMs < LOG_EVERY_MS) return;
    const fields = { listener: label, refused: this.unlogged, maxConnections, field: `${place}.maxConnections` };
    this.deps.log.warn('connections refused: all are in use', fields);
    this.loggedMs = nowMs;
    this.unlogged = 0;
  }
}

function longestAtRest(connections: ReadonlySet<ClientConnection>, model: ListenerModel): ClientConnection[] {
  const since = ({ patience, anyBytes }: ClientConnection): number =>
    patience.deadlineMs - (anyBytes ? model.idleTimeoutMs : model.headersTimeoutMs);
  const resting = [...connections].filter(({ isIdle }) => isIdle).sort((a, b) => since(a) - since(b));
  return resting.slice(0, Math.max(1, Math.min(MOST_SHED, Math.floor(resting.length * SHED_SHARE))));
}
