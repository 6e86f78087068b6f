import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { type Accepted, HandOver, type Taker } from './hand-over.ts';

class Worker implements Taker {
  connections = 0;
  readonly taken: number[] = [];
  isOpen = true;

  hand({ listener }: Accepted): boolean {
    if (this.isOpen) this.taken.push(listener);
    return this.isOpen;
  }
}

const destroyed: number[] = [];
/** Numbered by its listener. */
function connection(number: number): Accepted {
  return { listener: number, socket: { destroy: () => void destroyed.push(number) } as unknown as Socket };
}

test('a worker is given one connection at a time; the one with fewest of those that are free', () => {
  const [handOver, one, two] = [new HandOver(), new Worker(), new Worker()];
  for (let number = 1; number <= 4; number++) handOver.offer(connection(number));
  handOver.add(one);
  handOver.add(two);
  assert.deepEqual([one.taken, two.taken, handOver.waitingCount], [[1], [2], 2]);
  handOver.add(one);
  assert.deepEqual([one.taken, two.taken], [[1, 3], [2]]);
  handOver.add(one);
  one.connections = 2;
  two.connections = 1;
  handOver.add(two);
  assert.deepEqual([one.taken, two.taken], [[1, 3, 4], [2]]);
  handOver.add(one);
  handOver.offer(connection(5));
  assert.deepEqual(two.taken, [2, 5], 'both are free, the other has fewer');
});

test('what was on its way to a worker that died comes first; one that is closing is passed over', async () => {
  const [handOver, one, two] = [new HandOver(), new Worker(), new Worker()];
  handOver.add(one);
  handOver.offer(connection(1));
  handOver.offer(connection(2));
  handOver.remove(one);
  handOver.offerAgain(connection(1));
  one.isOpen = false;
  handOver.add(one);
  let isEmpty = false;
  const empty = handOver.empty().then(() => {
    isEmpty = true;
  });
  handOver.add(two);
  assert.equal(isEmpty, false);
  handOver.add(two);
  await empty;
  assert.deepEqual([one.taken, two.taken], [[1], [1, 2]]);
});

test('with no worker there only so many wait, and none past the end', () => {
  const handOver = new HandOver();
  destroyed.length = 0;
  for (let number = 1; number <= 4097; number++) handOver.offer(connection(number));
  assert.deepEqual([handOver.waitingCount, destroyed], [4096, [4097]]);
  handOver.drop();
  assert.deepEqual([handOver.waitingCount, destroyed.length], [0, 4097]);
});

test('a long queue keeps its order', () => {
  const [handOver, worker] = [new HandOver(), new Worker()];
  for (let number = 0; number < 2000; number++) handOver.offer(connection(number));
  for (let turn = 0; turn < 2000; turn++) handOver.add(worker);
  assert.deepEqual(
    worker.taken,
    Array.from({ length: 2000 }, (_, number) => number),
  );
});
