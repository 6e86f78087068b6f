import { QuotaCalendar } from '../../core/limit/calendar.ts';
import { GroupDecision } from '../../core/limit/decision.ts';
import type { CompiledLimit } from '../../core/limit/kind.ts';
import {
  type Carried,
  type LimitKey,
  type LimitSet,
  limitSet,
  type StoreLimit,
  type TakeCall,
  type TakeGroup,
  type TakeReply,
} from '../../limits/limit-store.ts';

/** First element of the messages of the store. */
export const TAKE = 1;
export const TAKEN = 2;
export const REFUSED = 3;

/** Sets that are numbered before the numbering begins anew: reloads make new ones for ever. */
const MOST_SETS = 4096;

type LimitText = readonly [name: string, shadow: 0 | 1, ...compiled: (string | number)[]];
/** A set is told once, by its number, and then named by it. */
type NewSet = readonly [id: number, limits: readonly LimitText[]];
type SettlementText = readonly [
  set: number,
  storeKey: string,
  id: string,
  spent: number,
  reserved: number,
  final: 0 | 1,
];
type ReturnText = readonly [set: number, storeKey: string, id: string];
type RenewalText = readonly [set: number, storeKey: string, id: string, forUs: number];
type CarriedText = readonly [readonly SettlementText[], readonly ReturnText[], readonly RenewalText[]];

/** A call: the groups flat, each its set, its count, and key and cost for each limit of the set. */
export type TakeMessage = readonly [
  kind: typeof TAKE,
  call: number,
  isAnew: 0 | 1,
  sets: readonly NewSet[],
  groups: readonly (string | number)[],
  carried: CarriedText | null,
];
/** Decisions flat: admitted, then charged, remaining, moreUs and waitUs of each limit. */
export type TakenMessage = readonly [kind: typeof TAKEN, call: number, atUs: number, ...numbers: number[]];
export type RefusedMessage = readonly [kind: typeof REFUSED, call: number, why: string];

/** The worker's side: numbers the limit sets that it asks about, alike ones as one. */
export class TakeEncoder {
  private byText = new Map<string, number>();
  private bySet = new WeakMap<LimitSet, number>();
  private byLimit = new WeakMap<StoreLimit, number>();
  private isAnew: 0 | 1 = 1;

  encode(call: number, { groups, carried }: TakeCall): TakeMessage {
    if (this.byText.size > MOST_SETS) this.forget();
    const told: NewSet[] = [];
    const flat: (string | number)[] = [];
    for (const { set, keys, costs, count } of groups) {
      flat.push(this.numberOf(set, told), count);
      for (let at = 0; at < set.limits.length; at++) flat.push(keys[at]!.storeKey, costs[at]!);
    }
    const { isAnew } = this;
    const more = carried === undefined ? null : this.carried(carried, told);
    this.isAnew = 0;
    return [TAKE, call, isAnew, told, flat, more];
  }

  private forget(): void {
    this.byText = new Map();
    this.bySet = new WeakMap();
    this.byLimit = new WeakMap();
    this.isAnew = 1;
  }

  private numberOf(set: LimitSet, told: NewSet[]): number {
    let id = this.bySet.get(set);
    if (id === undefined) {
      id = this.numbered(set.limits, told);
      this.bySet.set(set, id);
    }
    return id;
  }

  private numberOfLimit(limit: StoreLimit, told: NewSet[]): number {
    let id = this.byLimit.get(limit);
    if (id === undefined) {
      id = this.numbered([limit], told);
      this.byLimit.set(limit, id);
    }
    return id;
  }

  private numbered(limits: readonly StoreLimit[], told: NewSet[]): number {
    const texts = limits.map(limitText);
    const text = JSON.stringify(texts);
    const known = this.byText.get(text);
    if (known !== undefined) return known;
    const id = this.byText.size;
    this.byText.set(text, id);
    told.push([id, texts]);
    return id;
  }

  private carried({ settlements, returns, renewals }: Carried, told: NewSet[]): CarriedText {
    return [
      settlements.map(({ limit, key, id, spent, reserved, final }) => [
        this.numberOfLimit(limit, told),
        key.storeKey,
        id,
        spent,
        reserved,
        final ? 1 : 0,
      ]),
      returns.map(({ limit, key, id }) => [this.numberOfLimit(limit, told), key.storeKey, id]),
      renewals.map(({ limit, key, id, forUs }) => [this.numberOfLimit(limit, told), key.storeKey, id, forUs]),
    ];
  }
}

/** The primary's side of one worker: knows the sets that it was told of. */
export class TakeDecoder {
  private readonly sets = new Map<number, LimitSet>();

  decode([, , isAnew, told, flat, carried]: TakeMessage): TakeCall {
    if (isAnew === 1) this.sets.clear();
    for (const [id, texts] of told) this.sets.set(id, limitSet(texts.map(limitOf)));
    const groups: TakeGroup[] = [];
    for (let at = 0; at < flat.length; ) {
      const set = this.set(flat[at++] as number);
      const count = flat[at++] as number;
      const keys: LimitKey[] = [];
      const costs: number[] = [];
      for (let limit = 0; limit < set.limits.length; limit++) {
        keys.push(keyOf(flat[at++] as string));
        costs.push(flat[at++] as number);
      }
      groups.push({ set, keys, costs, count });
    }
    return { groups, carried: carried === null ? undefined : this.carried(carried) };
  }

  private set(id: number): LimitSet {
    const set = this.sets.get(id);
    if (set === undefined) throw new Error(`a set of limits that was never told: ${id}`);
    return set;
  }

  private ofKey(id: number, storeKey: string): { limit: StoreLimit; key: LimitKey } {
    return { limit: this.set(id).limits[0]!, key: keyOf(storeKey) };
  }

  private carried([settlements, returns, renewals]: CarriedText): Carried {
    return {
      settlements: settlements.map(([set, storeKey, id, spent, reserved, final]) => {
        const amounts = { spent, reserved, final: final === 1 };
        return { ...this.ofKey(set, storeKey), id, ...amounts };
      }),
      returns: returns.map(([set, storeKey, id]) => ({ ...this.ofKey(set, storeKey), id })),
      renewals: renewals.map(([set, storeKey, id, forUs]) => ({ ...this.ofKey(set, storeKey), id, forUs })),
    };
  }
}

/** A store in memory needs no more of a key. */
function keyOf(storeKey: string): LimitKey {
  return { storeKey, hash: '', partition: 0 };
}

function limitText({ name, shadow, compiled }: StoreLimit): LimitText {
  return [name, shadow ? 1 : 0, ...compiledText(compiled)];
}

function compiledText(limit: CompiledLimit): (string | number)[] {
  switch (limit.kind) {
    case 'rate':
      return ['rate', limit.burst, limit.interval, limit.ticksPerUs, limit.tolerance];
    case 'window':
      return ['window', limit.limit, limit.windowUs, limit.grainUs];
    case 'quota':
      return ['quota', limit.limit, limit.calendar.period, limit.calendar.timezone];
  }
}

function limitOf([name, shadow, ...compiled]: LimitText): StoreLimit {
  return { name, shadow: shadow === 1, compiled: compiledOf(compiled) };
}

function compiledOf([kind, ...of]: readonly (string | number)[]): CompiledLimit {
  const [first, second, third, fourth] = of as number[];
  if (kind === 'rate') {
    return { kind, burst: first!, interval: second!, ticksPerUs: third!, tolerance: fourth! };
  }
  if (kind === 'window') return { kind, limit: first!, windowUs: second!, grainUs: third! };
  const [limit, period, timezone] = of as [number, QuotaCalendar['period'], string];
  return { kind: 'quota', limit, calendar: new QuotaCalendar(period, timezone) };
}

export function encodeReply(call: number, { atUs, decisions }: TakeReply): TakenMessage {
  const numbers: number[] = [];
  for (const { admitted, charged, remaining, moreUs, waitUs } of decisions) {
    numbers.push(admitted);
    for (let at = 0; at < remaining.length; at++) {
      numbers.push(charged[at]!, remaining[at]!, moreUs[at]!, waitUs[at]!);
    }
  }
  return [TAKEN, call, atUs, ...numbers];
}

export function decodeReply(message: TakenMessage, { groups }: TakeCall): TakeReply {
  const atUs = message[2];
  let from = 3;
  const decisions = groups.map(({ set }) => {
    const decision = new GroupDecision();
    decision.atUs = atUs;
    decision.admitted = message[from++]!;
    for (let at = 0; at < set.limits.length; at++) {
      decision.charged[at] = message[from++]!;
      decision.remaining[at] = message[from++]!;
      decision.moreUs[at] = message[from++]!;
      decision.waitUs[at] = message[from++]!;
    }
    return decision;
  });
  return { atUs, decisions };
}
