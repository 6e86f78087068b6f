import type { WheelTimer } from '../../core/timer-wheel.ts';
import type { Http1RequestHead } from '../../http/http1/request-head.ts';
import type { Exchange } from '../../proxy/exchange.ts';
import type { ClientConnection } from './client-connection.ts';

/** What a connection needs of the listener that accepted it. */
export interface ConnectionHost {
  readonly headersTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  /** Least octets a second of a request body; undefined = no bound. */
  readonly minBodyRate: number | undefined;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  /** Connections are encrypted. */
  readonly isSecure: boolean;
  /** Connections close behind the answer they carry. */
  readonly draining: boolean;
  /** No new connections are taken: those at rest close. */
  readonly stopping: boolean;
  arm(timer: WheelTimer, delayMs: number): void;
  disarm(timer: WheelTimer): void;
  release(connection: ClientConnection, ...timers: WheelTimer[]): void;
  /** Makes the exchange of a request, or of octets that never became one (`isRefused`). */
  begin(connection: ClientConnection, head: Http1RequestHead): Exchange;
  serve(exchange: Exchange): void;
}
