import type { Random } from '../random.ts';
import type { Candidate } from './picker.ts';

/**
 * Draws an index with probability weight ÷ sum of weights in O(1) and without allocation: Walker's alias table, built by
 * Vose's method (IEEE TSE 17(9), 1991). The uniform part of the draw chooses a column, the fraction within it decides
 * between the column's own index and its alias.
 */
export class WeightedDraw {
  readonly #keep: Float64Array;
  readonly #alias: Uint32Array;
  readonly #random: Random;

  constructor(candidates: readonly Candidate[], random: Random) {
    const count = candidates.length;
    this.#keep = new Float64Array(count).fill(1);
    this.#alias = new Uint32Array(count);
    this.#random = random;
    let sum = 0;
    for (const candidate of candidates) sum += candidate.weight;
    this.#fill(Float64Array.from(candidates, (candidate) => (candidate.weight * count) / sum));
  }

  /** An index of the candidates; meaningless where there are none. */
  index(): number {
    const at = this.#random() * this.#keep.length;
    const column = Math.floor(at);
    return at - column < this.#keep[column]! ? column : this.#alias[column]!;
  }

  /** `scaled`: each weight over the mean weight. Columns below 1 are topped up by those above. */
  #fill(scaled: Float64Array): void {
    const small: number[] = [];
    const large: number[] = [];
    scaled.forEach((value, index) => {
      (value < 1 ? small : large).push(index);
    });
    while (small.length > 0 && large.length > 0) {
      const low = small.pop()!;
      const high = large.pop()!;
      this.#keep[low] = scaled[low]!;
      this.#alias[low] = high;
      scaled[high] = scaled[high]! - (1 - scaled[low]!);
      (scaled[high]! < 1 ? small : large).push(high);
    }
    // What is left over is 1 but for rounding: its column stays whole.
  }
}

/**
 * A candidate outside `tried` (and not `except`), drawn by weight; undefined where all were tried. O(n): for the retry,
 * which is rare.
 */
export function drawUntried<C extends Candidate>(
  candidates: readonly C[],
  tried: readonly C[],
  except: C | undefined,
  random: Random,
): C | undefined {
  let sum = 0;
  for (const candidate of candidates) {
    if (candidate !== except && !tried.includes(candidate)) sum += candidate.weight;
  }
  let left = random() * sum;
  let last: C | undefined;
  for (const candidate of candidates) {
    if (candidate === except || tried.includes(candidate)) continue;
    last = candidate;
    left -= candidate.weight;
    if (left < 0) break;
  }
  return last;
}
