import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlackHole } from '../../../test/kit/black-hole.ts';
import { RawOrigin } from '../../../test/kit/raw-origin.ts';
import { TimerWheel } from '../../core/timer-wheel.ts';
import type { GatewayError } from '../../errors.ts';
import { FakeClock } from '../../testing/fake-clock.ts';
import type { ChannelOwner, UpstreamChannel } from '../../upstream/channel.ts';
import type { EndpointAddress } from '../../upstream/endpoint-address.ts';
import { tcpTransport } from './tcp-transport.ts';

type Outcome = UpstreamChannel | GatewayError;

class Owner implements ChannelOwner {
  readonly outcome: Promise<Outcome>;
  calls = 0;
  #settle!: (outcome: Outcome) => void;

  constructor() {
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  onConnected(channel: UpstreamChannel): void {
    this.calls++;
    this.#settle(channel);
  }

  onConnectFailed(error: GatewayError): void {
    this.calls++;
    this.#settle(error);
  }

  onIdle(): void {}
  onClosed(): void {}
}

const tcp = (port: number): EndpointAddress => ({
  kind: 'tcp',
  host: '127.0.0.1',
  port,
  authority: `127.0.0.1:${port}`,
});

test('a connect is decided once: made, refused, or given up', { skip: process.platform !== 'linux' }, async (t) => {
  const clock = new FakeClock();
  const wheel = new TimerWheel(20, clock.nowMs());
  const transport = tcpTransport(wheel, clock);
  const origin = await RawOrigin.start();
  t.after(() => origin.stop());
  const hole = await BlackHole.open();
  t.after(() => hole.close());

  const made = new Owner();
  transport.connect(tcp(origin.port), 1000, made);
  const channel = (await made.outcome) as UpstreamChannel;
  assert.equal(wheel.linked, 0, 'no timer is left');

  const silent = new Owner();
  transport.connect(tcp(hole.port), 1000, silent);
  clock.advanceSync(990);
  wheel.advance(clock.nowMs());
  assert.equal(silent.calls, 0);
  clock.advanceSync(40);
  wheel.advance(clock.nowMs());
  assert.equal(((await silent.outcome) as GatewayError).kind, 'connect-timeout');

  channel.close();
  await origin.stop();
  const refused = new Owner();
  transport.connect(tcp(origin.port), 1000, refused);
  assert.equal(((await refused.outcome) as GatewayError).kind, 'connect-failed');
  clock.advanceSync(5000);
  wheel.advance(clock.nowMs());
  assert.deepEqual([made.calls, silent.calls, refused.calls], [1, 1, 1]);
  assert.equal(wheel.linked, 0);
});
