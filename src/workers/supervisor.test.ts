import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StartError } from '../gateway/errors.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { respawnDelayMs, Supervisor } from './supervisor.ts';
import type { WorkerProcess, WorkerProcessEvents } from './worker-process.ts';

/** A worker that does what the test says. */
interface Scripted {
  readonly number: number;
  readonly startedMs: number;
  isReady: boolean;
  /** It answers when it is asked for a sign of life. */
  answers: boolean;
  readonly events: WorkerProcessEvents;
}

function setUp(count: number) {
  const clock = new FakeClock();
  const spawned: Scripted[] = [];
  const seen: string[] = [];
  const note = (what: string) => (worker: WorkerProcess) => void seen.push(`${what} ${worker.number}`);
  const log: string[] = [];
  const write = (message: string): void => void log.push(message);
  const supervisor = new Supervisor({
    count,
    clock,
    log: { debug: write, info: write, warn: write, error: write },
    spawn: (number, events) => {
      let inVain = 0;
      const worker = {
        number,
        startedMs: clock.nowMs(),
        isReady: false,
        answers: true,
        events,
        poke: () => (worker.answers ? 0 : inVain++),
        kill: () => seen.push(`kill ${number}`),
      };
      spawned.push(worker);
      return worker as unknown as WorkerProcess;
    },
    free: note('free'),
    left: note('left'),
    replaced: () => void seen.push('replaced'),
    gone: note('gone'),
  });
  const ready = (worker: Scripted): void => {
    worker.isReady = true;
    worker.events.ready(worker as unknown as WorkerProcess);
  };
  const die = (worker: Scripted, how = 'SIGKILL'): void => {
    worker.isReady = false;
    worker.events.gone(worker as unknown as WorkerProcess, how, undefined);
  };
  return { clock, spawned, seen, log, supervisor, ready, die };
}

test('it has started when all are ready', async () => {
  const { spawned, seen, supervisor, ready } = setUp(2);
  let isStarted = false;
  const started = supervisor.start().then(() => {
    isStarted = true;
  });
  ready(spawned[0]!);
  await Promise.resolve();
  assert.deepEqual([isStarted, supervisor.readyCount], [false, 1]);
  ready(spawned[1]!);
  await started;
  assert.deepEqual(seen, ['free 1', 'free 2']);
});

test('one that cannot begin, or ends as it begins, ends the start', async () => {
  const one = setUp(2);
  const started = one.supervisor.start();
  one.spawned[0]!.events.failed(one.spawned[0] as unknown as WorkerProcess, 'no such certificate');
  await assert.rejects(started, (error) => error instanceof StartError && error.message === 'no such certificate');
  const two = setUp(1);
  const other = two.supervisor.start();
  two.die(two.spawned[0]!, 'exit code 9');
  await assert.rejects(other, /worker 1 ended as it began \(exit code 9\)/);
  assert.equal(two.spawned.length, 1, 'it is not tried again');
});

test('one that dies is replaced at once, and ever later while it dies young', async () => {
  const { clock, spawned, seen, supervisor, ready, die } = setUp(2);
  void supervisor.start();
  ready(spawned[0]!);
  ready(spawned[1]!);
  const delays: number[] = [];
  for (let death = 0; death < 10; death++) {
    const before = clock.nowMs();
    die(spawned.at(-1)!);
    while (spawned.length < death + 3) await clock.advance(clock.nextInMs ?? 0);
    delays.push(clock.nowMs() - before);
    ready(spawned.at(-1)!);
  }
  assert.deepEqual(delays, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  assert.deepEqual(new Set(spawned.slice(1).map(({ number }) => number)), new Set([2]));
  assert.equal(supervisor.restarts, 10);
  await clock.advance(10_000);
  const before = spawned.length;
  die(spawned.at(-1)!);
  assert.equal(spawned.length, before + 1, 'it had grown up');
  assert.ok(seen.includes('gone 2') && seen.includes('left 2'));
  assert.equal(respawnDelayMs(1000), 5000);
});

test('one that gives no sign of life for ten seconds is killed, one that begins after thirty', async () => {
  const { clock, spawned, seen, log, supervisor, ready, die } = setUp(2);
  void supervisor.start();
  ready(spawned[0]!);
  ready(spawned[1]!);
  seen.length = 0;
  spawned[0]!.answers = false;
  await clock.advance(10_000);
  assert.deepEqual(seen, []);
  await clock.advance(1000);
  assert.deepEqual([seen, log.filter((line) => line.includes('hangs')).length], [['kill 1'], 1]);
  die(spawned[0]!);
  spawned[2]!.answers = false;
  seen.length = 0;
  await clock.advance(30_000);
  assert.deepEqual(seen, []);
  await clock.advance(1000);
  assert.deepEqual(seen, ['kill 1']);
  die(spawned[2]!);
  await clock.advance(100);
  ready(spawned[3]!);
  assert.equal(seen.at(-1), 'replaced');
});

test('one that leaves is replaced before it is gone, and counts once', () => {
  const { spawned, supervisor, ready, die } = setUp(1);
  void supervisor.start();
  ready(spawned[0]!);
  spawned[0]!.isReady = false;
  spawned[0]!.events.leaving(spawned[0] as unknown as WorkerProcess);
  assert.deepEqual([spawned.length, supervisor.restarts, supervisor.workers.length], [2, 1, 2]);
  die(spawned[0]!, 'exit code 1');
  assert.deepEqual([spawned.length, supervisor.restarts, supervisor.workers.length], [2, 1, 1]);
});

test('at the end nobody is replaced, and who does not end is killed', async () => {
  const { clock, spawned, seen, supervisor, ready, die } = setUp(2);
  void supervisor.start();
  ready(spawned[0]!);
  ready(spawned[1]!);
  supervisor.stop();
  const gone = supervisor.allGone(1000);
  die(spawned[0]!, 'exit code 0');
  await clock.advance(1000);
  assert.deepEqual(seen.slice(-1), ['kill 2']);
  die(spawned[1]!);
  await gone;
  assert.equal(spawned.length, 2);
});
