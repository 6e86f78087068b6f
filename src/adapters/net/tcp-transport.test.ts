import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BlackHole } from '../../../test/kit/black-hole.ts';
import { RawOrigin } from '../../../test/kit/raw-origin.ts';
import { TimerWheel } from '../../core/timer-wheel.ts';
import type { GatewayError } from '../../errors.ts';
import type { Log, NameAnswer } from '../../ports.ts';
import { FakeClock } from '../../testing/fake-clock.ts';
import type { ChannelOwner, UpstreamChannel } from '../../upstream/channel.ts';
import type { EndpointAddress } from '../../upstream/endpoint-address.ts';
import { NameCache } from '../../upstream/name-cache.ts';
import { tcpTransport } from './tcp-transport.ts';

type Outcome = UpstreamChannel | GatewayError;

class Owner implements ChannelOwner {
  readonly outcome: Promise<Outcome>;
  calls = 0;
  stale = 0;
  closed = 0;
  #settle!: (outcome: Outcome) => void;

  constructor() {
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get channel(): Promise<UpstreamChannel> {
    return this.outcome as Promise<UpstreamChannel>;
  }

  get error(): Promise<GatewayError> {
    return this.outcome as Promise<GatewayError>;
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

  onStale(): void {
    this.stale++;
  }

  onClosed(): void {
    this.closed++;
  }
}

const tcp = (port: number, host = '127.0.0.1'): EndpointAddress => ({
  kind: 'tcp',
  host,
  port,
  authority: `${host}:${port}`,
});

/** A transport whose names a test sets, its clock and its wheel. */
class Bench {
  readonly clock = new FakeClock();
  readonly wheel = new TimerWheel(20, this.clock.nowMs());
  readonly events: string[] = [];
  addresses: readonly string[] | Error = [];
  readonly #names: NameCache;
  readonly #transport;

  constructor() {
    const said = (message: string, fields?: Record<string, unknown>): void => {
      this.events.push(`${message} ${JSON.stringify(fields)}`);
    };
    const log: Log = { debug: said, info: said, warn: said, error: said };
    const { clock, wheel } = this;
    const resolve = async (): Promise<NameAnswer> => {
      if (this.addresses instanceof Error) throw this.addresses;
      const of = (isIpv6: boolean): string[] =>
        (this.addresses as readonly string[]).filter((one) => one.includes(':') === isIpv6);
      return { ipv4: of(false), ipv6: of(true), ttlMs: 10_000 };
    };
    this.#names = new NameCache({ resolver: { resolve }, clock, random: () => 0.5, log });
    this.#transport = tcpTransport({ wheel, clock, names: this.#names, log });
  }

  connect(address: EndpointAddress, timeoutMs = 1000): Owner {
    const owner = new Owner();
    this.#transport.connect(address, timeoutMs, owner);
    return owner;
  }

  pass(ms: number): void {
    this.clock.advanceSync(ms);
    this.wheel.advance(this.clock.nowMs());
  }

  /** The name is asked for anew. */
  async refresh(): Promise<void> {
    await this.clock.advance(10_000);
  }
}

async function origin(t: TestContext, host?: string): Promise<RawOrigin> {
  const started = await RawOrigin.start(host === undefined ? {} : { host });
  t.after(() => started.stop());
  return started;
}

async function blackHole(t: TestContext, host?: string, port?: number): Promise<BlackHole> {
  const hole = await BlackHole.open(host, port);
  t.after(() => hole.close());
  return hole;
}

/** Until what was begun by a resolved promise is begun. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const linuxOnly = { skip: process.platform !== 'linux' };

test('a connect is decided once: made, refused, or given up', linuxOnly, async (t) => {
  const bench = new Bench();
  const listening = await origin(t);
  const hole = await blackHole(t);

  const made = bench.connect(tcp(listening.port));
  const channel = await made.channel;
  assert.equal(bench.wheel.linked, 0, 'no timer is left');

  const silent = bench.connect(tcp(hole.port));
  bench.pass(990);
  assert.equal(silent.calls, 0);
  bench.pass(40);
  assert.equal((await silent.error).kind, 'connect-timeout');

  channel.close();
  await listening.stop();
  const refused = bench.connect(tcp(listening.port));
  assert.equal((await refused.error).kind, 'connect-failed');
  bench.pass(5000);
  assert.deepEqual([made.calls, silent.calls, refused.calls, made.closed], [1, 1, 1, 1]);
  assert.equal(bench.wheel.linked, 0);
  assert.deepEqual(bench.events, []);
});

test('an IPv6 address is an address', async (t) => {
  const listening = await origin(t, '::1');
  await new Bench().connect(tcp(listening.port, '::1')).channel;
  assert.equal(listening.connections.length, 1);
});

test('where an address refuses, the next is tried at once', async (t) => {
  const bench = new Bench();
  const listening = await origin(t);
  bench.addresses = ['::1', '127.0.0.1'];
  await bench.connect(tcp(listening.port, 'a.test')).channel;
  assert.equal(listening.connections.length, 1);
  assert.equal(bench.wheel.linked, 0);
});

test('where an address is silent, the next is tried after 250 ms, and it is given up', linuxOnly, async (t) => {
  const bench = new Bench();
  const listening = await origin(t);
  await blackHole(t, '::1', listening.port);
  bench.addresses = ['::1', '127.0.0.1'];
  const owner = bench.connect(tcp(listening.port, 'a.test'));
  await settled();
  bench.pass(240);
  await settled();
  assert.equal(listening.connections.length, 0);
  bench.pass(40);
  await listening.connection();
  const channel = await owner.channel;
  assert.equal(bench.wheel.linked, 0);
  // What lost is not waited for again: IPv4 goes first now.
  await bench.connect(tcp(listening.port, 'a.test')).channel;
  channel.close();
  assert.deepEqual([owner.calls, owner.closed], [1, 1]);
});

test('connections are spread over all addresses', async (t) => {
  const one = await origin(t);
  const bench = new Bench();
  const two = await RawOrigin.start({ host: '127.0.0.2', port: one.port });
  t.after(() => two.stop());
  bench.addresses = ['127.0.0.1', '127.0.0.2'];
  for (let n = 0; n < 4; n++) await bench.connect(tcp(one.port, 'a.test')).channel;
  await one.until('two connections', () => (one.connections.length === 2 ? true : undefined));
  await two.until('two connections', () => (two.connections.length === 2 ? true : undefined));
});

test('a failure tells the client how, and the event log where', linuxOnly, async (t) => {
  const bench = new Bench();
  const closed = await origin(t);
  await closed.stop();
  bench.addresses = ['::1', '127.0.0.1'];
  const { kind, detail } = await bench.connect(tcp(closed.port, 'a.test')).error;
  assert.equal(kind, 'connect-failed');
  assert.equal(detail, 'No connection to the endpoint (ECONNREFUSED). It has 2 addresses; tried: ECONNREFUSED.');
  const tried = [
    { address: '::1', error: 'ECONNREFUSED' },
    { address: '127.0.0.1', error: 'ECONNREFUSED' },
  ];
  const fields = { endpoint: `a.test:${closed.port}`, why: 'No connection to the endpoint (ECONNREFUSED).', tried };
  assert.deepEqual(bench.events, [`no connection to an endpoint ${JSON.stringify(fields)}`]);
  // Not once for every request.
  await bench.connect(tcp(closed.port, 'a.test')).error;
  assert.equal(bench.events.length, 1);
});

test('a name that does not resolve fails, and one that is not answered for times out', async () => {
  const bench = new Bench();
  bench.addresses = Object.assign(new Error('no'), { code: 'ENOTFOUND' });
  const first = bench.connect(tcp(1, 'a.test'));
  assert.equal(first.calls, 0, 'never at once');
  assert.deepEqual([(await first.error).kind, (await first.error).failure.proxyError], ['name-failed', 'dns_error']);
  const second = bench.connect(tcp(1, 'a.test'));
  assert.equal(second.calls, 0, 'never at once, known or not');
  assert.match((await second.error).detail, /does not resolve \(ENOTFOUND\)/);
  const silent = bench.connect(tcp(1, 'b.test'), 0);
  bench.pass(40);
  assert.match((await silent.error).detail, /was not resolved in time/);
  await settled();
  assert.equal(silent.calls, 1);
  assert.equal(bench.wheel.linked, 0);
});

test('connections to an address that the name loses are retired, the others stay', async (t) => {
  const one = await origin(t);
  const two = await RawOrigin.start({ host: '127.0.0.2', port: one.port });
  t.after(() => two.stop());
  const bench = new Bench();
  bench.addresses = ['127.0.0.1', '127.0.0.2'];
  const owners = [bench.connect(tcp(one.port, 'a.test')), bench.connect(tcp(one.port, 'a.test'))];
  const channels = await Promise.all(owners.map(({ channel }) => channel));
  const literal = bench.connect(tcp(one.port));
  await literal.channel;
  bench.addresses = ['127.0.0.2'];
  await bench.refresh();
  assert.deepEqual(owners.map(({ stale }) => stale).sort(), [0, 1]);
  assert.equal(literal.stale, 0, 'it was never a matter of names');
  for (const channel of channels) channel.close();
  bench.addresses = ['127.0.0.1'];
  await bench.refresh();
  assert.equal(
    owners.reduce((sum, { stale }) => sum + stale, 0),
    1,
    'what is closed is not retired',
  );
});

test('an address that the name loses while it is connected to is retired as soon as the connection is made', async (t) => {
  const listening = await origin(t);
  const bench = new Bench();
  bench.addresses = ['127.0.0.1'];
  await bench.connect(tcp(listening.port, 'a.test')).channel;
  const late = bench.connect(tcp(listening.port, 'a.test'));
  bench.addresses = ['127.0.0.2'];
  bench.clock.advanceSync(10_000);
  await late.channel;
  assert.deepEqual([late.calls, late.stale], [1, 1]);
});

test('a connect during which the gateway stood still has its time again', linuxOnly, async (t) => {
  const bench = new Bench();
  const hole = await blackHole(t);
  const silent = bench.connect(tcp(hole.port));
  bench.pass(1600);
  bench.pass(560);
  assert.equal(silent.calls, 0);
  bench.pass(60);
  assert.equal((await silent.error).kind, 'connect-timeout');
  assert.equal(bench.wheel.linked, 0);
});
