import { BoundedCache } from './bounded-cache.ts';

/** What the store last said of a key. */
export interface Seen {
  /** Units left after that decision. */
  remaining: number;
  /** The store's time of it, microseconds. */
  atUs: number;
}

const KEYS_REMEMBERED = 32_768;

/**
 * What was last seen of each key in use, over all routes and reloads: the local share of an outage starts from there.
 * Bounded: keys long out of use are forgotten, and count as never seen.
 */
export class LastSeen {
  private readonly keys = new BoundedCache<Seen>(KEYS_REMEMBERED);

  saw(storeKey: string, remaining: number, atUs: number): void {
    const seen = this.keys.get(storeKey);
    if (seen === undefined) {
      this.keys.set(storeKey, { remaining, atUs });
      return;
    }
    seen.remaining = remaining;
    seen.atUs = atUs;
  }

  of(storeKey: string): Seen | undefined {
    return this.keys.get(storeKey);
  }

  get size(): number {
    return this.keys.size;
  }

  forget(): void {
    this.keys.clear();
  }
}
