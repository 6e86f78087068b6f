import type { Clock } from '../../core/clock.ts';
import type { TimerWheel } from '../../core/timer-wheel.ts';
import type { Log } from '../../ports.ts';
import { AddressOrder } from '../../upstream/address-order.ts';
import type { Transport } from '../../upstream/channel.ts';
import type { NameCache } from '../../upstream/name-cache.ts';
import { ConnectTrouble } from './connect-trouble.ts';
import { Dial, type DialDeps } from './dial.ts';

export interface TcpTransportDeps {
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly names: NameCache;
  readonly log: Log;
}

/** Connections to endpoints: TCP and unix sockets, in clear and over TLS. What an address is gone from is retired. */
export function tcpTransport({ wheel, clock, names, log }: TcpTransportDeps): Transport {
  const standing: DialDeps['standing'] = new Map();
  const deps = { wheel, clock, names, order: new AddressOrder(), trouble: new ConnectTrouble(log, clock), standing };
  names.onGone = (name, addresses) => {
    for (const dial of [...(standing.get(name) ?? [])]) if (addresses.includes(dial.reached)) dial.retire();
  };
  return {
    connect(address, connectTimeoutMs, owner): void {
      new Dial(address, connectTimeoutMs, owner, deps);
    },
  };
}
