import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPicker, type PickerName } from '../core/balance/registry.ts';
import { seededRandom } from '../core/random.ts';
import { pickerContract } from './picker-contract.ts';

const NAMES: readonly PickerName[] = ['adaptive', 'round-robin', 'random', 'least-request'];

for (const name of NAMES) {
  describe(`picker contract: ${name}`, () => {
    for (const [index, promise] of pickerContract.entries()) {
      it(promise.name, () => {
        promise.check((candidates, random) => createPicker(name, candidates, random), seededRandom(index + 1));
      });
    }
  });
}

describe('the picker contract can fail', () => {
  const broken = {
    'always the first': () => ({ pick: <C>(candidates: readonly C[]) => candidates[0] }),
    'uniform, blind to weights': (random: () => number) => ({
      pick: <C>(candidates: readonly C[], tried: readonly C[] = []) => {
        const open = candidates.filter((candidate) => !tried.includes(candidate));
        const from = open.length > 0 ? open : candidates;
        return from[Math.floor(random() * from.length)];
      },
    }),
  };
  for (const [name, make] of Object.entries(broken)) {
    it(name, () => {
      const failed = pickerContract.filter((promise) => {
        try {
          promise.check((candidates, random) => {
            const inner = make(random);
            return { pick: (tried) => inner.pick(candidates, tried) };
          }, seededRandom(1));
          return false;
        } catch (error) {
          assert.ok(error instanceof assert.AssertionError);
          return true;
        }
      });
      assert.ok(failed.length >= 2, `${failed.length} promises noticed`);
    });
  }
});
