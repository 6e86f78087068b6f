import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { FakeClock } from '../testing/fake-clock.ts';
import type { Begin } from './messages.ts';
import { Spare } from './spare.ts';
import { WorkerProcess, type WorkerProcessEvents } from './worker-process.ts';

class FakeChild extends EventEmitter {
  connected = true;
  killed: unknown = undefined;
  pid: number | undefined;
  constructor(pid: number | undefined) {
    super();
    this.pid = pid;
  }
  kill(signal: unknown): void {
    this.killed = signal;
  }
}

function setUp(pidOf: (nth: number) => number | undefined = (nth) => nth) {
  const clock = new FakeClock();
  const started: FakeChild[] = [];
  const state = { rooms: 0 };
  const start = (): ChildProcess => {
    const child = new FakeChild(pidOf(started.length + 1));
    started.push(child);
    return child as unknown as ChildProcess;
  };
  const spare = new Spare(clock, () => state.rooms++, start);
  const take = (): FakeChild => spare.take() as unknown as FakeChild;
  return { clock, started, state, spare, take };
}

test('the one that waits is taken first; without it one is started', () => {
  const { started, spare, take } = setUp();
  assert.equal(take().pid, 1);
  spare.prepare();
  spare.prepare();
  assert.equal(started.length, 2);
  const taken = take();
  assert.deepEqual([taken.pid, taken.listenerCount('exit'), taken.listenerCount('error')], [2, 0, 0]);
  assert.equal(take().pid, 3);
});

test('one that is lost while it waits is not taken, and started again later', async () => {
  const { clock, started, spare, take } = setUp();
  spare.prepare();
  started[0]!.emit('exit', null, 'SIGKILL');
  assert.equal(started.length, 1);
  await clock.advance(5000);
  assert.equal(started.length, 2);
  started[1]!.connected = false;
  assert.equal(take().pid, 3);
  assert.equal(started[1]!.killed, 'SIGKILL');
});

test('behind the end none waits', async () => {
  const { clock, started, spare } = setUp();
  spare.prepare();
  spare.stop();
  assert.equal(started[0]!.killed, 'SIGKILL');
  started[0]!.emit('exit', null, 'SIGKILL');
  spare.prepare();
  await clock.advance(60_000);
  assert.equal(started.length, 1);
});

test('where a process cannot be started, room is made once', () => {
  const { started, state, take } = setUp((nth) => (nth === 1 ? undefined : nth));
  assert.equal(take().pid, 2);
  assert.equal(state.rooms, 1);
  started[0]!.emit('error', new Error('spawn EMFILE'));
});

test('a worker whose process could not be started is gone, and says why', () => {
  const child = new FakeChild(undefined);
  child.connected = false;
  const gone: string[] = [];
  const events = { gone: (_worker, how) => void gone.push(how) } as Partial<WorkerProcessEvents> as WorkerProcessEvents;
  const begin = { type: 'begin', number: 1 } as unknown as Begin;
  const deps = { clock: new FakeClock(), stdout: new PassThrough(), store: undefined };
  new WorkerProcess(child as unknown as ChildProcess, begin, events, deps);
  child.emit('error', new Error('spawn EMFILE'));
  assert.deepEqual(gone, ['spawn EMFILE']);
});
