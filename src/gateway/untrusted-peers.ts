import type { SnapshotModel } from '../config/snapshot.ts';
import type { Log, Metrics } from '../ports.ts';

/** Peers that are warned about; beyond that only the counter goes on. */
const MOST_WARNED = 256;

/** Says, once per peer, that its X-Forwarded-For is not believed and what that does to the limits. */
export class UntrustedPeers {
  private readonly warned = new Set<string>();
  private readonly log: Log;
  private readonly metrics: Metrics;
  private readonly model: () => SnapshotModel;

  constructor(log: Log, metrics: Metrics, model: () => SnapshotModel) {
    this.log = log;
    this.metrics = metrics;
    this.model = model;
  }

  saw(peer: string, listenerPlace: string): void {
    this.metrics.untrustedForwarded();
    const name = `${listenerPlace} ${peer}`;
    if (this.warned.has(name) || this.warned.size >= MOST_WARNED) return;
    this.warned.add(name);
    const ignored = `X-Forwarded-For from ${peer} ignored (not in ${listenerPlace}.trustedProxies)`;
    this.log.warn(`${ignored}${this.consequence()}`, { peer, listener: listenerPlace });
  }

  private consequence(): string {
    const byAddress = [...this.model().limits.values()].find(({ key }) =>
      key.some(({ source }) => source === 'client.ip'),
    );
    return byAddress === undefined ? '' : `: all its clients share limit "${byAddress.name}"`;
  }
}
