import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemClock } from './system-clock.ts';

test('wall time is whole microseconds, with the system clock and never behind itself', () => {
  const clock = new SystemClock();
  let last = 0;
  for (let count = 0; count < 10_000; count++) {
    const before = Date.now();
    const us = clock.wallUs();
    assert.ok(Number.isInteger(us));
    assert.ok(us / 1000 >= before - 3 && us / 1000 <= Date.now() + 3);
    assert.ok(us >= last - 3000);
    last = us;
  }
});

test('wall time reads the system clock now and then, and follows a step of it either way', ({ mock }) => {
  let [systemMs, monotonicMs] = [1_772_721_441_417, 12_345.678_9];
  const system = mock.method(Date, 'now', () => systemMs);
  mock.method(performance, 'now', () => monotonicMs);
  const pass = (ms: number) => {
    systemMs += ms;
    monotonicMs += ms;
  };
  const clock = new SystemClock();
  const startUs = clock.wallUs();
  assert.equal(startUs, 1_772_721_441_417_000);
  for (let count = 0; count < 1000; count++) {
    pass(1);
    assert.equal(clock.wallUs(), startUs + (count + 1) * 1000);
  }
  assert.ok(system.mock.callCount() <= 1 + 1000 / 50, String(system.mock.callCount()));
  for (const stepMs of [3_600_000, -7_200_000]) {
    systemMs += stepMs;
    pass(50);
    assert.equal(clock.wallUs(), systemMs * 1000);
  }
});

test('a cancelled timer never fires, and a second cancel does nothing', async () => {
  const clock = new SystemClock();
  let fired = false;
  const cancel = clock.after(0, () => {
    fired = true;
  });
  cancel();
  cancel();
  await laterTimer(clock);
  assert.equal(fired, false);
});

test('a delay beyond what Node can count does not fire at once', async () => {
  const clock = new SystemClock();
  let fired = false;
  const cancel = clock.after(1e12, () => {
    fired = true;
  });
  await laterTimer(clock);
  cancel();
  assert.equal(fired, false);
});

/** Resolves when a timer has fired that was due after every one of 0 or 1 ms. */
async function laterTimer(clock: SystemClock): Promise<void> {
  // Timers of the clock do not keep the process alive.
  const keepAlive = setInterval(() => {}, 1000);
  await new Promise<void>((resolve) => {
    clock.after(3, resolve);
  });
  clearInterval(keepAlive);
}
