import type { LimiterView } from '../limits/limiter.ts';
import type { UpstreamView } from '../upstream/upstream-view.ts';
import { MergedMetrics } from './metrics-merge.ts';
import { mergeLimits, mergeUpstreams } from './views-merge.ts';
import type { WorkerProcess } from './worker-process.ts';

/** A worker that does not answer by then is busy: what it last told stands in. */
const ASK_TIMEOUT_MS = 500;
const NONE = { allowed: 0, refused: 0, storeLatencyMs: undefined };

/**
 * What all workers together have counted. Those that are gone stay in it with the last they told, at most a second before
 * their end, so that no counter goes down.
 */
export class Tally {
  private readonly workers: () => readonly WorkerProcess[];
  private readonly goneMetrics = new MergedMetrics();
  private goneLimits: LimiterView[] = [];

  constructor(workers: () => readonly WorkerProcess[]) {
    this.workers = workers;
  }

  /** A worker has ended. */
  bury({ counts }: WorkerProcess): void {
    if (counts === undefined) return;
    this.goneMetrics.addCounters(counts.metrics);
    this.goneLimits = mergeLimits([this.goneLimits, counts.limits.map((limit) => ({ ...limit, mode: 'strict' }))]);
  }

  /** Prometheus text of the primary, which is handed in, and of all workers. */
  async metrics(ofPrimary: string): Promise<string> {
    await this.refresh();
    const merged = new MergedMetrics();
    merged.add(ofPrimary, 'primary');
    for (const { counts } of this.workers()) if (counts !== undefined) merged.add(counts.metrics, 'worker');
    merged.addAll(this.goneMetrics);
    return merged.toString();
  }

  /** Figures of the limits of these names. */
  async limits(names: readonly string[]): Promise<LimiterView[]> {
    await this.refresh();
    const nothing = names.map((name): LimiterView => ({ name, mode: 'strict', ...NONE }));
    const living = this.workers().flatMap(({ counts }) => (counts === undefined ? [] : [counts.limits]));
    return mergeLimits([nothing, ...living, this.goneLimits]).filter(({ name }) => names.includes(name));
  }

  async upstreams(): Promise<UpstreamView[]> {
    const views = await Promise.all(this.workers().map((worker) => worker.ask({ type: 'upstreams' }, ASK_TIMEOUT_MS)));
    return mergeUpstreams(views.flatMap((view) => (view === undefined ? [] : [view])));
  }

  /** Asks all for their counts now. */
  private async refresh(): Promise<void> {
    const ask = async (worker: WorkerProcess): Promise<void> => {
      worker.counts = (await worker.ask({ type: 'count' }, ASK_TIMEOUT_MS)) ?? worker.counts;
    };
    await Promise.all(this.workers().map(ask));
  }
}
