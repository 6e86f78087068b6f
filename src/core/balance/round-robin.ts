import type { Random } from '../random.ts';
import type { Candidate, Picker } from './picker.ts';
import { drawUntried } from './weighted-draw.ts';

/** Steps of work (candidates × turns) up to which a whole cycle is laid out in advance: well under a millisecond. */
const MAX_CYCLE_WORK = 1 << 18;

/**
 * Smooth weighted round robin: each gets exactly its share, spread out as evenly as whole turns allow. The start is random,
 * so that the gateways of a fleet, restarted together, do not walk in step.
 *
 * A retry is drawn at random by weight among the untried and takes no turn: to go on to the next in the cycle would send
 * all the requests of a failing endpoint to its one successor.
 */
export function createRoundRobin<C extends Candidate>(candidates: readonly C[], random: Random): Picker<C> {
  const turns = turnsOf(candidates);
  const evenTurns = turns?.every((count) => count === 1);
  if (evenTurns) return new CyclePicker(candidates, candidates, random);
  const total = turns?.reduce((sum, count) => sum + count, 0) ?? Number.POSITIVE_INFINITY;
  if (turns !== undefined && total * candidates.length <= MAX_CYCLE_WORK) {
    return new CyclePicker(candidates, smoothCycle(candidates, turns, total), random);
  }
  return new ClassPicker(candidates, random);
}

/** Whole turns per cycle in lowest terms; undefined where a weight is no whole number. */
function turnsOf(candidates: readonly Candidate[]): number[] | undefined {
  let divisor = 0;
  for (const { weight } of candidates) {
    if (!Number.isSafeInteger(weight)) return undefined;
    divisor = greatestCommonDivisor(weight, divisor);
  }
  return candidates.map(({ weight }) => weight / divisor);
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/**
 * One cycle of nginx's smooth weighted round robin: in each turn everyone earns its weight, the richest (the first of
 * equals) is served and pays the sum of all. Weights 5, 1, 1 give a a b a c a a.
 */
function smoothCycle<C>(candidates: readonly C[], turns: readonly number[], total: number): C[] {
  const credit = new Float64Array(candidates.length);
  const cycle: C[] = [];
  for (let turn = 0; turn < total; turn++) {
    const best = richest(credit, turns);
    credit[best]! -= total;
    cycle.push(candidates[best]!);
  }
  return cycle;
}

/** Adds each one's earnings to its credit and returns the index with the most. */
function richest(credit: Float64Array, earnings: ArrayLike<number>): number {
  let best = 0;
  for (let index = 0; index < credit.length; index++) {
    credit[index]! += earnings[index]!;
    if (credit[index]! > credit[best]!) best = index;
  }
  return best;
}

/** Walks a cycle that was laid out in advance: O(1) a pick. */
class CyclePicker<C extends Candidate> implements Picker<C> {
  readonly #candidates: readonly C[];
  readonly #cycle: readonly C[];
  readonly #random: Random;
  #next: number;

  constructor(candidates: readonly C[], cycle: readonly C[], random: Random) {
    this.#candidates = candidates;
    this.#cycle = cycle;
    this.#random = random;
    this.#next = Math.floor(random() * cycle.length);
  }

  pick(tried: readonly C[] | undefined): C | undefined {
    if (tried !== undefined && tried.length > 0) {
      const untried = drawUntried(this.#candidates, tried, undefined, this.#random);
      if (untried !== undefined) return untried;
    }
    const picked = this.#cycle[this.#next];
    this.#next = this.#next + 1 < this.#cycle.length ? this.#next + 1 : 0;
    return picked;
  }
}

function classesOf<C extends Candidate>(candidates: readonly C[]): C[][] {
  const classes = new Map<number, C[]>();
  for (const candidate of candidates) {
    const members = classes.get(candidate.weight);
    if (members === undefined) classes.set(candidate.weight, [candidate]);
    else members.push(candidate);
  }
  return [...classes.values()];
}

/**
 * For cycles too long to lay out (many candidates, odd or fractional weights): the same smooth turns among the classes of
 * equal weight, plain turns within a class. Shares are exact; a pick is O(different weights), of which there are few.
 */
class ClassPicker<C extends Candidate> implements Picker<C> {
  readonly #candidates: readonly C[];
  readonly #classes: readonly (readonly C[])[];
  readonly #weights: Float64Array;
  readonly #credit: Float64Array;
  readonly #next: Uint32Array;
  readonly #total: number;
  readonly #random: Random;

  constructor(candidates: readonly C[], random: Random) {
    this.#candidates = candidates;
    this.#random = random;
    this.#classes = classesOf(candidates);
    this.#weights = Float64Array.from(this.#classes, (members) => members.length * members[0]!.weight);
    this.#total = this.#weights.reduce((sum, weight) => sum + weight, 0);
    this.#next = Uint32Array.from(this.#classes, (members) => Math.floor(random() * members.length));
    // A head start of less than one turn's earnings: it moves the start of the walk and is not earned again.
    this.#credit = Float64Array.from(this.#weights, (weight) => random() * weight);
  }

  pick(tried: readonly C[] | undefined): C | undefined {
    if (tried !== undefined && tried.length > 0) {
      const untried = drawUntried(this.#candidates, tried, undefined, this.#random);
      if (untried !== undefined) return untried;
    }
    const best = richest(this.#credit, this.#weights);
    this.#credit[best]! -= this.#total;
    const members = this.#classes[best]!;
    const at = this.#next[best]!;
    this.#next[best] = at + 1 < members.length ? at + 1 : 0;
    return members[at];
  }
}
