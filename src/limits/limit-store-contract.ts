import assert from 'node:assert/strict';
import type { GroupDecision } from '../core/limit/decision.ts';
import { compileLimit } from '../core/limit/kind.ts';
import type { LimitSpec } from '../core/limit/spec.ts';
import {
  type LimitKey,
  type LimitStore,
  limitSet,
  MAX_GROUPS,
  type StoreLimit,
  type TakeGroup,
} from './limit-store.ts';

/** One thing that every `LimitStore` must do. `store` is available; what was charged to other keys does not matter. */
export interface ContractCase {
  readonly name: string;
  run(store: LimitStore): Promise<void>;
}

const LONG_US = 3_600_000_000;
let keysMade = 0;

function keyOf(limit: StoreLimit, partition = keysMade % 256): LimitKey {
  const hash = `contract-${++keysMade}`;
  const tag = partition.toString(16).padStart(2, '0');
  return { storeKey: `contract:1:{hg.${tag}}:${limit.name}:${limit.compiled.kind}:${hash}`, hash, partition };
}

function limitOf(name: string, spec: LimitSpec, shadow = false): StoreLimit {
  return { name, compiled: compileLimit(spec), shadow };
}

const window = (limit: number, shadow = false) =>
  limitOf('window', { kind: 'window', limit, windowUs: LONG_US }, shadow);
const rate = (burst: number) => limitOf('rate', { kind: 'rate', count: 1, periodUs: LONG_US, burst });
const quota = (limit: number) => limitOf('quota', { kind: 'quota', limit, period: 'month', timezone: 'UTC' });

function group(uses: readonly [StoreLimit, LimitKey, number?][], count = 1): TakeGroup {
  return {
    set: limitSet(uses.map(([limit]) => limit)),
    keys: uses.map(([, key]) => key),
    costs: uses.map(([, , cost]) => cost ?? 1),
    count,
  };
}

async function take(store: LimitStore, ...groups: TakeGroup[]): Promise<readonly GroupDecision[]> {
  return (await store.take({ groups, carried: undefined })).decisions;
}

const admitted = (decisions: readonly GroupDecision[]) => decisions.map((decision) => decision.admitted);

/**
 * The suite that memory, Redis and any store of a user's own pass: run each case against a store.
 *
 *   for (const { name, run } of limitStoreContract) test(name, () => run(store));
 */
export const limitStoreContract: readonly ContractCase[] = [
  {
    name: 'admits exactly the limit, over calls and inside one, for every kind',
    async run(store) {
      for (const limit of [window(100), rate(100), quota(100)]) {
        const key = keyOf(limit);
        const counts = [30, 60, 30, 5].map((count) => group([[limit, key]], count));
        assert.deepEqual(admitted(await take(store, counts[0]!)), [30]);
        assert.deepEqual(admitted(await take(store, counts[1]!, counts[2]!)), [60, 10]);
        const [last] = await take(store, counts[3]!);
        assert.equal(last!.admitted, 0);
        assert.equal(last!.remaining[0], 0);
        assert.ok(last!.waitUs[0]! > 0 && last!.waitUs[0]! <= 32 * 24 * LONG_US);
      }
    },
  },
  {
    name: 'takes several limits all or none, and charges a denied request nowhere',
    async run(store) {
      const [tight, wide, wider] = [window(3), rate(10), quota(10)];
      const keys = [keyOf(tight), keyOf(wide), keyOf(wider)] as const;
      const uses: [StoreLimit, LimitKey][] = [
        [wide, keys[1]],
        [tight, keys[0]],
        [wider, keys[2]],
      ];
      const [decision] = await take(store, group(uses, 8));
      assert.equal(decision!.admitted, 3);
      assert.deepEqual([...decision!.remaining], [7, 0, 7]);
      assert.deepEqual(
        decision!.waitUs.map((wait) => wait > 0),
        [false, true, false],
      );
    },
  },
  {
    name: 'knows costs: what does not fit is refused whole, what never fits has no wait',
    async run(store) {
      for (const limit of [window(20), rate(20), quota(20)]) {
        const key = keyOf(limit);
        const costs = [21, 7, 7, 7, 6].map((cost) => group([[limit, key, cost]]));
        const decisions = await take(store, ...costs);
        assert.deepEqual(admitted(decisions), [0, 1, 1, 0, 1]);
        assert.equal(decisions[0]!.waitUs[0], -1);
        assert.deepEqual(
          decisions.map((decision) => decision.remaining[0]),
          [20, 13, 6, 6, 0],
        );
      }
    },
  },
  {
    name: 'a shadow limit refuses nobody and is charged for what it would have let through',
    async run(store) {
      const [shadow, wide] = [window(2, true), window(10)];
      const [decision] = await take(
        store,
        group(
          [
            [shadow, keyOf(shadow)],
            [wide, keyOf(wide)],
          ],
          6,
        ),
      );
      assert.equal(decision!.admitted, 6);
      assert.deepEqual([...decision!.charged], [2, 6]);
    },
  },
  {
    name: 'keeps what was spent when the value of a limit changes',
    async run(store) {
      for (const [before, after, left] of [
        [window(100), window(50), 20],
        [rate(100), rate(50), 20],
        [quota(100), quota(50), 20],
      ] as const) {
        const key = keyOf(before);
        assert.deepEqual(admitted(await take(store, group([[before, key]], 30))), [30]);
        assert.deepEqual(admitted(await take(store, group([[after, key]], 40))), [left]);
      }
    },
  },
  {
    name: 'applies what a call carries first: what was spent without the store is charged',
    async run(store) {
      const limit = window(10);
      const key = keyOf(limit);
      const settlement = { limit, key, id: 'instance.1', spent: 7, reserved: 0, final: true };
      const known = { ...settlement, id: 'instance.2', spent: 2, reserved: 2 };
      const carried = {
        settlements: [settlement, known],
        returns: [{ limit, key, id: 'instance.3' }],
        renewals: [{ limit, key, id: 'instance.4', forUs: 50_000 }],
      };
      const { decisions } = await store.take({ groups: [group([[limit, key]], 5)], carried });
      assert.deepEqual(admitted(decisions), [3]);
    },
  },
  {
    name: 'carries many groups in a call, over partitions, decided in order',
    async run(store) {
      const limit = window(MAX_GROUPS - 6);
      const shared = keyOf(limit);
      const groups = Array.from({ length: MAX_GROUPS }, () =>
        group([
          [limit, shared],
          [limit, keyOf(limit)],
        ]),
      );
      const decisions = await take(store, ...groups);
      assert.deepEqual(
        admitted(decisions),
        groups.map((_, at) => (at < MAX_GROUPS - 6 ? 1 : 0)),
      );
    },
  },
  {
    name: 'tells its time, which does not run back, with every decision',
    async run(store) {
      const limit = window(10);
      const key = keyOf(limit);
      let lastUs = 0;
      for (let call = 0; call < 5; call++) {
        const { atUs, decisions } = await store.take({ groups: [group([[limit, key]])], carried: undefined });
        assert.ok(Number.isInteger(atUs) && atUs >= lastUs && decisions[0]!.atUs === atUs);
        assert.ok(Math.abs(store.nowUs() - atUs) < 60_000_000);
        lastUs = atUs;
      }
      assert.ok(store.fleetSize >= 1);
    },
  },
];
