import type { EndpointAddress } from './endpoint-address.ts';
import type { HealthCheckModel } from './upstream-model.ts';

export interface ProbeResult {
  readonly ok: boolean;
  /** For people: the status, or what went wrong. */
  readonly detail: string;
  readonly durationMs: number;
}

/** Port: makes one active check. It settles within the check's timeout and never rejects. */
export interface Prober {
  probe(address: EndpointAddress, check: HealthCheckModel): Promise<ProbeResult>;
}
