import { seededRandom } from '../../src/core/random.ts';

/** Choices of one fuzz input: the same seed makes the same choices. */
export class Rng {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seededRandom(seed);
  }

  /** An integer in [0, end). */
  below(end: number): number {
    return Math.floor(this.#next() * end);
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  /** Mostly one of `usual`, now and then one of `odd`. */
  mostly<T>(usual: readonly T[], odd: readonly T[], oddness = 0.12): T {
    return this.pick(this.chance(oddness) ? odd : usual);
  }
}
