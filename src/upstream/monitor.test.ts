import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../core/random.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { Endpoint } from './endpoint.ts';
import { Monitor } from './monitor.ts';
import type { ProbeResult, Prober } from './prober.ts';
import type { HealthCheckModel } from './upstream-model.ts';

const check: HealthCheckModel = {
  type: 'tcp',
  path: '/',
  intervalMs: 5000,
  timeoutMs: 2000,
  fall: 3,
  rise: 2,
  status: [],
  port: undefined,
  host: undefined,
  headers: {},
};

function endpoint(port: number): Endpoint {
  const authority = `10.0.0.1:${port}`;
  const model = { name: authority, address: { kind: 'tcp', host: '10.0.0.1', port, authority }, weight: 1 } as const;
  return new Endpoint(authority, model, { inFlight: 0, finished: () => {}, state: () => {} });
}

/** Notes when it is asked, and answers after `takesMs`, by `answer`. */
class TimedProber implements Prober {
  readonly askedMs: number[] = [];
  takesMs = 0;
  running = 0;
  mostRunning = 0;
  answer: () => ProbeResult = () => ({ ok: true, detail: 'connected', durationMs: 0 });
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async probe(): Promise<ProbeResult> {
    this.askedMs.push(this.#clock.nowMs());
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    if (this.takesMs > 0) await new Promise<void>((resolve) => this.#clock.after(this.takesMs, resolve));
    this.running -= 1;
    return this.answer();
  }
}

function setUp(model: HealthCheckModel = check, seed = 1) {
  const clock = new FakeClock();
  const prober = new TimedProber(clock);
  const results: ProbeResult[] = [];
  const monitor = new Monitor(model, { clock, random: seededRandom(seed), prober }, (watched, result) => {
    results.push(result);
    watched.health.checked(result.ok, result.detail, model, clock.nowMs());
  });
  return { clock, prober, monitor, results };
}

const gaps = (times: readonly number[]): number[] => times.slice(1).map((time, index) => time - times[index]!);

describe('monitor', () => {
  it('checks first within a second, then at the interval ± 20 %, not in step', async () => {
    const { clock, prober, monitor } = setUp();
    const start = clock.nowMs();
    monitor.watch(endpoint(1));
    await clock.advance(200_000);
    assert.ok(prober.askedMs[0]! - start <= 1000);
    const all = gaps(prober.askedMs);
    assert.ok(all.length >= 33);
    for (const gap of all) assert.ok(gap >= 4000 && gap <= 6000, `${gap}`);
    assert.ok(Math.max(...all) - Math.min(...all) > 1000, 'spread');
    monitor.stop();
  });

  it('spreads the first checks of many', async () => {
    const { clock, prober, monitor } = setUp();
    for (let port = 0; port < 100; port++) monitor.watch(endpoint(port));
    await clock.advance(500);
    assert.ok(prober.askedMs.length > 30 && prober.askedMs.length < 70, `${prober.askedMs.length} in the first half`);
    monitor.stop();
  });

  it('checks a suspect one every second: detection takes the first failure and two fast ones', async () => {
    const { clock, prober, monitor } = setUp();
    const watched = endpoint(1);
    monitor.watch(watched);
    await clock.advance(1000);
    prober.answer = () => ({ ok: false, detail: 'refused', durationMs: 0 });
    await clock.advance(6000 + 2 * 1200);
    assert.equal(watched.health.state, 'down');
    const [, second] = gaps(prober.askedMs);
    assert.ok(second! <= 1200, `${second}`);
    monitor.stop();
  });

  it('an interval under a second is its own fast interval', async () => {
    const { clock, prober, monitor } = setUp({ ...check, intervalMs: 200 });
    prober.answer = () => ({ ok: false, detail: '', durationMs: 0 });
    monitor.watch(endpoint(1));
    await clock.advance(3000);
    for (const gap of gaps(prober.askedMs)) assert.ok(gap >= 160 && gap <= 240, `${gap}`);
    monitor.stop();
  });

  it('counts the interval from start to start and never makes two checks of one endpoint at once', async () => {
    const { clock, prober, monitor } = setUp({ ...check, intervalMs: 1000 });
    prober.takesMs = 500;
    monitor.watch(endpoint(1));
    await clock.advance(20_000);
    for (const gap of gaps(prober.askedMs)) assert.ok(gap >= 800 && gap <= 1200, `${gap}`);
    prober.takesMs = 2000;
    await clock.advance(20_000);
    assert.equal(prober.mostRunning, 1);
    monitor.stop();
  });

  it('hurries: at once, but not within a fast interval of the last check, nor beside one', async () => {
    const { clock, prober, monitor } = setUp();
    const watched = endpoint(1);
    monitor.watch(watched);
    await clock.advance(1000);
    assert.equal(prober.askedMs.length, 1);
    await clock.advance(1000);
    monitor.hurry(watched);
    monitor.hurry(watched);
    await clock.advance(0);
    assert.equal(prober.askedMs.length, 2);
    monitor.hurry(watched);
    await clock.advance(999);
    assert.equal(prober.askedMs.length, 2);
    await clock.advance(1);
    assert.equal(prober.askedMs.length, 3);
    prober.takesMs = 1500;
    await clock.advance(1000);
    monitor.hurry(watched);
    await clock.advance(0);
    monitor.hurry(watched);
    await clock.advance(1400);
    assert.equal(prober.askedMs.length, 4);
    assert.equal(prober.mostRunning, 1);
    monitor.stop();
  });

  it('hears no result of a check that ends after the watch', async () => {
    const { clock, prober, monitor, results } = setUp();
    prober.takesMs = 1000;
    const watched = endpoint(1);
    monitor.watch(watched);
    await clock.advance(1000);
    assert.equal(prober.running, 1);
    monitor.unwatch(watched);
    await clock.advance(60_000);
    assert.deepEqual([results.length, prober.askedMs.length, clock.pending], [0, 1, 0]);
  });

  it('goes on where a prober throws', async () => {
    const { clock, prober, monitor, results } = setUp();
    prober.answer = () => {
      throw new Error('bang');
    };
    monitor.watch(endpoint(1));
    await clock.advance(10_000);
    assert.ok(results.length >= 2);
    assert.deepEqual(results[0], { ok: false, detail: 'probe failed: Error: bang', durationMs: 0 });
    monitor.stop();
  });
});
