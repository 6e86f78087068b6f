import type { Candidate } from '../core/balance/picker.ts';
import { EndpointHealth } from '../core/health/endpoint-health.ts';
import type { Cancel, EndpointMetrics } from '../ports.ts';
import type { EndpointPool } from './pool.ts';
import type { EndpointModel } from './upstream-model.ts';

/** Weight of the newest sample in the shown latency. */
const LATENCY_GAIN = 0.1;

/**
 * The state of one endpoint: what was learned of it, under its upstream's name, its own name and its address. It outlives
 * reloads that keep it; a reload replaces `model`.
 */
export class Endpoint implements Candidate {
  readonly key: string;
  readonly health = new EndpointHealth();
  readonly metrics: EndpointMetrics;
  /** Attempts that are not over, those that wait or connect included. Raised and lowered by `Upstream.begin` and `end`. */
  inFlight = 0;
  /** Moving mean of the time to the response head; undefined before the first. For people: no decision uses it. */
  latencyMs: number | undefined;
  /** Set by whoever connects; undefined = none yet. */
  pool: EndpointPool | undefined;
  /** Gone from the configuration: it gets no new requests and is closed when its last one ended. */
  retired = false;
  /** The clock's time at which an ejection ends, and its timer. */
  ejectedUntilMs = 0;
  ejectionTimer: Cancel | undefined;
  #model: EndpointModel;
  #weight: number;

  constructor(key: string, model: EndpointModel, metrics: EndpointMetrics) {
    this.key = key;
    this.metrics = metrics;
    this.#model = model;
    this.#weight = model.weight;
  }

  get name(): string {
    return this.#model.name;
  }

  get weight(): number {
    return this.#weight;
  }

  get model(): EndpointModel {
    return this.#model;
  }

  /** A reload's version of the same endpoint. Pickers built before are void. */
  replaceModel(model: EndpointModel): void {
    this.#model = model;
    this.#weight = model.weight;
  }

  observeLatency(sampleMs: number): void {
    this.latencyMs =
      this.latencyMs === undefined ? sampleMs : this.latencyMs + LATENCY_GAIN * (sampleMs - this.latencyMs);
  }

  publishState(): void {
    this.metrics.state(this.health.state, this.health.state === 'up');
  }
}
