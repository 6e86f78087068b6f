import assert from 'node:assert/strict';
import type { Candidate, Picker, PickerFactory } from '../core/balance/picker.ts';
import type { Random } from '../core/random.ts';

/** One promise that every balancer keeps; `check` throws where `make`'s does not. */
export interface PickerPromise {
  readonly name: string;
  check(make: PickerFactory, random: Random): void;
}

interface Load extends Candidate {
  readonly name: string;
  inFlight: number;
}

const PICKS = 20_000;

/** The contract of `Picker`, for the built-in balancers and the user's own. */
export const pickerContract: readonly PickerPromise[] = [
  { name: 'no candidate: undefined', check: checkEmpty },
  { name: 'one candidate: always that one, tried or not', check: checkSingle },
  { name: 'two candidates: a retry goes to the other', check: checkPair },
  { name: 'never one of the tried while another is there; shares by weight for every subset', check: checkSubsets },
  { name: 'shares by weight on a quiet upstream, many weights', check: checkQuietShares },
  { name: 'shares by weight with requests in flight', check: checkBusyShares },
  { name: 'candidates are read, never changed', check: checkUntouched },
];

function loads(weights: readonly number[]): Load[] {
  return weights.map((weight, index) => ({ name: `e${index}`, weight, inFlight: 0 }));
}

function checkEmpty(make: PickerFactory, random: Random): void {
  const picker = make<Load>([], random);
  assert.equal(picker.pick(undefined), undefined);
  assert.equal(picker.pick([]), undefined);
  assert.equal(picker.pick(loads([1])), undefined);
}

function checkSingle(make: PickerFactory, random: Random): void {
  const only = loads([3]);
  const picker = make(only, random);
  for (const tried of [undefined, [], only]) {
    for (let i = 0; i < 10; i++) assert.equal(picker.pick(tried), only[0]);
  }
}

function checkPair(make: PickerFactory, random: Random): void {
  for (const weights of [
    [1, 1],
    [1, 1000],
    [7, 3],
  ]) {
    const [a, b] = loads(weights) as [Load, Load];
    const picker = make([a, b], random);
    for (let i = 0; i < 100; i++) {
      // The tried one idle, the other loaded: still the other.
      a.inFlight = 0;
      b.inFlight = 50;
      assert.equal(picker.pick([a]), b);
      assert.equal(picker.pick([b]), a);
    }
  }
}

function checkSubsets(make: PickerFactory, random: Random): void {
  const all = loads([1, 2, 3, 4, 1]);
  for (let mask = 0; mask < 2 ** all.length; mask++) {
    const tried = all.filter((_, index) => (mask & (1 << index)) !== 0);
    const untried = all.filter((load) => !tried.includes(load));
    const picker = make(all, random);
    const open = untried.length > 0 ? untried : all;
    assertShares(countPicks(picker, tried, all), open, PICKS, `tried ${tried.map((load) => load.name)}`);
  }
}

function checkQuietShares(make: PickerFactory, random: Random): void {
  for (const weights of [
    [1],
    [1, 1, 1],
    [5, 1, 1],
    [70, 30],
    [1, 10],
    [100, 1, 1, 1],
    [0.5, 0.25, 1.75],
    wideWeights(),
  ]) {
    const all = loads(weights);
    assertShares(countPicks(make(all, random), undefined, all), all, PICKS, `weights ${weights.slice(0, 5)}`);
  }
}

/** So many odd weights that no cycle of turns can be laid out in advance. */
function wideWeights(): number[] {
  return Array.from({ length: 60 }, (_, index) => 401 + (index % 7) * 37);
}

/** `weights` shared over requests that end in random order: within 5 points of the weight. */
function checkBusyShares(make: PickerFactory, random: Random): void {
  for (const [weights, inFlight] of [
    [[70, 30], 10],
    [[1, 1, 1, 1], 4],
    [[1, 2, 3], 30],
    [[4, 1], 5],
  ] as const) {
    const all = loads(weights);
    const picker = make(all, random);
    const counts = new Map<Load, number>(all.map((load) => [load, 0]));
    const running: Load[] = [];
    for (let i = 0; i < PICKS; i++) {
      const picked = picker.pick(undefined)!;
      counts.set(picked, counts.get(picked)! + 1);
      picked.inFlight += 1;
      running.push(picked);
      if (running.length < inFlight) continue;
      const ended = Math.floor(random() * running.length);
      running[ended]!.inFlight -= 1;
      running[ended] = running.at(-1)!;
      running.pop();
    }
    const sum = weights.reduce((total: number, weight) => total + weight, 0);
    for (const load of all) {
      const share = counts.get(load)! / PICKS;
      assert.ok(Math.abs(share - load.weight / sum) < 0.05, `weights ${weights}: ${load.name} has ${share}`);
    }
  }
}

function checkUntouched(make: PickerFactory, random: Random): void {
  const all = loads([1, 2, 3]).map((load) => Object.freeze(load));
  const picker = make(Object.freeze(all), random);
  for (let i = 0; i < 20; i++) assert.ok(all.includes(picker.pick(i % 2 === 0 ? undefined : [all[0]!])!));
}

function countPicks(picker: Picker<Load>, tried: readonly Load[] | undefined, all: readonly Load[]): Map<Load, number> {
  const counts = new Map<Load, number>(all.map((load) => [load, 0]));
  for (let i = 0; i < PICKS; i++) {
    const picked = picker.pick(tried)!;
    counts.set(picked, counts.get(picked)! + 1);
  }
  return counts;
}

/** Each of `open` has its share within five standard deviations of a random draw; no other has anything. */
function assertShares(counts: ReadonlyMap<Load, number>, open: readonly Load[], picks: number, what: string): void {
  const sum = open.reduce((total, load) => total + load.weight, 0);
  for (const [load, count] of counts) {
    const share = open.includes(load) ? load.weight / sum : 0;
    const tolerance = 5 * Math.sqrt(picks * share * (1 - share)) + (share > 0 ? 1 : 0);
    assert.ok(
      Math.abs(count - share * picks) <= tolerance,
      `${what}: ${load.name} was picked ${count} times, not ${share * picks} ± ${tolerance}`,
    );
  }
}
