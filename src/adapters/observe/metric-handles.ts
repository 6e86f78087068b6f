import { FAILURES, type Reason } from '../../errors.ts';
import type {
  EndpointMetrics,
  LimitMetrics,
  LimitMode,
  LimitOutcomeLabel,
  ListenerMetrics,
  RouteMetrics,
  StoreMetrics,
  UpstreamMetrics,
} from '../../ports.ts';
import { FINE_BUCKETS, Histogram, HTTP_BUCKETS } from './histogram.ts';

/** Methods that are labels; every other is `OTHER`, for a client chooses its method freely and labels must be bounded. */
export const METHOD_LABELS = [
  'GET',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'OTHER',
] as const;
const OTHER_METHOD = METHOD_LABELS.length - 1;
const METHOD_INDEX: ReadonlyMap<string, number> = new Map(METHOD_LABELS.map((method, index) => [method, index]));

/** '' first: the upstream answered. */
export const REASON_LABELS: readonly (Reason | '')[] = [
  '',
  ...new Set(Object.values(FAILURES).map((failure) => failure.reason)),
];
const REASON_INDEX: ReadonlyMap<string, number> = new Map(REASON_LABELS.map((reason, index) => [reason, index]));

/** By the first digit of the status; what is no status of HTTP (an attempt without a response) is `error`. */
export const STATUS_CLASSES = ['error', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** Place in `STATUS_CLASSES`. */
function statusClass(status: number): number {
  return status >= 100 && status < 600 ? Math.trunc(status / 100) : 0;
}

export interface RequestCounter {
  readonly method: number;
  readonly status: number;
  readonly reason: number;
  count: number;
}

export class RouteHandle implements RouteMetrics {
  inFlight = 0;
  tunnels = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly overhead = new Histogram(FINE_BUCKETS);
  /** By status class; made when the class first occurs. */
  readonly durations: (Histogram | undefined)[] = [];
  readonly requests = new Map<number, RequestCounter>();
  #last: RequestCounter | undefined;
  #lastMethod = '';
  #lastReason: Reason | '' = '';

  finished(
    method: string,
    status: number,
    reason: Reason | '',
    durationS: number,
    overheadS: number,
    bytesIn: number,
    bytesOut: number,
  ): void {
    const group = statusClass(status);
    this.#counter(method, group === 0 ? 0 : status, reason).count++;
    let durations = this.durations[group];
    if (durations === undefined) durations = this.durations[group] = new Histogram(HTTP_BUCKETS);
    durations.observe(durationS);
    this.overhead.observe(overheadS);
    this.bytesIn += bytesIn;
    this.bytesOut += bytesOut;
  }

  /** Most requests of a route are like the one before it: that one is looked at first. */
  #counter(method: string, status: number, reason: Reason | ''): RequestCounter {
    const last = this.#last;
    if (last !== undefined && last.status === status && this.#lastMethod === method && this.#lastReason === reason)
      return last;
    this.#lastMethod = method;
    this.#lastReason = reason;
    this.#last = this.#find(METHOD_INDEX.get(method) ?? OTHER_METHOD, status, REASON_INDEX.get(reason) ?? 0);
    return this.#last;
  }

  #find(method: number, status: number, reason: number): RequestCounter {
    const key = (method * 1000 + status) * 32 + reason;
    let found = this.requests.get(key);
    if (found === undefined) {
      found = { method, status, reason, count: 0 };
      this.requests.set(key, found);
    }
    return found;
  }
}

export class EndpointHandle implements EndpointMetrics {
  inFlight = 0;
  up = true;
  currentState = '';
  readonly states = new Set<string>();
  /** By `STATUS_CLASSES`. */
  readonly requests = new Float64Array(STATUS_CLASSES.length);
  readonly durations = new Histogram(HTTP_BUCKETS);

  finished(status: number, durationS: number): void {
    this.requests[statusClass(status)]!++;
    this.durations.observe(durationS);
  }

  state(state: string, up: boolean): void {
    this.currentState = state;
    this.states.add(state);
    this.up = up;
  }
}

export type RetryOutcome = Parameters<UpstreamMetrics['retried']>[0];
export const RETRY_OUTCOMES: readonly RetryOutcome[] = ['success', 'failure', 'budget'];

export class UpstreamHandle implements UpstreamMetrics {
  retryBudgetRatio = 0;
  readonly ejections = new Map<string, number>();
  readonly retries: Record<RetryOutcome, number> = { success: 0, failure: 0, budget: 0 };
  readonly endpoints = new Map<string, EndpointHandle>();

  ejected(reason: string): void {
    this.ejections.set(reason, (this.ejections.get(reason) ?? 0) + 1);
  }

  retried(outcome: RetryOutcome): void {
    this.retries[outcome]++;
  }
}

export const LIMIT_OUTCOMES: readonly LimitOutcomeLabel[] = ['allowed', 'denied', 'shadow_denied', 'warned', 'failed'];
export const LIMIT_MODES: readonly LimitMode[] = ['strict', 'leased', 'local'];
const OUTCOME_INDEX: Readonly<Record<LimitOutcomeLabel, number>> = {
  allowed: 0,
  denied: 1,
  shadow_denied: 2,
  warned: 3,
  failed: 4,
};
const MODE_INDEX: Readonly<Record<LimitMode, number>> = { strict: 0, leased: 1, local: 2 };

export class LimitHandle implements LimitMetrics {
  /** At `outcome * LIMIT_MODES.length + mode`. */
  readonly decisions = new Float64Array(LIMIT_OUTCOMES.length * LIMIT_MODES.length);
  readonly #durations: Histogram;

  /** `durations` is one for all routes of the limit. */
  constructor(durations: Histogram) {
    this.#durations = durations;
  }

  decided(outcome: LimitOutcomeLabel, mode: LimitMode): void {
    this.decisions[OUTCOME_INDEX[outcome] * LIMIT_MODES.length + MODE_INDEX[mode]]!++;
  }

  decisionDuration(seconds: number): void {
    this.#durations.observe(seconds);
  }
}

export class StoreHandle implements StoreMetrics {
  up = false;
  commandsSent = 0;
  readonly commands = new Histogram(FINE_BUCKETS);

  sent(): void {
    this.commandsSent++;
  }

  command(seconds: number): void {
    this.commands.observe(seconds);
  }
}

export class ListenerHandle implements ListenerMetrics {
  connections = 0;
  connectionsRefused = 0;
  tlsHandshakeFailures = 0;
  proxyHeaderFailures = 0;
}
