import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileLimit } from '../../core/limit/kind.ts';
import type { LimitSpec } from '../../core/limit/spec.ts';
import { type LimitKey, limitSet, StoreFailure, type TakeGroup } from '../../limits/limit-store.ts';
import { limitStoreContract } from '../../limits/limit-store-contract.ts';
import { FakeClock } from '../../testing/fake-clock.ts';
import { MemoryStore } from '../memory/memory-store.ts';
import { IpcStore } from './ipc-store.ts';
import { StoreHost } from './store-host.ts';
import type { TakeMessage } from './take-messages.ts';

/** What a message becomes on its way to another process. */
const overThePipe = <T>(message: T): T => JSON.parse(JSON.stringify(message)) as T;

class Primary {
  readonly clock = new FakeClock();
  readonly store = new MemoryStore({ nowUs: () => this.clock.wallUs() });
  /** It lives and reads nothing. */
  hangs = false;
  private unread: (() => void)[] = [];
  gone = false;
  readonly messages: TakeMessage[] = [];
  readonly log: string[] = [];

  worker(workers = 2): IpcStore {
    const host = new StoreHost(this.store);
    const note = (message: string): void => void this.log.push(message);
    const store: IpcStore = new IpcStore({
      send: (message) => {
        if (this.gone) return false;
        const sent = overThePipe(message) as unknown as TakeMessage;
        this.messages.push(sent);
        const read = (): void => store.received(overThePipe(host.answer(sent)));
        if (this.hangs) this.unread.push(read);
        else queueMicrotask(read);
        return true;
      },
      clock: this.clock,
      random: () => 0.5,
      log: { debug: note, info: note, warn: note, error: note },
      secret: 's',
      workers,
    });
    return store;
  }

  wake(): void {
    this.hangs = false;
    for (const read of this.unread.splice(0)) read();
  }
}

const limitOf = (spec: LimitSpec) => ({ name: 'a', compiled: compileLimit(spec), shadow: false });
const tenAnHour: LimitSpec = { kind: 'window', limit: 10, windowUs: 3_600_000_000 };
const key: LimitKey = { storeKey: 'x:1:{hg.00}:a:window:one', hash: 'one', partition: 0 };
/** Each with a set of its own, as two configurations have them. */
const group = (count: number): TakeGroup => ({ set: limitSet([limitOf(tenAnHour)]), keys: [key], costs: [1], count });

async function admitted(store: IpcStore, ...groups: TakeGroup[]): Promise<number[]> {
  return (await store.take({ groups, carried: undefined })).decisions.map((decision) => decision.admitted);
}

/** A call that fails: what the failure says. */
function failing(store: IpcStore): Promise<string> {
  return store.take({ groups: [group(1)], carried: undefined }).then(
    () => assert.fail('it was decided'),
    (failure: unknown) => {
      assert.ok(failure instanceof StoreFailure);
      return `${failure.kind}: ${failure.detail}`;
    },
  );
}

for (const { name, run } of limitStoreContract) test(`ipc: ${name}`, () => run(new Primary().worker()));

test('ipc: workers spend one and the same limit, a message a call', async () => {
  const primary = new Primary();
  const [one, two] = [primary.worker(), primary.worker()];
  assert.deepEqual(await Promise.all([admitted(one, group(4), group(2)), admitted(two, group(7))]), [[4, 2], [4]]);
  assert.equal(primary.messages.length, 2);
  assert.deepEqual([one.sharers, one.fleetSize, one.secret], [2, 1, 's']);
});

test('ipc: a set of limits is told once, alike ones as one; past many the numbering begins anew', async () => {
  const primary = new Primary();
  const store = primary.worker();
  const toldIn = (at: number): number => primary.messages[at]![3].length;
  await admitted(store, group(1), group(1));
  await admitted(store, group(1));
  assert.deepEqual([toldIn(0), toldIn(1)], [1, 0]);
  for (let units = 11; units < 11 + 4100; units++) {
    const set = limitSet([limitOf({ ...tenAnHour, limit: units } as LimitSpec)]);
    await admitted(store, { set, keys: [key], costs: [1], count: 0 });
  }
  await admitted(store, group(1));
  assert.deepEqual([toldIn(primary.messages.length - 1), primary.messages.at(-1)![2]], [1, 0]);
  assert.equal(primary.messages.filter(([, , isAnew]) => isAnew === 1).length, 2);
});

test('ipc: what the host cannot decide fails, and the next is decided', async () => {
  const primary = new Primary();
  const store = primary.worker();
  const { take } = primary.store;
  primary.store.take = () => {
    throw new Error('broken');
  };
  assert.equal(await failing(store), 'error: broken');
  primary.store.take = take;
  assert.deepEqual(await admitted(store, group(1)), [1]);
});

test('ipc: a primary that hangs is given up within a second, left alone, and asked again when it answers', async () => {
  const primary = new Primary();
  const { clock } = primary;
  const store = primary.worker();
  primary.hangs = true;
  const failed = Promise.all([1, 2, 3, 4, 5].map(() => failing(store)));
  await clock.advance(999);
  assert.equal(store.available, true);
  await clock.advance(1);
  assert.deepEqual(await failed, new Array(5).fill('deadline: no reply in time'));
  assert.equal(store.available, false);
  assert.deepEqual(primary.log, ['the primary does not answer: limits go on by local share']);
  primary.wake();
  await clock.advance(400);
  assert.equal(store.available, true);
  assert.equal(primary.log.at(-1), 'the primary answers again');
  assert.deepEqual(await admitted(store, group(20)), [5], 'what it decided too late is charged');
});

test('ipc: with the primary gone nothing waits and nothing is asked', async () => {
  const primary = new Primary();
  const store = primary.worker();
  primary.hangs = true;
  const failed = failing(store);
  store.close();
  assert.equal(await failed, 'connection: the primary is gone');
  assert.equal(store.available, false);
  await primary.clock.advance(5000);
  assert.equal(primary.messages.length, 1);
  const other = new Primary();
  const late = other.worker();
  other.gone = true;
  assert.equal(await failing(late), 'connection: the primary is gone');
});
