import type { Random } from '../random.ts';
import type { Candidate, Picker } from './picker.ts';
import { drawUntried, WeightedDraw } from './weighted-draw.ts';

/** Draws that may hit the first choice again before the second is taken uniformly: one candidate has most of the weight. */
const MAX_REDRAWS = 8;

/**
 * Power of two choices (Mitzenmacher, 2001): of two different candidates the less loaded. Both are drawn by weight,
 * without replacement, as with replacement two candidates would meet themselves half of the time.
 *
 * With weights, the first is kept unless the second, *with* this request, would be no busier for its weight than the first
 * is *without* it: `(second.inFlight + 1) / second.weight <= first.inFlight / first.weight`. For equal weights that is
 * the plain rule "fewer in flight wins, the draw decides a tie". Comparing `inFlight / weight` alone would send a heavy
 * candidate's share to any light one that happens to be idle, and comparing `(inFlight + 1) / weight` would send nothing
 * to a light one on a quiet upstream. Under this rule a quiet upstream is shared exactly by weight, as only the first draw
 * counts, and on a busy one the requests in flight even out by weight.
 *
 * Whoever picks raises `inFlight` at once, connecting included: an endpoint that accepts no connection so looks busy,
 * not idle. A pick is O(1), a retry O(n).
 */
export class LeastRequestPicker<C extends Candidate> implements Picker<C> {
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
      const untried = this.#pickUntried(tried);
      if (untried !== undefined) return untried;
    }
    if (this.#candidates.length < 2) return this.#candidates[0];
    const first = this.#draw.index();
    return lessLoaded(this.#candidates[first]!, this.#candidates[this.#second(first)]!);
  }

  #second(first: number): number {
    const count = this.#candidates.length;
    if (count === 2) return 1 - first;
    for (let draws = 0; draws < MAX_REDRAWS; draws++) {
      const second = this.#draw.index();
      if (second !== first) return second;
    }
    return (first + 1 + Math.floor(this.#random() * (count - 1))) % count;
  }

  #pickUntried(tried: readonly C[]): C | undefined {
    const first = drawUntried(this.#candidates, tried, undefined, this.#random);
    if (first === undefined) return undefined;
    const second = drawUntried(this.#candidates, tried, first, this.#random);
    return second === undefined ? first : lessLoaded(first, second);
  }
}

/** `first`, which the draw prefers, or `second` where that is clearly less loaded. */
function lessLoaded<C extends Candidate>(first: C, second: C): C {
  return (second.inFlight + 1) * first.weight <= first.inFlight * second.weight ? second : first;
}
