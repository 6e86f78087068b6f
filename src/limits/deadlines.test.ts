import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../testing/fake-clock.ts';
import { Deadlines } from './deadlines.ts';
import { PendingCall } from './pending-call.ts';

function setUp() {
  const clock = new FakeClock();
  /** What waits for the poll. */
  const polls: (() => void)[] = [];
  const deadlines = new Deadlines(20, clock, clock, (run) => polls.push(run));
  const verdicts: string[] = [];
  const start = (name: string): PendingCall => {
    const call = new PendingCall(clock.nowMs(), (failure) => verdicts.push(`${name} ${failure?.kind ?? 'ok'}`));
    deadlines.start(call);
    return call;
  };
  const poll = () => {
    for (const run of polls.splice(0)) run();
  };
  return { clock, deadlines, verdicts, start, poll };
}

test('a call without a reply is given up once its time is over, after one poll and not before', async () => {
  const { clock, verdicts, start, poll } = setUp();
  start('a');
  await clock.advance(19.9);
  poll();
  assert.deepEqual(verdicts, []);
  await clock.advance(0.2);
  assert.deepEqual(verdicts, []);
  poll();
  assert.deepEqual(verdicts, ['a deadline']);
});

test('a reply that the poll brings wins over a deadline that is over', async () => {
  const { clock, verdicts, start, poll } = setUp();
  const call = start('a');
  await clock.advance(500);
  call.settle(undefined, 'the reply lay in the socket');
  poll();
  await clock.advance(500);
  poll();
  assert.deepEqual(verdicts, ['a ok']);
});

test('what was sent after the timer fired has its own time, and one timer serves all', async () => {
  const { clock, verdicts, start, poll } = setUp();
  start('a');
  await clock.advance(10);
  const b = start('b');
  start('c');
  assert.equal(clock.pending, 1);
  await clock.advance(10);
  start('d');
  poll();
  assert.deepEqual(verdicts, ['a deadline']);
  b.settle(undefined, 'reply');
  await clock.advance(10);
  poll();
  assert.deepEqual(verdicts, ['a deadline', 'b ok', 'c deadline']);
  await clock.advance(10);
  poll();
  assert.deepEqual(verdicts.at(-1), 'd deadline');
  assert.equal(clock.pending, 0);
});

test('a stop ends them all without a verdict', async () => {
  const { clock, deadlines, verdicts, start, poll } = setUp();
  start('a');
  await clock.advance(20);
  deadlines.stop();
  poll();
  assert.deepEqual(verdicts, []);
  assert.equal(clock.pending, 0);
});
