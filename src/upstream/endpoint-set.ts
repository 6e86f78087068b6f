import type { EndpointMetrics } from '../ports.ts';
import { Endpoint } from './endpoint.ts';
import type { EndpointModel, UpstreamModel } from './upstream-model.ts';

export interface EndpointChange {
  readonly added: readonly Endpoint[];
  /** Gone from the configuration now. */
  readonly removed: readonly Endpoint[];
}

/**
 * The endpoints of one upstream across reloads. One whose name and address are still there is the same object; one that
 * is gone is remembered until it is forgotten, so that it keeps its state when the next reload brings it back while
 * requests to it still run.
 */
export class EndpointSet {
  readonly #newMetrics: (endpoint: string) => EndpointMetrics;
  #current: readonly Endpoint[] = [];
  readonly #retired = new Map<string, Endpoint>();

  constructor(newMetrics: (endpoint: string) => EndpointMetrics) {
    this.#newMetrics = newMetrics;
  }

  /** Those of the configuration, in its order. */
  get current(): readonly Endpoint[] {
    return this.#current;
  }

  /** Those that are gone while requests to them still run. */
  get retired(): Iterable<Endpoint> {
    return this.#retired.values();
  }

  get retiredCount(): number {
    return this.#retired.size;
  }

  reconfigure(model: UpstreamModel): EndpointChange {
    const known = new Map(this.#current.map((endpoint) => [endpoint.key, endpoint]));
    const added: Endpoint[] = [];
    const used = new Map<string, number>();
    this.#current = model.endpoints.map((endpointModel) => {
      const key = numbered(keyOf(endpointModel), used);
      const kept = known.get(key);
      known.delete(key);
      kept?.replaceModel(endpointModel);
      if (kept !== undefined) return kept;
      const endpoint =
        this.#revive(key, endpointModel) ?? new Endpoint(key, endpointModel, this.#newMetrics(endpointModel.name));
      added.push(endpoint);
      return endpoint;
    });
    const removed = [...known.values()];
    for (const endpoint of removed) this.#retire(endpoint);
    return { added, removed };
  }

  /** All are gone. */
  clear(): readonly Endpoint[] {
    const removed = this.#current;
    for (const endpoint of removed) this.#retire(endpoint);
    this.#current = [];
    return removed;
  }

  forget(endpoint: Endpoint): void {
    if (this.#retired.get(endpoint.key) === endpoint) this.#retired.delete(endpoint.key);
  }

  #retire(endpoint: Endpoint): void {
    endpoint.retired = true;
    this.#retired.set(endpoint.key, endpoint);
  }

  #revive(key: string, model: EndpointModel): Endpoint | undefined {
    const endpoint = this.#retired.get(key);
    if (endpoint === undefined) return undefined;
    this.#retired.delete(key);
    endpoint.retired = false;
    endpoint.replaceModel(model);
    return endpoint;
  }
}

function keyOf({ name, address }: EndpointModel): string {
  const place = address.kind === 'unix' ? address.path : `${address.host} ${address.port}`;
  return `${name} ${address.kind} ${place}`;
}

/** An address that is listed twice is two endpoints, told apart by their order. */
function numbered(key: string, used: Map<string, number>): string {
  const count = (used.get(key) ?? 0) + 1;
  used.set(key, count);
  return count === 1 ? key : `${key} ${count}`;
}
