import { isIP } from 'node:net';
import { systemResolver } from '../adapters/dns/system-resolver.ts';
import { NetProber } from '../adapters/net/prober.ts';
import { tcpTransport } from '../adapters/net/tcp-transport.ts';
import type { SnapshotModel } from '../config/snapshot.ts';
import type { Random } from '../core/random.ts';
import type { TimerWheel } from '../core/timer-wheel.ts';
import type { ClockAndTimers, Log, Resolver } from '../ports.ts';
import type { Transport } from '../upstream/channel.ts';
import { NameCache } from '../upstream/name-cache.ts';
import type { Prober } from '../upstream/prober.ts';

export interface NetworkDeps {
  readonly clock: ClockAndTimers;
  readonly random: Random;
  readonly log: Log;
  readonly wheel: TimerWheel;
}

/** The way to the endpoints: their names, connections to them, and checks of them. */
export interface Network {
  readonly transport: Transport;
  readonly prober: Prober;
  readonly names: NameCache;
}

export function openNetwork(
  overrides: { readonly transport?: Transport; readonly resolver?: Resolver },
  { wheel, ...deps }: NetworkDeps,
): Network {
  const resolver = overrides.resolver ?? systemResolver({ timers: deps.clock });
  const names = new NameCache({ ...deps, resolver });
  const transport = overrides.transport ?? tcpTransport({ wheel, names, clock: deps.clock, log: deps.log });
  return { transport, prober: new NetProber(names), names };
}

/** The names of a configuration's endpoints. */
export function endpointNames({ upstreams }: SnapshotModel): string[] {
  const endpoints = [...upstreams.values()].flatMap((upstream) => upstream.endpoints);
  return endpoints.flatMap(({ address }) => (address.kind === 'tcp' && isIP(address.host) === 0 ? [address.host] : []));
}
