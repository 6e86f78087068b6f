import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../random.ts';
import { createPicker, type PickerName } from './registry.ts';

/**
 * The supermarket model (Mitzenmacher, 2001): n queues, Poisson arrivals at λ per queue, exponential service of mean 1.
 * The queue lengths are a Markov chain, simulated as such; the mean time in the system follows from the mean number in
 * it by Little's law.
 */
function meanTimeInSystem(balance: PickerName, lambda: number, warmUp: number, measured: number, seed: number): number {
  const random = seededRandom(seed);
  const queues = Array.from({ length: 200 }, () => ({ weight: 1, inFlight: 0 }));
  const picker = createPicker(balance, queues, random);
  const eventsPerUnit = queues.length * (lambda + 1);
  const arrival = lambda / (lambda + 1);
  let inSystem = 0;
  let area = 0;
  const first = Math.round(warmUp * eventsPerUnit);
  const last = first + Math.round(measured * eventsPerUnit);
  for (let event = 0; event < last; event++) {
    if (event >= first) area += inSystem;
    if (random() < arrival) {
      picker.pick(undefined)!.inFlight += 1;
      inSystem += 1;
      continue;
    }
    const queue = queues[Math.floor(random() * queues.length)]!;
    if (queue.inFlight === 0) continue;
    queue.inFlight -= 1;
    inSystem -= 1;
  }
  return area / (last - first) / (lambda * queues.length);
}

/** Σ λ^((d^i − d)/(d − 1)), i = 1, 2, …, for d = 2. */
function twoChoices(lambda: number): number {
  let sum = 0;
  for (let i = 1; i < 30; i++) sum += lambda ** (2 ** i - 2);
  return sum;
}

describe('supermarket model', () => {
  it('two choices: the mean time in the system is the theory’s within 3 %', () => {
    assert.ok(Math.abs(twoChoices(0.9) - 2.614) < 0.001);
    for (const lambda of [0.7, 0.9]) {
      const mean = meanTimeInSystem('least-request', lambda, 100, 1000, 1);
      assert.ok(Math.abs(mean / twoChoices(lambda) - 1) < 0.03, `λ ${lambda}: ${mean}, theory ${twoChoices(lambda)}`);
    }
  });

  it('one choice: 1 / (1 − λ), near 10 at λ = 0.9', () => {
    const mean = meanTimeInSystem('random', 0.9, 2000, 6000, 2);
    assert.ok(Math.abs(mean / 10 - 1) < 0.06, `${mean}`);
  });
});
