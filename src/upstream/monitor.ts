import type { Random } from '../core/random.ts';
import type { Cancel, ClockAndTimers } from '../ports.ts';
import type { Endpoint } from './endpoint.ts';
import type { ProbeResult, Prober } from './prober.ts';
import type { HealthCheckModel } from './upstream-model.ts';

const FAST_INTERVAL_MS = 1000;
/** Intervals are spread by this much to either side, so that gateways and endpoints do not fall into step. */
const JITTER = 0.2;

export interface MonitorDeps {
  readonly clock: ClockAndTimers;
  readonly random: Random;
  readonly prober: Prober;
}

interface Watch {
  readonly endpoint: Endpoint;
  cancel: Cancel | undefined;
  /** When the next check is due; in the past while one runs. */
  dueMs: number;
  startedMs: number;
  stopped: boolean;
}

/**
 * Checks the endpoints of one upstream: each in a loop of its own, one check at a time, from start to start the interval
 * ± 20 %, or 1 s where that is shorter and the endpoint is suspect. The first comes within a second of `watch`, at a
 * random instant, so that a thousand endpoints are not all checked in the moment of a start.
 */
export class Monitor {
  readonly check: HealthCheckModel;
  readonly #deps: MonitorDeps;
  readonly #onResult: (endpoint: Endpoint, result: ProbeResult) => void;
  readonly #watches = new Map<Endpoint, Watch>();
  readonly #fastMs: number;

  constructor(check: HealthCheckModel, deps: MonitorDeps, onResult: (endpoint: Endpoint, result: ProbeResult) => void) {
    this.check = check;
    this.#deps = deps;
    this.#onResult = onResult;
    this.#fastMs = Math.min(FAST_INTERVAL_MS, check.intervalMs);
  }

  watch(endpoint: Endpoint): void {
    if (this.#watches.has(endpoint)) return;
    const watch: Watch = {
      endpoint,
      cancel: undefined,
      dueMs: 0,
      startedMs: Number.NEGATIVE_INFINITY,
      stopped: false,
    };
    this.#watches.set(endpoint, watch);
    this.#schedule(watch, this.#deps.random() * this.#fastMs);
  }

  unwatch(endpoint: Endpoint): void {
    const watch = this.#watches.get(endpoint);
    if (watch === undefined) return;
    this.#watches.delete(endpoint);
    watch.stopped = true;
    watch.cancel?.();
  }

  /** The endpoint became suspect: its next check comes at once, or a fast interval after the last one. */
  hurry(endpoint: Endpoint): void {
    const watch = this.#watches.get(endpoint);
    if (watch === undefined) return;
    const nowMs = this.#deps.clock.nowMs();
    const dueMs = Math.max(nowMs, watch.startedMs + this.#fastMs);
    // It comes soon enough, or it runs.
    if (dueMs >= watch.dueMs) return;
    watch.cancel?.();
    this.#schedule(watch, dueMs - nowMs);
  }

  stop(): void {
    for (const endpoint of [...this.#watches.keys()]) this.unwatch(endpoint);
  }

  #schedule(watch: Watch, delayMs: number): void {
    watch.dueMs = this.#deps.clock.nowMs() + delayMs;
    watch.cancel = this.#deps.clock.after(delayMs, () => void this.#run(watch));
  }

  async #run(watch: Watch): Promise<void> {
    watch.startedMs = this.#deps.clock.nowMs();
    const result = await this.#probe(watch.endpoint);
    if (watch.stopped) return;
    this.#onResult(watch.endpoint, result);
    // The result may have led to an end of the watch.
    if (watch.stopped) return;
    const intervalMs = watch.endpoint.health.suspect ? this.#fastMs : this.check.intervalMs;
    const spreadMs = intervalMs * (1 + JITTER * (2 * this.#deps.random() - 1));
    this.#schedule(watch, Math.max(0, watch.startedMs + spreadMs - this.#deps.clock.nowMs()));
  }

  async #probe(endpoint: Endpoint): Promise<ProbeResult> {
    try {
      return await this.#deps.prober.probe(endpoint.model.address, this.check);
    } catch (error) {
      // A prober of the user's own that breaks the port's promise must not end the checks.
      return { ok: false, detail: `probe failed: ${String(error)}`, durationMs: 0 };
    }
  }
}
