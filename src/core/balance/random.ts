import type { Random } from '../random.ts';
import type { Candidate, Picker } from './picker.ts';
import { drawUntried, WeightedDraw } from './weighted-draw.ts';

/** Weighted random: blind to load, without a state that gateways could have in common. A pick is O(1). */
export class RandomPicker<C extends Candidate> implements Picker<C> {
  readonly #candidates: readonly C[];
  readonly #draw: WeightedDraw;
  readonly #random: Random;

  constructor(candidates: readonly C[], random: Random) {
    this.#candidates = candidates;
    this.#draw = new WeightedDraw(candidates, random);
    this.#random = random;
  }

  pick(tried: readonly C[] | undefined): C | undefined {
    if (tried !== undefined && tried.length > 0) {
      const untried = drawUntried(this.#candidates, tried, undefined, this.#random);
      if (untried !== undefined) return untried;
    }
    return this.#candidates[this.#draw.index()];
  }
}
