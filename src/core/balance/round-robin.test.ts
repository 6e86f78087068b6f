import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../random.ts';
import type { Candidate } from './picker.ts';
import { createRoundRobin } from './round-robin.ts';

interface Named extends Candidate {
  readonly name: string;
}

const named = (...weights: number[]): Named[] =>
  weights.map((weight, index) => ({ name: 'abcdefghijklmnopqrstuvwxyz'[index] ?? String(index), weight, inFlight: 0 }));

const picks = (candidates: readonly Named[], count: number, random = () => 0): string[] => {
  const picker = createRoundRobin(candidates, random);
  return Array.from({ length: count }, () => picker.pick(undefined)!.name);
};

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

describe('round robin', () => {
  it('is smooth: weights 5, 1, 1 give a a b a c a a, again and again', () => {
    assert.equal(picks(named(5, 1, 1), 14).join(' '), 'a a b a c a a a a b a c a a');
  });

  it('takes weights in lowest terms', () => {
    assert.equal(picks(named(500, 100, 100), 7).join(' '), 'a a b a c a a');
  });

  it('starts where the random number says', () => {
    assert.equal(picks(named(1, 1, 1, 1), 5, () => 0.5).join(' '), 'c d a b c');
    assert.equal(picks(named(5, 1, 1), 3, () => 0.999).join(' '), 'a a a');
    assert.equal(picks(named(5, 1, 1), 3, () => 4 / 7).join(' '), 'c a a');
  });

  it('gives each of ten hosts 1000 of 10 000; four gateways keep max/mean at or below 1.01', () => {
    const hosts = named(...new Array<number>(10).fill(1));
    const total = new Map<string, number>();
    for (let gateway = 0; gateway < 4; gateway++) {
      const counts = countBy(picks(hosts, 10_000, seededRandom(gateway)));
      for (const [name, count] of counts) {
        assert.equal(count, 1000);
        total.set(name, (total.get(name) ?? 0) + count);
      }
    }
    assert.ok(Math.max(...total.values()) / 4000 <= 1.01);
  });

  it('a retry takes no turn', () => {
    const [a, b, c] = named(1, 1, 1) as [Named, Named, Named];
    const picker = createRoundRobin([a, b, c], () => 0);
    assert.equal(picker.pick(undefined), a);
    picker.pick([a]);
    assert.equal(picker.pick(undefined), b);
    assert.equal(picker.pick(undefined), c);
  });

  it('property: any run of k cycles holds exactly k turns a weight; any shorter run is within one turn per candidate', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(weights, fc.integer(), fc.nat(200), (list, seed, skip) => {
        const candidates = named(...list);
        const sum = list.reduce((total, weight) => total + weight, 0);
        const all = picks(candidates, skip + 2 * sum, seededRandom(seed)).slice(skip);
        const counts = countBy(all);
        for (const { name, weight } of candidates) assert.equal(counts.get(name), 2 * weight);
        const part = countBy(all.slice(0, Math.ceil(sum / 2)));
        for (const { name, weight } of candidates) {
          const fair = (Math.ceil(sum / 2) * weight) / sum;
          assert.ok(
            Math.abs((part.get(name) ?? 0) - fair) < candidates.length,
            `${name}: ${part.get(name)} of ${fair}`,
          );
        }
      }),
    );
  });

  it('many candidates of odd weights, whose cycle is not laid out: exact shares too', () => {
    const candidates = Array.from({ length: 2000 }, (_, index) => ({
      name: `${index}`,
      weight: 1 + (index % 3),
      inFlight: 0,
    }));
    const counts = countBy(picks(candidates, 3 * 3999, seededRandom(5)));
    for (const { name, weight } of candidates) {
      assert.ok(Math.abs((counts.get(name) ?? 0) - 3 * weight) <= 1, `${name}: ${counts.get(name)} of ${3 * weight}`);
    }
  });
});
