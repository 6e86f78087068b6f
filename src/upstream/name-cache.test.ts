import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log, NameAnswer } from '../ports.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { NameCache, type NameWaiter } from './name-cache.ts';

class Asked {
  readonly name: string;
  readonly answer: (answer: Partial<NameAnswer>) => Promise<void>;
  readonly fail: (code: string) => Promise<void>;

  constructor(name: string, resolve: (answer: NameAnswer) => void, reject: (error: Error) => void) {
    this.name = name;
    this.answer = (answer) => {
      resolve({ ipv4: [], ipv6: [], ttlMs: 10_000, ...answer });
      return settled();
    };
    this.fail = (code) => {
      reject(Object.assign(new Error(code), { code }));
      return settled();
    };
  }
}

/** Lets promises run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

class Bench {
  readonly clock = new FakeClock();
  readonly queries: Asked[] = [];
  readonly events: string[] = [];
  readonly gone: string[] = [];
  readonly cache: NameCache;

  constructor(random = 0.5) {
    const said = (message: string, fields?: Record<string, unknown>): void => {
      this.events.push(`${message} ${JSON.stringify(fields)}`);
    };
    const log: Log = { debug: said, info: said, warn: said, error: said };
    const resolver = {
      resolve: (name: string): Promise<NameAnswer> =>
        new Promise((resolve, reject) => this.queries.push(new Asked(name, resolve, reject))),
    };
    this.cache = new NameCache({ resolver, clock: this.clock, random: () => random, log });
    this.cache.onGone = (name, addresses) => this.gone.push(`${name} ${addresses.join()}`);
  }

  get last(): Asked {
    return this.queries.at(-1)!;
  }

  /** What `find` says, at once or later. */
  find(name = 'a.test'): { said: string; waiter: NameWaiter } {
    const result = { said: '', waiter: undefined as unknown as NameWaiter };
    result.waiter = {
      onAddresses: (addresses) => {
        result.said += addresses.join();
      },
      onNoAddress: (why) => {
        result.said += `no: ${why}`;
      },
    };
    this.cache.find(name, result.waiter);
    return result;
  }
}

test('one query serves all who wait, and then nobody waits', async () => {
  const bench = new Bench();
  const waiting = [bench.find(), bench.find(), bench.find()];
  assert.equal(bench.queries.length, 1);
  bench.cache.withdraw('a.test', waiting[2]!.waiter);
  await bench.last.answer({ ipv4: ['10.0.0.1'], ipv6: ['::9'] });
  assert.deepEqual(
    waiting.map(({ said }) => said),
    ['::9,10.0.0.1', '::9,10.0.0.1', ''],
  );
  assert.equal(bench.find().said, '::9,10.0.0.1');
  assert.equal(bench.queries.length, 1);
});

test('names of the configuration are asked for at the start, and anew ahead of their end', async () => {
  const bench = new Bench();
  bench.cache.keep(['a.test', 'b.test']);
  assert.equal(bench.queries.length, 0);
  bench.cache.start();
  assert.deepEqual(
    bench.queries.map(({ name }) => name),
    ['a.test', 'b.test'],
  );
  await bench.queries[0]!.answer({ ipv4: ['10.0.0.1'], ttlMs: 10_000 });
  await bench.queries[1]!.answer({ ipv4: ['10.0.0.2'], ttlMs: 100_000 });
  await bench.clock.advance(8499);
  assert.equal(bench.queries.length, 2);
  await bench.clock.advance(1);
  assert.equal(bench.last.name, 'a.test');
  // While it is asked for the old answer holds.
  assert.equal(bench.find().said, '10.0.0.1');
});

test('a TTL is kept between a second and five minutes', async () => {
  for (const [ttlMs, dueMs] of [
    [0, 850],
    [3_600_000, 255_000],
  ] as const) {
    const bench = new Bench();
    bench.find();
    await bench.last.answer({ ipv4: ['10.0.0.1'], ttlMs });
    assert.equal(bench.clock.nextInMs, dueMs);
  }
});

test('the last good answer is held without end, and failures are asked for less and less often', async () => {
  const bench = new Bench(0);
  bench.find();
  await bench.last.answer({ ipv4: ['10.0.0.1'] });
  await bench.clock.advance(8000);
  const pauses: number[] = [];
  for (let round = 0; round < 8; round++) {
    await bench.last.fail('ESERVFAIL');
    pauses.push(bench.clock.nextInMs!);
    assert.equal(bench.find().said, '10.0.0.1');
    await bench.clock.advance(bench.clock.nextInMs!);
  }
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  await bench.last.answer({ ipv4: ['10.0.0.1'] });
  assert.deepEqual(bench.events, [
    'a name does not resolve {"name":"a.test","error":"ESERVFAIL","held":["10.0.0.1"]}',
    'a name resolves again {"name":"a.test","addresses":["10.0.0.1"]}',
  ]);
});

test('an answer without addresses is a failure', async () => {
  const bench = new Bench();
  bench.find();
  await bench.last.answer({ ipv4: ['10.0.0.1'] });
  await bench.clock.advance(9000);
  await bench.last.answer({});
  assert.equal(bench.find().said, '10.0.0.1');
  assert.match(bench.events[0]!, /does not resolve .*ENOTFOUND/);
});

test('a name that never resolved fails at once between the tries, which stay close', async () => {
  const bench = new Bench(0);
  const first = bench.find();
  await bench.last.fail('ENOTFOUND');
  assert.equal(first.said, 'no: ENOTFOUND');
  assert.equal(bench.find().said, 'no: ENOTFOUND');
  assert.equal(bench.queries.length, 1);
  for (const pauseMs of [1000, 2000, 4000, 5000, 5000]) {
    assert.equal(bench.clock.nextInMs, pauseMs);
    await bench.clock.advance(pauseMs);
    await bench.last.fail('ENOTFOUND');
  }
  await bench.clock.advance(5000);
  const waits = bench.find();
  await bench.last.answer({ ipv4: ['10.0.0.1'] });
  assert.equal(waits.said, '10.0.0.1');
});

test('addresses that are gone are told, and a family that could not be asked keeps its own', async () => {
  const bench = new Bench();
  bench.find();
  await bench.last.answer({ ipv4: ['10.0.0.1', '10.0.0.2'], ipv6: ['::9'] });
  await bench.clock.advance(9000);
  await bench.last.answer({ ipv4: ['10.0.0.2', '10.0.0.3'], ipv6: undefined });
  assert.equal(bench.find().said, '::9,10.0.0.2,10.0.0.3');
  assert.deepEqual(bench.gone, ['a.test 10.0.0.1']);
  await bench.clock.advance(9000);
  await bench.last.answer({ ipv4: undefined, ipv6: ['::9'] });
  assert.equal(bench.find().said, '::9,10.0.0.2,10.0.0.3');
  assert.deepEqual(bench.events, [
    'the addresses of a name changed {"name":"a.test","added":["10.0.0.3"],"gone":["10.0.0.1"]}',
  ]);
});

test('a suspect name is asked for at once, at most once a second', async () => {
  const bench = new Bench();
  bench.find();
  await bench.last.answer({ ipv4: ['10.0.0.1'], ttlMs: 100_000 });
  bench.cache.suspect('a.test');
  assert.equal(bench.queries.length, 1, 'it was asked for this very moment');
  await bench.clock.advance(1000);
  bench.cache.suspect('a.test');
  bench.cache.suspect('a.test');
  bench.cache.suspect('unknown.test');
  assert.equal(bench.queries.length, 2);
  await bench.last.answer({ ipv4: ['10.0.0.1'], ttlMs: 100_000 });
  assert.equal(bench.clock.pending, 1);
});

test('names that are no longer configured are forgotten, those that stay are not asked for again', async () => {
  const bench = new Bench();
  bench.cache.keep(['a.test', 'b.test']);
  bench.cache.start();
  const [a, b] = bench.queries as [Asked, Asked];
  await a.answer({ ipv4: ['10.0.0.1'] });
  const waits = bench.find('b.test');
  bench.cache.keep(['a.test', 'c.test']);
  assert.equal(waits.said, '', 'who waits is not cut off');
  assert.deepEqual(
    bench.queries.map(({ name }) => name),
    ['a.test', 'b.test', 'c.test'],
  );
  await b.answer({ ipv4: ['10.0.0.2'] });
  assert.equal(waits.said, '10.0.0.2');
  assert.equal(bench.find('a.test').said, '10.0.0.1');
  assert.equal(bench.clock.pending, 1, 'b.test is not asked for again');
  // Nor is it after a request of the older configuration asked for it once more.
  const late = bench.find('b.test');
  await bench.last.fail('ENOTFOUND');
  assert.deepEqual([late.said, bench.clock.pending], ['no: ENOTFOUND', 1]);
  const stopped = bench.find('b.test');
  bench.cache.stop();
  assert.equal(stopped.said, 'no: no longer configured');
  assert.equal(bench.clock.pending, 0);
});
