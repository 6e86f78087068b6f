import { GroupDecision } from '../../core/limit/decision.ts';
import type { CompiledLimit } from '../../core/limit/kind.ts';
import type { Carried, LimitKey, StoreLimit, TakeCall, TakeReply } from '../../limits/limit-store.ts';

/** Version of the form that `take.lua` states in its header. */
const VERSION = '1';
const PARTITIONS = 256;

/** A call in the form of `take.lua`: arguments of EVALSHA after the hash. */
export interface EncodedCall {
  readonly args: string[];
  /** Partitions of the sentinels among the keys, in order. */
  readonly partitions: readonly number[];
}

/** What the store remembers between calls and each call carries. */
export interface CallContext {
  readonly prefix: string;
  /** Latest store time seen, microseconds. */
  readonly seenUs: number;
  /** The store's time as known here, for the edges of quotas. */
  readonly nowUs: number;
  /** New to this call. */
  readonly sentinelId: string;
  readonly sentinels: SentinelIds;
}

/** The id last seen in each partition's sentinel, '' = none. */
export class SentinelIds {
  private readonly ids = new Array<string>(PARTITIONS).fill('');

  get(partition: number): string {
    return this.ids[partition]!;
  }

  saw(partition: number, id: string): void {
    this.ids[partition] = id;
  }
}

function sentinelKey(prefix: string, partition: number): string {
  return `${prefix}:1:{hg.${partition.toString(16).padStart(2, '0')}}:sentinel`;
}

/** Numbers the distinct partitions, keys and limits of a call, from 1. */
class Numbering {
  readonly partitions: number[] = [];
  readonly keys: string[] = [];
  readonly sentinelOf: string[] = [];
  readonly limits: CompiledLimit[] = [];
  private readonly partitionAt = new Map<number, number>();
  private readonly keyAt = new Map<string, string>();
  private readonly limitAt = new Map<CompiledLimit, string>();

  key({ storeKey, partition }: LimitKey): string {
    const known = this.keyAt.get(storeKey);
    if (known !== undefined) return known;
    let sentinel = this.partitionAt.get(partition);
    if (sentinel === undefined) {
      sentinel = this.partitions.push(partition);
      this.partitionAt.set(partition, sentinel);
    }
    this.sentinelOf.push(String(sentinel));
    const at = String(this.keys.push(storeKey));
    this.keyAt.set(storeKey, at);
    return at;
  }

  limit({ compiled }: StoreLimit): string {
    const known = this.limitAt.get(compiled);
    if (known !== undefined) return known;
    const at = String(this.limits.push(compiled));
    this.limitAt.set(compiled, at);
    return at;
  }
}

export function encodeCall(call: TakeCall, context: CallContext): EncodedCall {
  const numbering = new Numbering();
  const tail: string[] = [];
  pushCarried(tail, call.carried, numbering);
  pushGroups(tail, call, numbering);
  const { partitions, keys, sentinelOf, limits } = numbering;
  const args = [String(partitions.length + keys.length)];
  for (const partition of partitions) args.push(sentinelKey(context.prefix, partition));
  for (const key of keys) args.push(key);
  args.push(VERSION, String(context.seenUs), context.sentinelId, String(partitions.length));
  for (const partition of partitions) args.push(context.sentinels.get(partition));
  args.push(String(keys.length));
  for (const sentinel of sentinelOf) args.push(sentinel);
  args.push(String(limits.length));
  for (const limit of limits) pushLimit(args, limit, context.nowUs);
  for (const text of tail) args.push(text);
  return { args, partitions };
}

function pushLimit(args: string[], limit: CompiledLimit, nowUs: number): void {
  switch (limit.kind) {
    case 'rate':
      args.push('r', String(limit.burst), String(limit.interval), String(limit.ticksPerUs));
      return;
    case 'window':
      args.push('w', String(limit.limit), String(limit.windowUs), String(limit.grainUs));
      return;
    case 'quota':
      args.push('q', String(limit.limit));
      for (const edge of limit.calendar.edges(nowUs)) args.push(String(edge));
  }
}

function pushCarried(args: string[], carried: Carried | undefined, numbering: Numbering): void {
  if (carried === undefined) {
    args.push('0', '0', '0');
    return;
  }
  const { settlements, returns, renewals } = carried;
  args.push(String(settlements.length));
  for (const { key, limit, id, spent, reserved, final } of settlements) {
    args.push(numbering.key(key), numbering.limit(limit), id, String(spent), String(reserved), final ? '1' : '0');
  }
  args.push(String(returns.length));
  for (const { key, limit, id } of returns) args.push(numbering.key(key), numbering.limit(limit), id);
  args.push(String(renewals.length));
  for (const { key, limit, id, forUs } of renewals) {
    args.push(numbering.key(key), numbering.limit(limit), id, String(forUs));
  }
}

function pushGroups(args: string[], call: TakeCall, numbering: Numbering): void {
  args.push(String(call.groups.length));
  for (const { set, keys, costs, count } of call.groups) {
    const { limits } = set;
    args.push(String(count), String(limits.length));
    for (let at = 0; at < limits.length; at++) {
      const limit = limits[at]!;
      args.push(numbering.key(keys[at]!), numbering.limit(limit), String(costs[at]), limit.shadow ? '1' : '0');
    }
  }
}

/** The script's answer in numbers: the status, the store's time and, decided, the flat decisions. */
type RawReply = readonly [status: number, nowUs: number, ids: readonly string[], ...numbers: number[]];

/** The store's time in an answer. */
export function timeOf(raw: unknown): number {
  return (raw as RawReply)[1];
}

/** Whether the edges of a quota in the call did not hold at the store's time, so that nothing was done. */
export function isStale(raw: unknown): boolean {
  return (raw as RawReply)[0] === 1;
}

export function decodeReply(
  raw: unknown,
  call: TakeCall,
  partitions: readonly number[],
  sentinels: SentinelIds,
): TakeReply {
  const reply = raw as RawReply;
  const [, atUs, ids] = reply;
  for (let at = 0; at < partitions.length; at++) {
    if (ids[at] !== '') sentinels.saw(partitions[at]!, ids[at]!);
  }
  let from = 3;
  const decisions = call.groups.map(({ set }) => {
    const decision = new GroupDecision();
    decision.atUs = atUs;
    decision.admitted = reply[from++] as number;
    for (let at = 0; at < set.limits.length; at++) {
      decision.charged[at] = reply[from++] as number;
      decision.remaining[at] = reply[from++] as number;
      decision.moreUs[at] = reply[from++] as number;
      decision.waitUs[at] = reply[from++] as number;
    }
    return decision;
  });
  return { atUs, decisions };
}
