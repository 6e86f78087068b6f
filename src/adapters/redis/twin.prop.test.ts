import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { startRedis, type TestRedis } from '../../../test/kit/redis.ts';
import { decideGroup, GroupDecision } from '../../core/limit/decision.ts';
import { charge, compileLimit, emptyAt, freshState, heal, type LimitState } from '../../core/limit/kind.ts';
import { excess } from '../../core/limit/reservation.ts';
import type { LimitSpec } from '../../core/limit/spec.ts';
import type { WindowState } from '../../core/limit/window.ts';
import { type LimitKey, limitSet, type StoreLimit, type TakeCall } from '../../limits/limit-store.ts';
import { SystemClock } from '../observe/system-clock.ts';
import { RedisClient } from './redis-client.ts';
import { takeScriptInVirtualTime } from './script.ts';
import { decodeReply, encodeCall, isStale, SentinelIds } from './take-codec.ts';

/**
 * The script on a real Redis and the pure kinds in this process decide the same random calls: every number must agree.
 * Time is virtual and steps forth and back; keys and sentinels are lost; limits change their value.
 */
const START_US = 1_732_454_399_000_003;
const PREFIX = 'twin';
const RUNS = 120;

interface KeyOfLimit {
  readonly values: readonly StoreLimit[];
  readonly key: LimitKey;
}

function keyOfLimit(name: string, partition: number, ...specs: LimitSpec[]): KeyOfLimit {
  const tag = partition.toString(16).padStart(2, '0');
  const kind = specs[0]!.kind;
  return {
    values: specs.map((spec, at) => ({ name, compiled: compileLimit(spec), shadow: at % 2 === 1 })),
    key: { storeKey: `${PREFIX}:1:{hg.${tag}}:${name}:${kind}:key`, hash: 'key', partition },
  };
}

const second = 1_000_000;
const rate = (count: number, burst: number, periodUs = second): LimitSpec => ({ kind: 'rate', count, periodUs, burst });
const window = (limit: number, windowUs: number): LimitSpec => ({ kind: 'window', limit, windowUs });
const quota = (limit: number, period: 'minute' | 'hour'): LimitSpec => ({
  kind: 'quota',
  limit,
  period,
  timezone: 'UTC',
});

const KEYS: readonly KeyOfLimit[] = [
  keyOfLimit('slow', 0, rate(3, 5), rate(3, 5), rate(2, 3), rate(7, 2_000_000_000, 2 * second)),
  keyOfLimit('fast', 0, rate(300_000, 20), rate(300_000, 9), rate(777_777, 20)),
  keyOfLimit('small', 1, window(5, second), window(5, second), window(3, second), window(8, 2 * second)),
  keyOfLimit('large', 1, window(200, second), window(200, second), window(150, second), window(60, second)),
  keyOfLimit('long', 2, window(130, 300 * second), window(130, 300 * second), window(40, 300 * second)),
  keyOfLimit('minutely', 2, quota(6, 'minute'), quota(6, 'minute'), quota(4, 'minute')),
  keyOfLimit('hourly', 0, quota(40, 'hour'), quota(40, 'hour')),
];

/** Partitions and keys as the script keeps them, over the pure kinds. */
class Twin {
  private readonly states = new Map<string, LimitState>();
  private readonly sentinels = new Map<number, { id: string; created: number; lost: number }>();

  lose(partition: number | undefined): void {
    if (partition === undefined) {
      this.states.clear();
      this.sentinels.clear();
    } else this.sentinels.delete(partition);
  }

  take(call: TakeCall, nowUs: number, seenUs: number, newId: string, seenIds: SentinelIds): GroupDecision[] {
    const touched = new Map<string, LimitState>();
    const lost = new Map<number, number>();
    const uses = call.groups.flatMap((group) => group.keys);
    for (const { partition } of [...call.carried!.settlements.map((one) => one.key), ...uses]) {
      if (!lost.has(partition)) lost.set(partition, this.sentinel(partition, nowUs, newId, seenIds.get(partition)));
    }
    const stateOf = (limit: StoreLimit, key: LimitKey): LimitState => {
      let state = touched.get(key.storeKey);
      if (state !== undefined) return state;
      const known = this.states.get(key.storeKey);
      state = known === undefined ? freshState(limit.compiled.kind) : copy(known);
      touched.set(key.storeKey, state);
      if (known !== undefined) {
        if (heal(limit.compiled, state, nowUs, nowUs < seenUs)) this.states.set(key.storeKey, state);
      } else if (lost.get(key.partition)! > 0) emptyAt(limit.compiled, state, lost.get(key.partition)!, nowUs);
      return state;
    };
    for (const { limit, key, spent, reserved } of call.carried!.settlements) {
      const units = excess(spent, reserved);
      if (units === 0) continue;
      charge(limit.compiled, stateOf(limit, key), units, nowUs);
      this.states.set(key.storeKey, stateOf(limit, key));
    }
    return call.groups.map(({ set, keys, costs, count }) => {
      const out = new GroupDecision();
      const states = set.limits.map((limit, at) => stateOf(limit, keys[at]!));
      decideGroup(set.compiled, set.shadows, states, costs, count, nowUs, out);
      keys.forEach((key, at) => {
        if (out.charged[at]! > 0) this.states.set(key.storeKey, states[at]!);
      });
      return out;
    });
  }

  private sentinel(partition: number, nowUs: number, newId: string, seen: string): number {
    const known = this.sentinels.get(partition);
    if (known === undefined) {
      this.sentinels.set(partition, { id: newId, created: nowUs, lost: seen === '' ? 0 : nowUs });
    } else if (seen !== '' && seen !== known.id && known.lost === 0) known.lost = known.created;
    return Math.min(this.sentinels.get(partition)!.lost, nowUs);
  }
}

function copy(state: LimitState): LimitState {
  return 'entries' in state
    ? { ...(state as WindowState), entries: [...(state as WindowState).entries] }
    : { ...state };
}

const place = fc.nat(KEYS.length - 1);
const use = fc.record({ place, value: fc.nat(3), cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 9 })) });
const step = fc.record({
  gapUs: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 1, max: 10 }).map((tenths) => (tenths * second) / 10),
    fc.nat(9),
    fc.nat(40_000),
    fc.nat(2 * second),
    fc.nat(70 * second),
    fc.integer({ min: -3 * second, max: -1 }),
    fc.integer({ min: -80 * second, max: -1 }),
  ),
  /** How far the caller's idea of the time is off. */
  skewUs: fc.integer({ min: -50 * second, max: 50 * second }),
  loses: fc.constantFrom('nothing', 'nothing', 'nothing', 'nothing', 'nothing', 'nothing', 'all', 'sentinel'),
  /** Which of two gateways calls. */
  caller: fc.nat(1),
  groups: fc.array(
    fc.record({
      count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 60 })),
      uses: fc.uniqueArray(use, { minLength: 1, maxLength: 4, selector: (one) => one.place }),
    }),
    { maxLength: 4 },
  ),
  settlements: fc.array(fc.record({ place, spent: fc.nat(4), reserved: fc.nat(3) }), { maxLength: 1 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function callOf({ groups, settlements }: Step): TakeCall {
  const limitAt = (at: number, value: number) => KEYS[at]!.values[value % KEYS[at]!.values.length]!;
  return {
    groups: groups.map(({ count, uses }) => ({
      set: limitSet(uses.map((one) => limitAt(one.place, one.value))),
      keys: uses.map((one) => KEYS[one.place]!.key),
      costs: uses.map((one) => one.cost),
      count,
    })),
    carried: {
      settlements: settlements.map(({ place, spent, reserved }) => ({
        limit: limitAt(place, 0),
        key: KEYS[place]!.key,
        id: 'gateway.1',
        spent,
        reserved,
        final: true,
      })),
      returns: [],
      renewals: [],
    },
  };
}

let redis: TestRedis;
let client: RedisClient;
const script = takeScriptInVirtualTime();

function send(name: string, args: readonly string[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    client.send(name, args, (error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

before(async () => {
  redis = await startRedis();
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  await new Promise<void>((resolve) => {
    const events = { connected: resolve, disconnected() {}, sent() {} };
    client = new RedisClient(redis.url, events, new SystemClock(), () => 0.5, log);
    client.start();
  });
  await send('SCRIPT', ['LOAD', script.text]);
});

after(async () => {
  client.stop();
  await redis.stop();
});

async function run(steps: readonly Step[]): Promise<void> {
  await send('FLUSHALL', []);
  const twin = new Twin();
  const callers = [0, 1].map(() => ({ script: new SentinelIds(), twin: new SentinelIds(), seenUs: 0 }));
  let nowUs = START_US;
  for (const [at, one] of steps.entries()) {
    nowUs += one.gapUs;
    if (one.loses === 'all') {
      await send('FLUSHALL', []);
      twin.lose(undefined);
    } else if (one.loses === 'sentinel') {
      await send('DEL', [`${PREFIX}:1:{hg.01}:sentinel`]);
      twin.lose(1);
    }
    const caller = callers[one.caller]!;
    const call = callOf(one);
    const context = { prefix: PREFIX, seenUs: caller.seenUs, nowUs: nowUs + one.skewUs, sentinelId: `id.${at}` };
    const { args, partitions } = encodeCall(call, { ...context, sentinels: caller.script });
    const raw = await send('EVALSHA', [script.sha, ...args, String(nowUs)]);
    // The edges of a minute's quota reach a minute each way.
    assert.equal(isStale(raw), false);
    const expected = twin.take(call, nowUs, caller.seenUs, `id.${at}`, caller.twin);
    const reply = decodeReply(raw, call, partitions, caller.script);
    for (const partition of partitions) caller.twin.saw(partition, caller.script.get(partition));
    caller.seenUs = Math.max(caller.seenUs, nowUs);
    assert.deepEqual(reply.decisions, expected, `step ${at}`);
  }
}

test('take.lua decides as its twin does', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }), run), {
    numRuns: RUNS,
  });
});
