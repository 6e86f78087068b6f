import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../random.ts';
import { LeastRequestPicker } from './least-request.ts';

interface Load {
  readonly name: string;
  readonly weight: number;
  inFlight: number;
}

const load = (name: string, weight = 1, inFlight = 0): Load => ({ name, weight, inFlight });

describe('least request', () => {
  it('of two always takes the less loaded: never the same one twice', () => {
    const [busy, idle] = [load('busy', 1, 2), load('idle', 1, 1)];
    const picker = new LeastRequestPicker([busy, idle], seededRandom(1));
    for (let i = 0; i < 200; i++) assert.equal(picker.pick(undefined), idle);
  });

  it('never takes the most loaded of three', () => {
    const [worst, other, best] = [load('worst', 1, 9), load('other', 1, 5), load('best', 1, 1)];
    const picker = new LeastRequestPicker([worst, other, best], seededRandom(2));
    for (let i = 0; i < 500; i++) assert.notEqual(picker.pick(undefined), worst);
  });

  it('breaks ties at random', () => {
    const pair = [load('a'), load('b')];
    const picker = new LeastRequestPicker(pair, seededRandom(3));
    let first = 0;
    for (let i = 0; i < 2000; i++) if (picker.pick(undefined) === pair[0]) first++;
    assert.ok(first > 900 && first < 1100, `${first} of 2000`);
  });

  it('compares load by weight', () => {
    const [heavy, light] = [load('heavy', 10, 9), load('light', 1, 1)];
    const picker = new LeastRequestPicker([heavy, light], seededRandom(4));
    for (let i = 0; i < 200; i++) assert.equal(picker.pick(undefined), heavy);
    heavy.inFlight = 30;
    for (let i = 0; i < 200; i++) assert.equal(picker.pick(undefined), light);
  });

  it('among untried too the less loaded', () => {
    const all = [load('tried', 1, 0), load('busy', 1, 3), load('idle', 1, 0)];
    const picker = new LeastRequestPicker(all, seededRandom(5));
    for (let i = 0; i < 200; i++) assert.equal(picker.pick([all[0]!]), all[2]);
  });

  it('a host that accepts nothing holds its few pending requests and attracts no more', () => {
    // Ten hosts; nine answer at once, the black hole never: its requests stay in flight.
    const hosts = Array.from({ length: 10 }, (_, index) => load(`h${index}`));
    const picker = new LeastRequestPicker(hosts, seededRandom(6));
    const running: Load[] = [];
    for (let i = 0; i < 10_000; i++) {
      const picked = picker.pick(undefined)!;
      picked.inFlight += 1;
      if (picked === hosts[0]) continue;
      running.push(picked);
      if (running.length > 20) running.shift()!.inFlight -= 1;
    }
    assert.ok(hosts[0]!.inFlight <= 12, `${hosts[0]!.inFlight} pending`);
  });

  it('one candidate with nearly all the weight: the second choice is still another', () => {
    const all = [load('huge', 1_000_000, 5_000_000), load('b'), load('c')];
    const picker = new LeastRequestPicker(all, seededRandom(7));
    const seen = new Set<Load>();
    for (let i = 0; i < 200; i++) seen.add(picker.pick(undefined)!);
    assert.deepEqual(seen, new Set([all[1], all[2]]));
  });
});
