import type { Clock } from '../../core/clock.ts';
import { type TimerWheel, WheelTimer } from '../../core/timer-wheel.ts';
import type { GatewayError } from '../../errors.ts';
import type { ChannelOwner, Transport, UpstreamChannel } from '../../upstream/channel.ts';
import type { EndpointAddress } from '../../upstream/endpoint-address.ts';
import { UpstreamConnection } from './upstream-connection.ts';

/** Connections to endpoints over TCP and unix sockets; a connect that takes too long is given up. */
export function tcpTransport(wheel: TimerWheel, clock: Clock): Transport {
  return {
    connect(address: EndpointAddress, connectTimeoutMs: number, owner: ChannelOwner): void {
      const timer = new WheelTimer(() => connection.giveUp());
      const connection = new UpstreamConnection(
        address,
        timedOwner(owner, () => wheel.remove(timer)),
      );
      wheel.arm(timer, clock.nowMs() + connectTimeoutMs);
    },
  };
}

/** Passes all on to `owner`, and says when the connect is decided. */
function timedOwner(owner: ChannelOwner, decided: () => void): ChannelOwner {
  return {
    onConnected(channel: UpstreamChannel): void {
      decided();
      owner.onConnected(channel);
    },
    onConnectFailed(error: GatewayError): void {
      decided();
      owner.onConnectFailed(error);
    },
    onIdle: (channel, hintMs) => owner.onIdle(channel, hintMs),
    onClosed: (channel) => owner.onClosed(channel),
  };
}
