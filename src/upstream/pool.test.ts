import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerWheel } from '../core/timer-wheel.ts';
import { GatewayError } from '../errors.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import type { ChannelOwner, Transport, UpstreamChannel } from './channel.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import { EndpointPool, type PoolOptions, type PoolWaiter } from './pool.ts';

const ADDRESS = { kind: 'tcp', host: '127.0.0.1', port: 1, authority: '127.0.0.1:1' } as const;
const OPTIONS: PoolOptions = { maxConnections: 4, connectTimeoutMs: 1000, idleTimeoutMs: 4000 };

/** A connection that does nothing but be open or closed. */
class FakeChannel implements UpstreamChannel {
  served = 0;
  unsent = false;
  idleSinceMs = 0;
  idleUntilMs = 0;
  idleForMs = 0;
  isClosed = false;
  readonly #owner: ChannelOwner;

  constructor(owner: ChannelOwner) {
    this.#owner = owner;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#owner.onClosed(this);
  }

  /** Its exchange ended well. */
  finish(hintMs?: number): void {
    this.served++;
    this.#owner.onIdle(this, hintMs);
  }

  send(): void {}
  writeData(): boolean {
    return true;
  }
  writeEnd(): void {}
  resume(): void {}
  discard(): void {}
}

class FakeTransport implements Transport {
  readonly connects: ChannelOwner[] = [];
  /** Of all connects, the latest last. */
  readonly addresses: EndpointAddress[] = [];

  connect(address: EndpointAddress, _timeoutMs: number, owner: ChannelOwner): void {
    this.addresses.push(address);
    this.connects.push(owner);
  }

  /** The oldest connect that is under way succeeds. */
  accept(): FakeChannel {
    const address = this.addresses.at(-this.connects.length) as EndpointAddress;
    const owner = this.connects.shift() as ChannelOwner;
    const channel = new FakeChannel(owner);
    owner.onConnected(channel, address);
    return channel;
  }

  refuse(): void {
    this.connects.shift()?.onConnectFailed(new GatewayError('connect-failed', 'upstream', 'refused'));
  }
}

class Waiter implements PoolWaiter {
  channel: FakeChannel | undefined = undefined;
  error: GatewayError | undefined = undefined;
  calls = 0;

  onChannel(channel: UpstreamChannel): void {
    this.calls++;
    this.channel = channel as FakeChannel;
  }

  onNoChannel(error: GatewayError): void {
    this.calls++;
    this.error = error;
  }
}

class Bench {
  readonly clock = new FakeClock();
  readonly wheel = new TimerWheel(20, this.clock.nowMs());
  readonly transport = new FakeTransport();
  readonly pool: EndpointPool;

  constructor(options: Partial<PoolOptions> = {}) {
    const { transport, clock, wheel } = this;
    this.pool = new EndpointPool(ADDRESS, { ...OPTIONS, ...options }, { transport, clock, wheel });
  }

  /** Time passes; the wheel is turned every 20 ms as in production. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 20) {
      this.clock.advanceSync(Math.min(20, left));
      this.wheel.advance(this.clock.nowMs());
    }
  }

  acquire(fresh = false): Waiter {
    const waiter = new Waiter();
    this.pool.acquire(waiter, fresh, this.clock.nowMs());
    return waiter;
  }

  /** A connection that was opened, used, and lies idle. */
  idle(hintMs?: number): FakeChannel {
    const waiter = this.acquire(true);
    this.transport.accept();
    waiter.channel?.finish(hintMs);
    return waiter.channel as FakeChannel;
  }
}

test('the youngest idle connection is used first', () => {
  const bench = new Bench();
  const first = bench.acquire();
  const second = bench.acquire();
  const [older, newer] = [bench.transport.accept(), bench.transport.accept()];
  assert.deepEqual([first.channel, second.channel], [older, newer]);
  older.finish();
  newer.finish();
  assert.equal(bench.acquire().channel, newer);
  assert.equal(bench.acquire().channel, older);
  assert.equal(bench.pool.open, 2);
  assert.equal(bench.transport.connects.length, 0);
});

test('an idle connection lives as long as the configuration says, and is not used after that', () => {
  const bench = new Bench();
  const channel = bench.idle();
  bench.pass(3980);
  assert.equal(channel.isClosed, false);
  // Due, though the wheel has not turned yet.
  bench.clock.advanceSync(21);
  assert.equal(bench.acquire().channel, undefined);
  assert.equal(channel.isClosed, true);
});

test('the wheel closes what was idle too long', () => {
  const bench = new Bench();
  const channel = bench.idle();
  bench.pass(4040);
  assert.equal(channel.isClosed, true);
  assert.deepEqual([bench.pool.open, bench.pool.idle], [0, 0]);
});

test('an endpoint’s own Keep-Alive hint counts, less a second, up to a minute', () => {
  for (const [hintMs, keptMs] of [
    [5000, 4000],
    [10_000, 9000],
    [3_600_000, 59_000],
  ] as const) {
    const bench = new Bench({ idleTimeoutMs: 2000 });
    const channel = bench.idle(hintMs);
    bench.pass(keptMs - 40);
    assert.equal(channel.isClosed, false, `${hintMs}`);
    bench.pass(80);
    assert.equal(channel.isClosed, true, `${hintMs}`);
  }
  const bench = new Bench();
  bench.idle(1000);
  assert.equal(bench.acquire().channel, undefined, 'a hint of one second leaves no time');
});

test('an idle age at which the endpoint was seen to close is never reached again', () => {
  const bench = new Bench();
  const channel = bench.idle();
  bench.pass(1000);
  channel.close();
  const next = bench.idle(10_000);
  bench.pass(780);
  assert.equal(next.isClosed, false);
  bench.pass(60);
  assert.equal(next.isClosed, true);
});

test('what was learned holds for those that lie idle already', () => {
  const bench = new Bench();
  const older = bench.idle();
  bench.pass(500);
  const younger = bench.idle();
  bench.pass(500);
  older.close();
  bench.pass(280);
  assert.equal(younger.isClosed, false, '780 ms old');
  // Due, though the wheel has not turned yet.
  bench.clock.advanceSync(21);
  const waiter = bench.acquire();
  assert.deepEqual([waiter.calls, younger.isClosed], [0, true]);
});

test('a kept connection that dies unanswered teaches the age at which it was given out', () => {
  const bench = new Bench();
  bench.idle();
  bench.pass(1000);
  const lost = bench.acquire().channel as FakeChannel;
  bench.pass(40);
  lost.close();
  bench.pool.unanswered(lost);
  const next = bench.idle();
  bench.pass(780);
  assert.equal(next.isClosed, false);
  bench.pass(60);
  assert.equal(next.isClosed, true);
});

test('one that dies long after it was given out, or that was handed on, teaches nothing', () => {
  const bench = new Bench({ maxConnections: 1 });
  bench.idle();
  bench.pass(1000);
  const slow = bench.acquire().channel as FakeChannel;
  bench.clock.advanceSync(501);
  slow.close();
  bench.pool.unanswered(slow);
  const kept = bench.idle();
  bench.pass(1000);
  assert.equal(bench.acquire().channel, kept);
  const next = bench.acquire();
  kept.finish();
  assert.equal(next.channel, kept);
  kept.close();
  bench.pool.unanswered(kept);
  const last = bench.idle();
  bench.pass(3900);
  assert.equal(last.isClosed, false);
});

/** What was learned is 800 ms and old enough to be doubted. */
function doubting(options: Partial<PoolOptions> = {}): Bench {
  const bench = new Bench({ idleTimeoutMs: 10_000, ...options });
  const first = bench.idle();
  bench.pass(1000);
  first.close();
  bench.pass(60_020);
  return bench;
}

test('what was learned is put to the test by a connection that nobody is given', () => {
  const bench = doubting();
  const witness = bench.idle();
  bench.pass(860);
  assert.equal(witness.isClosed, false, 'kept past 800 ms');
  assert.equal(bench.acquire().calls, 0, 'but given to nobody');
  const other = bench.transport.accept();
  other.finish();
  bench.pass(860);
  assert.deepEqual([witness.isClosed, other.isClosed], [true, false], '1 600 ms are safe from now on');
  bench.pass(800);
  assert.equal(other.isClosed, true);
});

test('where the endpoint still closes at that age, nobody is harmed and the limit stays', () => {
  const bench = doubting();
  const witness = bench.idle();
  bench.pass(1000);
  witness.close();
  const next = bench.idle();
  bench.pass(860);
  assert.equal(next.isClosed, true, 'and it is not doubted again at once');
  assert.equal(bench.pool.open, 0);
});

test('a connection that only puts a limit to the test makes room in a full pool', () => {
  const bench = doubting({ maxConnections: 1 });
  const witness = bench.idle();
  bench.pass(860);
  assert.equal(witness.isClosed, false);
  const waiter = bench.acquire();
  assert.equal(witness.isClosed, true);
  assert.equal(bench.transport.accept(), waiter.channel);
});

test('a restart that closes young connections teaches nothing', () => {
  const bench = new Bench();
  const channel = bench.idle();
  bench.pass(20);
  channel.close();
  const next = bench.idle();
  bench.pass(3900);
  assert.equal(next.isClosed, false);
});

test('at most maxConnections; the others wait in order and get what comes free', () => {
  const bench = new Bench({ maxConnections: 2 });
  const waiters = [1, 2, 3, 4].map(() => bench.acquire());
  assert.equal(bench.transport.connects.length, 2);
  const [first, second] = [bench.transport.accept(), bench.transport.accept()];
  assert.deepEqual(
    waiters.map(({ channel }) => channel),
    [first, second, undefined, undefined],
  );
  second.finish();
  assert.equal(waiters[2]?.channel, second);
  // One that closes makes room for a new one.
  first.close();
  assert.equal(bench.transport.accept(), waiters[3]?.channel);
  assert.equal(bench.pool.open, 2);
});

test('who waits too long behind a full pool is told so, in 503', () => {
  const bench = new Bench({ maxConnections: 1 });
  bench.acquire();
  const busy = bench.transport.accept();
  const late = bench.acquire();
  bench.pass(500);
  const later = bench.acquire();
  bench.pass(540);
  assert.equal(late.error?.kind, 'overloaded');
  assert.equal(later.calls, 0);
  busy.finish();
  assert.equal(later.channel, busy);
  bench.pass(2000);
  assert.deepEqual([late.calls, later.calls], [1, 1]);
});

test('the queue has an end', () => {
  const bench = new Bench({ maxConnections: 1 });
  // One has a connect under way; behind it 1 024 may wait.
  for (let n = 0; n < 1025; n++) bench.acquire();
  assert.equal(bench.acquire().error?.kind, 'overloaded');
});

test('a connect that fails answers one request', () => {
  const bench = new Bench();
  const [first, second] = [bench.acquire(), bench.acquire()];
  bench.transport.refuse();
  assert.deepEqual([first.error?.kind, second.calls], ['connect-failed', 0]);
  assert.equal(bench.transport.accept(), second.channel);
  assert.equal(bench.pool.open, 1);
});

test('a connect that nobody needs any more fails without harm to those who have their own', () => {
  const bench = new Bench();
  const withdrawn = bench.acquire();
  const waiting = bench.acquire();
  bench.pool.withdraw(withdrawn);
  bench.transport.refuse();
  assert.equal(waiting.calls, 0);
  assert.equal(bench.transport.accept(), waiting.channel);
  assert.equal(withdrawn.calls, 0);
});

test('a connect without an answer is given up in 504, and its late failure hits nobody else', () => {
  const bench = new Bench();
  const first = bench.acquire();
  bench.pass(500);
  const second = bench.acquire();
  bench.pass(520);
  assert.equal(first.error?.kind, 'connect-timeout');
  bench.transport.refuse();
  assert.equal(second.calls, 0);
  assert.equal(bench.transport.accept(), second.channel);
});

test('a connection that nobody waits for any more is kept', () => {
  const bench = new Bench();
  const waiter = bench.acquire();
  bench.pool.withdraw(waiter);
  const channel = bench.transport.accept();
  assert.deepEqual([waiter.calls, bench.pool.idle], [0, 1]);
  assert.equal(bench.acquire().channel, channel);
});

test('who wants a fresh connection gets no used one, neither idle nor just come free', () => {
  const bench = new Bench();
  const used = bench.idle();
  const fresh = bench.acquire(true);
  assert.equal(fresh.calls, 0);
  const ordinary = bench.acquire();
  assert.equal(ordinary.channel, used);
  used.finish();
  assert.equal(fresh.calls, 0);
  assert.equal(bench.transport.accept(), fresh.channel);
});

test('a fresh connection is made in a full pool too: a used one makes room', () => {
  const bench = new Bench({ maxConnections: 1 });
  const used = bench.idle();
  const fresh = bench.acquire(true);
  assert.equal(used.isClosed, true);
  const second = bench.transport.accept();
  assert.equal(second, fresh.channel);
  // And where it is busy still, once it is done.
  const again = bench.acquire(true);
  second.finish();
  assert.equal(second.isClosed, true);
  assert.equal(bench.transport.accept(), again.channel);
  assert.equal(bench.pool.open, 1);
});

test('a waiter may ask again from within the call that turns it away', () => {
  const bench = new Bench({ maxConnections: 1 });
  const again = new Waiter();
  bench.pool.acquire(
    {
      onChannel: () => assert.fail('there is none'),
      onNoChannel: () => bench.pool.acquire(again, false, bench.clock.nowMs()),
    },
    false,
    bench.clock.nowMs(),
  );
  bench.transport.refuse();
  assert.equal(bench.transport.accept(), again.channel);
});

test('a reload takes effect: more connections at once, fewer as they end', () => {
  const bench = new Bench({ maxConnections: 1 });
  const waiters = [bench.acquire(), bench.acquire()];
  bench.transport.accept();
  bench.pool.reconfigure({ ...OPTIONS, maxConnections: 2 });
  assert.equal(bench.transport.accept(), waiters[1]?.channel);
});

test('a closed pool lets go of what is idle now and of the rest when it is done', () => {
  const bench = new Bench();
  const idle = bench.idle();
  const busy = bench.acquire().channel ?? assert.fail('the idle one is taken');
  assert.equal(busy, idle);
  const second = bench.idle();
  const orphan = bench.acquire(true);
  bench.pool.withdraw(orphan);
  bench.pool.close();
  assert.deepEqual([second.isClosed, busy.isClosed], [true, false]);
  busy.finish();
  assert.equal(busy.isClosed, true);
  assert.equal(bench.transport.accept().isClosed, true);
  assert.equal(bench.pool.open, 0);
  bench.pass(12_000);
  assert.equal(bench.wheel.linked, 0, 'no timer is left');
});

test('a connection that leads elsewhere by now carries what it carries, and nothing new', () => {
  const bench = new Bench();
  const busy = bench.acquire();
  bench.transport.accept();
  const idle = bench.idle();
  bench.pool.onStale(idle);
  assert.equal(idle.isClosed, true);
  bench.pool.onStale(busy.channel!);
  assert.equal(busy.channel!.isClosed, false);
  busy.channel!.finish();
  assert.equal(busy.channel!.isClosed, true);
  assert.deepEqual([bench.pool.open, bench.pool.idle], [0, 0]);
  // It closed by the gateway's own hand: no age was learned.
  const next = bench.idle();
  bench.pass(3900);
  assert.equal(bench.acquire().channel, next);
});

test('an endpoint that is to be reached otherwise gets new connections, one that is not keeps its own', () => {
  const bench = new Bench();
  const kept = bench.idle();
  bench.pool.moveTo({ ...ADDRESS });
  assert.equal(kept.isClosed, false);
  const settings = { ca: 'other', cert: undefined, key: undefined, verify: true };
  const address = { ...ADDRESS, tls: { servername: 'a', settings } };
  bench.pool.moveTo(address);
  assert.equal(kept.isClosed, true);
  const before = bench.acquire();
  assert.equal(bench.transport.addresses.at(-1), address);
  // What was on its way then carries the request that waits for it, and nothing new.
  bench.pool.moveTo(ADDRESS);
  const late = bench.transport.accept();
  assert.equal(before.channel, late);
  late.finish();
  assert.equal(late.isClosed, true);
  assert.equal(bench.idle().isClosed, false);
});

test('time in which the gateway stood still is given again to those who wait', () => {
  const bench = new Bench({ maxConnections: 1 });
  bench.acquire();
  const busy = bench.transport.accept();
  const waiters = [bench.acquire(), bench.acquire()];
  // The loop is blocked; the poll behind it has brought the end of one exchange, and the wheel turns.
  bench.clock.advanceSync(1300);
  busy.finish();
  bench.wheel.advance(bench.clock.nowMs());
  assert.deepEqual(
    waiters.map(({ calls }) => calls),
    [1, 0],
  );
  bench.pass(260);
  assert.equal(waiters[1]?.calls, 0);
  bench.pass(60);
  assert.equal(waiters[1]?.error?.kind, 'overloaded');
});

test('where the gateway itself can open no connection, requests wait for those that are there', () => {
  const bench = new Bench();
  const lack = new GatewayError('overloaded', 'gateway', 'No descriptor.');
  const alone = bench.acquire();
  bench.transport.connects.shift()!.onConnectFailed(lack);
  assert.equal(alone.error, lack, 'nothing to wait for');

  const busy = bench.acquire();
  bench.transport.accept();
  const [second, third] = [bench.acquire(), bench.acquire()];
  for (const owner of bench.transport.connects.splice(0)) owner.onConnectFailed(lack);
  bench.pool.withdraw(bench.acquire());
  assert.equal(bench.transport.connects.length, 0, 'no connect follows on the heels of one that failed');
  busy.channel!.finish();
  assert.equal(second.channel, busy.channel);
  bench.pass(120);
  assert.equal(bench.transport.connects.length, 1, 'but a moment later');
  bench.transport.connects.shift()!.onConnectFailed(lack);
  for (let n = 0; n < 12; n++) {
    bench.pass(100);
    bench.transport.connects.shift()?.onConnectFailed(lack);
  }
  assert.equal(third.error, lack);
  assert.deepEqual([second.calls, third.calls], [1, 1]);
});
