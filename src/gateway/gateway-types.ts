import type { LoadedConfig } from '../config/load.ts';
import type { HeadgateConfig } from '../config/schema.ts';
import type { InjectRequest, InjectResponse } from './inject.ts';

export interface StopOptions {
  /** Requests are still accepted for so long, while readiness already fails. */
  readonly delayMs: number;
  /** Then those in flight get so long. */
  readonly graceMs: number;
}

export interface BoundListener {
  /** As written in the configuration. */
  readonly label: string;
  /** As bound: `host:port` or `unix:/path`. */
  readonly address: string;
}

/** A gateway in this process. */
export interface Gateway {
  /** Opens the listeners and the admin API. Rejects with a `StartError`. */
  start(): Promise<void>;
  /** Puts another configuration in force. Rejects with a `ConfigError` or `StartError` and changes nothing then. */
  reload(config: HeadgateConfig | LoadedConfig): Promise<void>;
  stop(options: StopOptions): Promise<void>;
  /** Sends a request through the whole gateway without a socket on the client's side. */
  inject(request: InjectRequest): Promise<InjectResponse>;
  readonly listeners: readonly BoundListener[];
  readonly adminAddress: string | undefined;
  /** The gateways on this one's store, itself included; and whether the store answers. */
  readonly fleet: { readonly size: number; readonly storeUp: boolean };
}
