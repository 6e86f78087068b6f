import type { Clock } from '../../core/clock.ts';
import type { GatewayError } from '../../errors.ts';
import type { Log } from '../../ports.ts';

/** One line for one subject in so long. */
const EVERY_MS = 10_000;
/** Subjects are endpoints; beyond so many all are forgotten. */
const MAX_SUBJECTS = 10_000;

/** An address that was tried, and what came of it. */
export interface TriedAddress {
  readonly address: string;
  readonly error: string;
}

/** Says in the event log why connections do not come about: what the client is told names no addresses. */
export class ConnectTrouble {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #saidMs = new Map<string, number>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** The gateway ran out of ports, descriptors or memory. */
  local(error: GatewayError): void {
    if (this.#mayBeSaid(''))
      this.#log.error('no more connections to endpoints', { error: error.cause, why: error.detail });
  }

  /** `endpoint`: host and port as configured. */
  endpoint(endpoint: string, error: GatewayError, tried: readonly TriedAddress[]): void {
    if (this.#mayBeSaid(endpoint))
      this.#log.warn('no connection to an endpoint', { endpoint, why: error.detail, tried });
  }

  #mayBeSaid(subject: string): boolean {
    const nowMs = this.#clock.nowMs();
    const saidMs = this.#saidMs.get(subject);
    if (saidMs !== undefined && nowMs - saidMs < EVERY_MS) return false;
    if (this.#saidMs.size >= MAX_SUBJECTS) this.#saidMs.clear();
    this.#saidMs.set(subject, nowMs);
    return true;
  }
}
