import { createHmac } from 'node:crypto';
import { clientOf } from '../core/ip.ts';
import { BoundedCache } from './bounded-cache.ts';
import type { KeyPart, LimitModel } from './limit-model.ts';
import type { LimitKey } from './limit-store.ts';
import type { LimitSubject } from './limit-subject.ts';

const KEYS_CACHED = 16_384;
/** Longer raw keys are hashed every time: a cache of what clients choose must not be a store of what they send. */
const LONGEST_CACHED = 256;
/** 96 bits. */
const HASH_BYTES = 12;

class HashedKey implements LimitKey {
  readonly storeKey: string;
  readonly hash: string;
  readonly partition: number;
  slot = 0;

  constructor(storeKey: string, hash: string, partition: number) {
    this.storeKey = storeKey;
    this.hash = hash;
    this.partition = partition;
  }
}

/** The keyed hash of limiter keys. Another secret makes other keys; `epoch` tells caches so. */
export class KeyHasher {
  epoch = 0;
  private secret: string;

  constructor(secret: string) {
    this.secret = secret;
  }

  /** Returns whether it was another secret than before. */
  rekey(secret: string): boolean {
    if (secret === this.secret) return false;
    this.secret = secret;
    this.epoch++;
    return true;
  }

  hash(text: string): Buffer {
    return createHmac('sha256', this.secret).update(text).digest();
  }
}

/** One part of a key, told apart from every other: both source and value carry their length. */
function tagged(source: string, value: string): string {
  return `${source.length}:${source}${value.length}:${value}`;
}

function sourceOf(part: KeyPart): string {
  return 'name' in part ? `${part.source}.${part.name}` : part.source;
}

/** `<prefix>:1:{hg.P}:<limit>:<kind>:<hash>`; P in two hexadecimal digits. `first` and `all` are tagged parts. */
function limitKey(hasher: KeyHasher, prefix: string, limit: LimitModel, first: string, all: string): LimitKey {
  const digest = hasher.hash(all);
  const partition = (first === all ? digest : hasher.hash(first))[0]!;
  const hash = digest.toString('base64url', 0, HASH_BYTES);
  const tag = partition.toString(16).padStart(2, '0');
  // Joined, not concatenated: a string of one piece takes half the memory as a key of a map.
  const storeKey = [prefix, '1', `{hg.${tag}}`, limit.name, limit.spec.kind, hash].join(':');
  return new HashedKey(storeKey, hash, partition);
}

/** Why a request has no key: the limit does not hold for it, or refuses it. */
export type NoKey = 'skip' | 'deny';

/**
 * The keys of one limit on one route. What the key's parts say of a request is put together as raw text; from that text
 * a bounded cache leads to the hashed key, so that the hash is not computed anew for every request.
 */
export class LimitKeys {
  private readonly limit: LimitModel;
  private readonly routeName: string;
  private readonly hasher: KeyHasher;
  private readonly prefix: string;
  /** Parts after those of the request: they separate routes (`scope: route`) and calendars (a quota's period). */
  private readonly suffix: string;
  private readonly cache = new BoundedCache<LimitKey>(KEYS_CACHED);
  private readonly cachedForMissing = new BoundedCache<LimitKey>(KEYS_CACHED);
  private epoch = 0;

  constructor(limit: LimitModel, routeName: string, hasher: KeyHasher, prefix: string) {
    this.limit = limit;
    this.routeName = routeName;
    this.hasher = hasher;
    this.prefix = prefix;
    const scope = limit.scope === 'route' ? tagged('scope', routeName) : '';
    const { spec } = limit;
    this.suffix = scope + (spec.kind === 'quota' ? tagged('period', `${spec.period} ${spec.timezone}`) : '');
  }

  resolve(subject: LimitSubject): LimitKey | NoKey {
    if (this.epoch !== this.hasher.epoch) {
      this.epoch = this.hasher.epoch;
      this.cache.clear();
      this.cachedForMissing.clear();
    }
    const parts = this.limit.key;
    if (parts.length === 1) return this.single(parts[0]!, subject);
    let raw = '';
    for (const part of parts) {
      const value = this.valueOf(part, subject);
      if (value === undefined && (this.limit.onMissingKey === 'skip' || this.limit.onMissingKey === 'deny')) {
        return this.limit.onMissingKey;
      }
      raw += value === undefined ? `${this.replacement(subject)},` : `${value.length}:${value}`;
    }
    return this.cached(this.cache, raw, subject);
  }

  private single(part: KeyPart, subject: LimitSubject): LimitKey | NoKey {
    const value = this.valueOf(part, subject);
    if (value !== undefined) return this.cached(this.cache, value, subject);
    const { onMissingKey } = this.limit;
    if (onMissingKey === 'skip' || onMissingKey === 'deny') return onMissingKey;
    return this.cached(this.cachedForMissing, this.replacement(subject), subject);
  }

  private replacement(subject: LimitSubject): string {
    return this.limit.onMissingKey === 'ip' ? subject.clientIp : 'shared';
  }

  private cached(cache: BoundedCache<LimitKey>, raw: string, subject: LimitSubject): LimitKey {
    const known = cache.get(raw);
    if (known !== undefined) return known;
    const key = this.make(subject);
    if (raw.length <= LONGEST_CACHED) cache.set(raw, key);
    return key;
  }

  private make(subject: LimitSubject): LimitKey {
    const parts = this.limit.key.map((part) => this.taggedPart(part, subject));
    const first = parts[0] ?? tagged('limit', this.limit.name);
    const all = parts.length === 0 ? first + this.suffix : parts.join('') + this.suffix;
    return limitKey(this.hasher, this.prefix, this.limit, first, all);
  }

  private taggedPart(part: KeyPart, subject: LimitSubject): string {
    const value = this.valueOf(part, subject);
    if (value === undefined) {
      return this.limit.onMissingKey === 'ip'
        ? tagged('client.ip', clientOf(subject.clientIp, this.limit.ipv6Prefix))
        : tagged('shared', sourceOf(part));
    }
    return tagged(sourceOf(part), part.source === 'client.ip' ? clientOf(value, this.limit.ipv6Prefix) : value);
  }

  /** The raw value of a part; empty counts as missing. */
  private valueOf(part: KeyPart, subject: LimitSubject): string | undefined {
    const value = keyValue(part, subject, this.routeName);
    return value === '' ? undefined : value;
  }
}

/** The value of one part of a key in a request; undefined where the request has none. */
export function keyValue(part: KeyPart, subject: LimitSubject, routeName: string): string | undefined {
  switch (part.source) {
    case 'client.ip':
      return subject.clientIp;
    case 'header':
      return subject.header(part.name);
    case 'cookie':
      return subject.cookie(part.name);
    case 'query':
      return subject.query(part.name);
    case 'path':
      return subject.pathParam(part.name);
    case 'route':
      return routeName;
    case 'method':
      return subject.method;
    case 'host':
      return subject.host;
  }
}

/** What a limit's key needs of a request, in words: `header x-api-key`. */
export function keyInWords(limit: LimitModel): string {
  return limit.key.map((part) => ('name' in part ? `${part.source} ${part.name}` : part.source)).join(' and ');
}
