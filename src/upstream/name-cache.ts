import type { Random } from '../core/random.ts';
import type { Cancel, ClockAndTimers, Log, NameAnswer, Resolver } from '../ports.ts';

export interface NameCacheDeps {
  readonly resolver: Resolver;
  readonly clock: ClockAndTimers;
  readonly random: Random;
  readonly log: Log;
}

/** Somebody who wants the addresses of a name. Exactly one of the two is called, perhaps at once, unless it was withdrawn. */
export interface NameWaiter {
  onAddresses(addresses: readonly string[]): void;
  /** There never was an answer. `why` is for people: `ENOTFOUND`, … */
  onNoAddress(why: string): void;
}

/** A TTL is believed within these bounds. */
const MIN_TTL_MS = 1000;
const MAX_TTL_MS = 300_000;
/** An answer is asked for anew when this share of its life is over, so that it never runs out while somebody waits. */
const REFRESH_AT = 0.8;
const REFRESH_SPREAD = 0.1;
/** After a failure: 1 s, 2 s, 4 s, …; a name without any answer keeps requests from being served, so it is asked for more often. */
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;
const LONGEST_RETRY_WITHOUT_ANSWER_MS = 5000;
/** A failed connect asks for the name anew, at most so often. */
const SUSPECT_EVERY_MS = 1000;

interface Entry {
  readonly name: string;
  ipv4: readonly string[];
  ipv6: readonly string[];
  /** IPv6 first; empty before the first answer. */
  addresses: readonly string[];
  readonly waiting: Set<NameWaiter>;
  asking: boolean;
  askedMs: number;
  failures: number;
  failure: string;
  timer: Cancel | undefined;
}

/**
 * The addresses of the endpoints' names: asked for in the background ahead of their end of life, so that a request waits
 * for a name service at most once in a name's life. One query at a time and name. The last good answer holds for as long
 * as there is no better one; an answer without addresses is a failure, not an answer.
 */
export class NameCache {
  /** Hears of addresses that a name no longer has. */
  onGone: (name: string, addresses: readonly string[]) => void = () => {};
  readonly #deps: NameCacheDeps;
  readonly #entries = new Map<string, Entry>();
  /** Undefined: whatever is asked for is kept. */
  #wanted: ReadonlySet<string> | undefined = undefined;
  #started = false;

  constructor(deps: NameCacheDeps) {
    this.#deps = deps;
  }

  /** The names of the configuration from now on. New ones are asked for, others are forgotten once nobody waits for them. */
  keep(names: Iterable<string>): void {
    const wanted = new Set(names);
    this.#wanted = wanted;
    for (const entry of this.#entries.values()) {
      if (!wanted.has(entry.name) && entry.waiting.size === 0) this.#forget(entry);
    }
    for (const name of wanted) this.#entryOf(name);
    if (this.#started) this.start();
  }

  /** Asks for every name that is not known yet. Nobody waits for it. */
  start(): void {
    this.#started = true;
    for (const entry of this.#entries.values()) if (isUntried(entry)) this.#ask(entry);
  }

  stop(): void {
    this.#started = false;
    this.#wanted = new Set();
    for (const entry of [...this.#entries.values()]) this.#forget(entry);
  }

  /** Tells the addresses of a name, at once where they are known. Where the last query failed and none ever succeeded, it fails at once. */
  find(name: string, waiter: NameWaiter): void {
    const entry = this.#entryOf(name);
    if (entry.addresses.length > 0) waiter.onAddresses(entry.addresses);
    else if (entry.failures > 0 && !entry.asking) waiter.onNoAddress(entry.failure);
    else {
      entry.waiting.add(waiter);
      this.#ask(entry);
    }
  }

  /** Whether the name has the address, or what it has is not known. */
  has(name: string, address: string): boolean {
    const addresses = this.#entries.get(name)?.addresses ?? [];
    return addresses.length === 0 || addresses.includes(address);
  }

  withdraw(name: string, waiter: NameWaiter): void {
    this.#entries.get(name)?.waiting.delete(waiter);
  }

  /** A connect to an address of the name failed: perhaps it moved. */
  suspect(name: string): void {
    const entry = this.#entries.get(name);
    if (entry !== undefined && this.#deps.clock.nowMs() - entry.askedMs >= SUSPECT_EVERY_MS) this.#ask(entry);
  }

  #entryOf(name: string): Entry {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      const nothing = { ipv4: [], ipv6: [], addresses: [], failures: 0, failure: '', timer: undefined };
      entry = { name, ...nothing, waiting: new Set(), asking: false, askedMs: Number.NEGATIVE_INFINITY };
      this.#entries.set(name, entry);
    }
    return entry;
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.name);
    entry.timer?.();
    for (const waiter of take(entry.waiting)) waiter.onNoAddress('no longer configured');
  }

  #ask(entry: Entry): void {
    if (entry.asking) return;
    entry.asking = true;
    entry.askedMs = this.#deps.clock.nowMs();
    entry.timer?.();
    entry.timer = undefined;
    this.#deps.resolver.resolve(entry.name).then(
      (answer) => this.#answered(entry, answer),
      (error: unknown) => this.#failed(entry, codeOf(error)),
    );
  }

  #answered(entry: Entry, answer: NameAnswer): void {
    if (this.#entries.get(entry.name) !== entry) return;
    const ipv4 = answer.ipv4 ?? entry.ipv4;
    const ipv6 = answer.ipv6 ?? entry.ipv6;
    if (ipv4.length + ipv6.length === 0) {
      this.#failed(entry, 'ENOTFOUND');
      return;
    }
    entry.asking = false;
    const before = entry.addresses;
    Object.assign(entry, { ipv4, ipv6, addresses: [...new Set([...ipv6, ...ipv4])] });
    this.#report(entry, before);
    entry.failures = 0;
    const ttlMs = Math.min(MAX_TTL_MS, Math.max(MIN_TTL_MS, answer.ttlMs));
    this.#askAfter(entry, ttlMs * (REFRESH_AT + REFRESH_SPREAD * this.#deps.random()));
    for (const waiter of take(entry.waiting)) waiter.onAddresses(entry.addresses);
  }

  #report(entry: Entry, before: readonly string[]): void {
    const { log } = this.#deps;
    const { name, addresses } = entry;
    if (entry.failures > 0) log.info('a name resolves again', { name, addresses });
    if (before.length === 0) return;
    const gone = before.filter((address) => !addresses.includes(address));
    const added = addresses.filter((address) => !before.includes(address));
    if (gone.length + added.length === 0) return;
    log.info('the addresses of a name changed', { name, added, gone });
    if (gone.length > 0) this.onGone(name, gone);
  }

  #failed(entry: Entry, why: string): void {
    if (this.#entries.get(entry.name) !== entry) return;
    entry.asking = false;
    entry.failure = why;
    const hasAnswer = entry.addresses.length > 0;
    if (entry.failures === 0) {
      const held = hasAnswer ? { held: entry.addresses } : {};
      this.#deps.log.warn('a name does not resolve', { name: entry.name, error: why, ...held });
    }
    const longestMs = hasAnswer ? LONGEST_RETRY_MS : LONGEST_RETRY_WITHOUT_ANSWER_MS;
    const delayMs = Math.min(longestMs, FIRST_RETRY_MS * 2 ** Math.min(entry.failures, 10));
    entry.failures++;
    // A quarter less at most: names that failed together are not asked for together.
    this.#askAfter(entry, delayMs * (1 - this.#deps.random() / 4));
    for (const waiter of take(entry.waiting)) waiter.onNoAddress(why);
  }

  /** A name that only a request of an older configuration asked for is not kept fresh. */
  #askAfter(entry: Entry, delayMs: number): void {
    if (this.#wanted?.has(entry.name) === false) this.#entries.delete(entry.name);
    else entry.timer = this.#deps.clock.after(delayMs, () => this.#ask(entry));
  }
}

function isUntried(entry: Entry): boolean {
  return entry.askedMs === Number.NEGATIVE_INFINITY;
}

function take(waiting: Set<NameWaiter>): NameWaiter[] {
  const all = [...waiting];
  waiting.clear();
  return all;
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message ?? String(error);
}
