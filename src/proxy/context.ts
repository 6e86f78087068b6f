import type { Random } from '../core/random.ts';
import type { TimerWheel } from '../core/timer-wheel.ts';
import type { AccessLog, ClockAndTimers, Log } from '../ports.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { EndpointPool } from '../upstream/pool.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { OpenTunnels } from './open-tunnels.ts';
import type { Snapshot } from './snapshot.ts';

/** What every exchange needs and no exchange owns. One per gateway. */
export interface ProxyContext {
  /** The configuration in force. An exchange holds the one it began with; a reload swaps this pointer. */
  snapshot: Snapshot;
  readonly clock: ClockAndTimers;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  readonly tunnels: OpenTunnels;
  /** Undefined where the access log is off. */
  accessLog: AccessLog | undefined;
  /** True from the first sign of shutdown: connections close after the response they carry. */
  draining: boolean;
  /** Wall-clock microseconds at a time of `clock`: what `clock.wallUs()` would have said then, to a few microseconds. */
  wallUsAt(nowMs: number): number;
  newRequestId(): string;
  /** The current Date field (RFC 9110 §6.6.1), made once a second. */
  dateText(): string;
  poolOf(upstream: Upstream, endpoint: Endpoint): EndpointPool;
  /** A peer that is not trusted sent X-Forwarded-For. */
  untrustedForwarded(peerAddress: string, listenerPlace: string): void;
}
