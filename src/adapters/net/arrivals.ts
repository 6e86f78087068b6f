import type { Socket } from 'node:net';
import type { ListenerMetrics, Log } from '../../ports.ts';
import { Arrival, type ArrivalTerms, type Arrived } from './arrival.ts';

/** Longest time for a PROXY header and a TLS handshake together; a shorter `timeouts.headers` holds instead. */
const ARRIVAL_MS = 10_000;
/** Failures are logged so often at most, for a scanner makes many. */
const LOG_EVERY_MS = 60_000;

export interface ArrivalDeps {
  readonly log: Log;
  readonly metrics: ListenerMetrics;
  readonly nowMs: () => number;
  /** As `Listener.arm` and its counterpart. */
  readonly arm: (arrival: Arrival, delayMs: number) => void;
  readonly disarm: (arrival: Arrival) => void;
}

/** The connections of one listener that have not come to their first request yet. */
export class Arrivals {
  private readonly open = new Set<Arrival>();
  private readonly listener: string;
  private readonly deps: ArrivalDeps;
  private loggedMs = Number.NEGATIVE_INFINITY;
  private unlogged = 0;

  constructor(listener: string, deps: ArrivalDeps) {
    this.listener = listener;
    this.deps = deps;
  }

  get size(): number {
    return this.open.size;
  }

  /** `ready` is called, later, where the connection may go on; `headersTimeoutMs` as of the listener. */
  begin(
    socket: Socket,
    from: string,
    terms: ArrivalTerms,
    headersTimeoutMs: number,
    ready: (arrived: Extract<Arrived, { readonly socket: Socket }>) => void,
  ): void {
    const arrival = new Arrival(socket, terms, (arrived) => {
      this.open.delete(arrival);
      this.deps.metrics.connections--;
      this.deps.disarm(arrival);
      if (arrived.kind === 'failed') this.failed(arrived.step, from, arrived.reason);
      else if (arrived.kind !== 'gone') ready(arrived);
    });
    this.open.add(arrival);
    this.deps.metrics.connections++;
    this.deps.arm(arrival, Math.min(ARRIVAL_MS, headersTimeoutMs));
  }

  /** Counts a connection that came to nothing, and says so now and then. */
  failed(step: 'proxy' | 'tls', peer: string, reason: string): void {
    const { log, metrics } = this.deps;
    if (step === 'tls') metrics.tlsHandshakeFailures++;
    else metrics.proxyHeaderFailures++;
    const nowMs = this.deps.nowMs();
    if (nowMs - this.loggedMs < LOG_EVERY_MS) {
      this.unlogged++;
      return;
    }
    const more = this.unlogged === 0 ? {} : { unlogged: this.unlogged };
    const message = step === 'tls' ? 'TLS handshake failed' : 'connection closed for its PROXY header';
    log.warn(message, { listener: this.listener, peer, reason, ...more });
    this.loggedMs = nowMs;
    this.unlogged = 0;
  }

  destroyAll(): void {
    for (const arrival of [...this.open]) arrival.destroy();
  }
}
