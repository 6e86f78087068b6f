import type { Picker } from '../core/balance/picker.ts';
import { createPicker } from '../core/balance/registry.ts';
import { type Availability, availability, mayEject } from '../core/health/available.ts';
import { type OutlierEvent, type OutlierSettings, verdictOf } from '../core/health/outlier.ts';
import type { Random } from '../core/random.ts';
import type { ClockAndTimers, Log, Metrics, UpstreamMetrics } from '../ports.ts';
import type { Endpoint } from './endpoint.ts';
import { EndpointSet } from './endpoint-set.ts';
import { MeteredBudget } from './metered-budget.ts';
import { Monitor } from './monitor.ts';
import type { ProbeResult, Prober } from './prober.ts';
import type { HealthCheckModel, UpstreamModel } from './upstream-model.ts';
import { type UpstreamView, viewEndpoint } from './upstream-view.ts';

export interface UpstreamDeps {
  readonly clock: ClockAndTimers;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly prober: Prober;
}

/** What an attempt says of its endpoint: an event that may count against it, any answer else, or nothing. */
export type AttemptOutcome = OutlierEvent | 'success' | 'neutral';

/**
 * The state of one group of endpoints: who may be picked, who is in flight where, what is known of their health. It lives
 * as long as its name is in the configuration; a reload hands it a new model.
 *
 * An attempt is `pick`, `begin`, and exactly one `end`. Availability and the picker are made anew when health changes and
 * only then.
 */
export class Upstream {
  readonly name: string;
  readonly metrics: UpstreamMetrics;
  readonly #deps: UpstreamDeps;
  readonly #endpoints: EndpointSet;
  readonly #budget: MeteredBudget;
  #model: UpstreamModel;
  #available: Availability<Endpoint> = { members: [], panic: false, healthy: 0, total: 0 };
  #picker: Picker<Endpoint>;
  #monitor: Monitor | undefined;
  #started = false;

  constructor(model: UpstreamModel, deps: UpstreamDeps) {
    this.name = model.name;
    this.metrics = deps.metrics.upstream(model.name);
    this.#deps = deps;
    this.#budget = new MeteredBudget(this.metrics, deps.clock);
    this.#model = model;
    this.#endpoints = new EndpointSet((endpoint) => deps.metrics.endpoint(model.name, endpoint));
    this.#picker = createPicker<Endpoint>(model.balance, [], deps.random);
    this.reconfigure(model);
  }

  get model(): UpstreamModel {
    return this.#model;
  }

  /** Those of the configuration, in its order. */
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints.current;
  }

  /**
   * The endpoint for the next attempt; none of `tried` while another may be picked. Undefined only where no endpoint is
   * configured with a weight: where all are ill, all are used (see `availability`).
   */
  pick(tried: readonly Endpoint[] | undefined): Endpoint | undefined {
    return this.#picker.pick(tried);
  }

  /** An attempt was given to the endpoint: it counts as load from here, through queue and connect, to `end`. */
  begin(endpoint: Endpoint): void {
    endpoint.inFlight += 1;
    endpoint.metrics.inFlight += 1;
    if (endpoint.health.begun() && !endpoint.retired) this.#refresh(false);
  }

  /** The attempt is over. For one whose outcome was reported before (a long stream), `neutral`. */
  end(endpoint: Endpoint, outcome: AttemptOutcome, latencyMs?: number): void {
    endpoint.inFlight -= 1;
    endpoint.metrics.inFlight -= 1;
    this.report(endpoint, outcome, latencyMs);
    if (endpoint.retired && endpoint.inFlight === 0) this.#close(endpoint);
  }

  /**
   * Feeds the endpoint's health while the attempt goes on: of a stream or tunnel the response head is the result, so that a
   * half-open endpoint need not wait for its end. `latencyMs`: to the response head, where there was one.
   */
  report(endpoint: Endpoint, outcome: AttemptOutcome, latencyMs?: number): void {
    if (latencyMs !== undefined) endpoint.observeLatency(latencyMs);
    if (endpoint.retired) {
      // Should a reload bring it back, no trial must be waited for that is over.
      endpoint.health.endedNeutral();
      return;
    }
    const settings = this.#model.outlierDetection;
    const verdict = verdictOf(outcome, settings);
    if (verdict === 'success') {
      if (endpoint.health.succeeded()) this.#readmit(endpoint);
    } else if (verdict === 'neutral') {
      if (endpoint.health.endedNeutral()) this.#refresh(false);
    } else if (settings !== undefined) {
      this.#failed(endpoint, outcome, settings);
    }
  }

  /** Counts a request for the retry budget: once, however often it is tried. */
  requested(nowMs: number): void {
    this.#budget.requested(nowMs);
  }

  /** A place in the retry budget, `share` being the route's; false = none left, and counted as refused. */
  spendRetry(share: number, nowMs: number): boolean {
    return this.#budget.trySpend(share, nowMs);
  }

  /**
   * Puts a new model in force. Endpoints that are still there keep their health, ejections and requests in flight; those
   * that are gone are closed when their last request ended.
   */
  reconfigure(model: UpstreamModel): void {
    this.#model = model;
    const { added, removed } = this.#endpoints.reconfigure(model);
    for (const endpoint of added) {
      endpoint.publishState();
      // One that comes back: `stop` has put its timer out.
      if (endpoint.ejectionTimer !== undefined) this.#armEjection(endpoint);
    }
    for (const { pool, model: endpointModel } of this.endpoints) {
      pool?.reconfigure(model);
      pool?.moveTo(endpointModel.address);
    }
    if (model.outlierDetection === undefined) this.#forgiveAll();
    if (this.#started) this.#superviseChecks(added, removed);
    for (const endpoint of removed) if (endpoint.inFlight === 0) this.#close(endpoint);
    this.#refresh(true);
  }

  /** Starts the health checks. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#superviseChecks([], []);
  }

  /**
   * Ends checks and timers; endpoints are closed when their last request ended. Requests that found this upstream before
   * may still pick and end.
   */
  stop(): void {
    this.#started = false;
    this.#monitor?.stop();
    this.#monitor = undefined;
    this.#budget.stop();
    this.#endpoints.clear();
    for (const endpoint of [...this.#endpoints.retired]) {
      endpoint.ejectionTimer?.();
      if (endpoint.inFlight === 0) this.#close(endpoint);
    }
  }

  /** Whether nothing of it is left after `stop`. */
  get drained(): boolean {
    return this.endpoints.length === 0 && this.#endpoints.retiredCount === 0;
  }

  view(): UpstreamView {
    const nowMs = this.#deps.clock.nowMs();
    const { panic, healthy, total } = this.#available;
    return {
      name: this.name,
      balance: this.#model.balance,
      panic,
      healthy,
      total,
      retryBudgetRatio: this.#budget.ratio(nowMs),
      endpoints: this.endpoints.map((endpoint) => viewEndpoint(endpoint, nowMs)),
    };
  }

  #failed(endpoint: Endpoint, outcome: AttemptOutcome, settings: OutlierSettings): void {
    const { health } = endpoint;
    const wasHalfOpen = health.state === 'half-open';
    if (health.failed(settings)) {
      if (mayEject(this.endpoints, endpoint, settings)) this.#eject(endpoint, outcome, settings, wasHalfOpen);
      else if (wasHalfOpen) this.#readmit(endpoint);
    }
    if (health.suspect) this.#monitor?.hurry(endpoint);
  }

  #eject(endpoint: Endpoint, outcome: AttemptOutcome, settings: OutlierSettings, wasHalfOpen: boolean): void {
    const { clock, random, log } = this.#deps;
    const reason = wasHalfOpen
      ? `failed again when tried: ${outcome}`
      : `${endpoint.health.failures} consecutive failures, the last: ${outcome}`;
    const nowMs = clock.nowMs();
    const lengthMs = endpoint.health.eject(settings, reason, random, nowMs);
    endpoint.ejectedUntilMs = nowMs + lengthMs;
    this.#armEjection(endpoint);
    this.metrics.ejected(wasHalfOpen ? 'half_open' : 'consecutive_failures');
    const fields = { upstream: this.name, endpoint: endpoint.name, reason, ejectedMs: Math.round(lengthMs) };
    log.warn('endpoint ejected', fields);
    this.#stateChanged(endpoint);
  }

  #armEjection(endpoint: Endpoint): void {
    const { clock } = this.#deps;
    endpoint.ejectionTimer?.();
    endpoint.ejectionTimer = clock.after(endpoint.ejectedUntilMs - clock.nowMs(), () => this.#endEjection(endpoint));
  }

  #endEjection(endpoint: Endpoint): void {
    endpoint.ejectionTimer = undefined;
    if (endpoint.health.endEjection(this.#deps.clock.nowMs())) this.#stateChanged(endpoint);
  }

  #readmit(endpoint: Endpoint): void {
    if (!endpoint.health.readmit(this.#deps.clock.nowMs())) return;
    this.#deps.log.info('endpoint is back', { upstream: this.name, endpoint: endpoint.name });
    this.#stateChanged(endpoint);
  }

  /** Outlier detection was switched off: nobody stays out because of it. */
  #forgiveAll(): void {
    for (const endpoint of this.endpoints) {
      endpoint.ejectionTimer?.();
      endpoint.ejectionTimer = undefined;
      if (endpoint.health.readmit(this.#deps.clock.nowMs())) endpoint.publishState();
    }
  }

  #checked(endpoint: Endpoint, result: ProbeResult, check: HealthCheckModel): void {
    const { clock, log } = this.#deps;
    const wasDown = endpoint.health.state === 'down';
    if (!endpoint.health.checked(result.ok, result.detail, check, clock.nowMs())) return;
    const fields = { upstream: this.name, endpoint: endpoint.name };
    if (wasDown) log.info('endpoint passes its health check', fields);
    else log.warn('endpoint is down', { ...fields, reason: endpoint.health.reason });
    this.#stateChanged(endpoint);
  }

  /** Brings the checks in line with the model. A changed check starts anew; what was learned stays. */
  #superviseChecks(added: readonly Endpoint[], removed: readonly Endpoint[]): void {
    const check = this.#model.healthCheck;
    if (check !== undefined && this.#monitor !== undefined && isSameCheck(check, this.#monitor.check)) {
      for (const endpoint of removed) this.#monitor.unwatch(endpoint);
      for (const endpoint of added) this.#monitor.watch(endpoint);
      return;
    }
    this.#monitor?.stop();
    this.#monitor = undefined;
    if (check === undefined) {
      for (const endpoint of this.endpoints) {
        if (endpoint.health.uncheck(this.#deps.clock.nowMs())) endpoint.publishState();
      }
      return;
    }
    this.#monitor = new Monitor(check, this.#deps, (endpoint, result) => this.#checked(endpoint, result, check));
    for (const endpoint of this.endpoints) this.#monitor.watch(endpoint);
  }

  #stateChanged(endpoint: Endpoint): void {
    if (endpoint.retired) return;
    endpoint.publishState();
    this.#refresh(false);
  }

  /** Works out who may be picked; a new picker is made when that changed, or when weights or the balancer may have. */
  #refresh(force: boolean): void {
    const before = this.#available;
    const now = availability(this.endpoints);
    this.#available = now;
    if (force || !isSameList(before.members, now.members)) {
      this.#picker = createPicker(this.#model.balance, now.members, this.#deps.random);
    }
    if (before.panic === now.panic) return;
    const fields = { upstream: this.name, healthy: now.healthy, total: now.total };
    if (now.panic) this.#deps.log.warn('too few healthy endpoints: all are used', fields);
    else this.#deps.log.info('enough healthy endpoints again', fields);
  }

  #close(endpoint: Endpoint): void {
    endpoint.ejectionTimer?.();
    endpoint.pool?.close();
    endpoint.pool = undefined;
    this.#endpoints.forget(endpoint);
    const isNamed = this.endpoints.some((other) => other.name === endpoint.name);
    if (!isNamed) this.#deps.metrics.forgetEndpoint(this.name, endpoint.name);
  }
}

function isSameCheck(a: HealthCheckModel, b: HealthCheckModel): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
