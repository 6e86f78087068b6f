import { Upstream, type UpstreamDeps } from './upstream.ts';
import type { UpstreamModel } from './upstream-model.ts';
import type { UpstreamView } from './upstream-view.ts';

/** All upstreams by name, with what was learned of them: it outlives the Snapshots. */
export class Upstreams {
  readonly #deps: UpstreamDeps;
  readonly #byName = new Map<string, Upstream>();
  /** Gone from the configuration while requests to them still run: should the name come back, so does what was learned. */
  readonly #stopped = new Map<string, Upstream>();
  #started = false;

  constructor(models: ReadonlyMap<string, UpstreamModel>, deps: UpstreamDeps) {
    this.#deps = deps;
    this.reconfigure(models);
  }

  get(name: string): Upstream | undefined {
    return this.#byName.get(name);
  }

  /** Names that stay keep their state, new ones start, those that are gone stop. */
  reconfigure(models: ReadonlyMap<string, UpstreamModel>): void {
    for (const [name, upstream] of this.#byName) {
      if (models.has(name)) continue;
      this.#byName.delete(name);
      upstream.stop();
      this.#stopped.set(name, upstream);
    }
    for (const [name, upstream] of this.#stopped) if (upstream.drained) this.#stopped.delete(name);
    for (const [name, model] of models) {
      const known = this.#byName.get(name) ?? this.#stopped.get(name);
      known?.reconfigure(model);
      if (!this.#byName.has(name)) this.#add(known ?? new Upstream(model, this.#deps));
    }
  }

  /** Starts the health checks of all. */
  start(): void {
    this.#started = true;
    for (const upstream of this.#byName.values()) upstream.start();
  }

  /** Ends all checks and timers; endpoints are closed when their last request ended. */
  stop(): void {
    this.#started = false;
    for (const upstream of this.#byName.values()) upstream.stop();
  }

  views(): UpstreamView[] {
    return [...this.#byName.values()].map((upstream) => upstream.view());
  }

  #add(upstream: Upstream): void {
    this.#byName.set(upstream.name, upstream);
    this.#stopped.delete(upstream.name);
    if (this.#started) upstream.start();
  }
}
