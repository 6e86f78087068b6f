import type { Random } from '../random.ts';
import { LeastRequestPicker } from './least-request.ts';
import type { Candidate, Picker, PickerFactory } from './picker.ts';
import { RandomPicker } from './random.ts';
import { createRoundRobin } from './round-robin.ts';

/** Values of `upstreams.<name>.balance`. */
export type PickerName = 'adaptive' | 'round-robin' | 'random' | 'least-request';

const leastRequest: PickerFactory = (candidates, random) => new LeastRequestPicker(candidates, random);

/** The only list of balancers. `adaptive` uses the best signal that is there: today the gateway's own requests in flight. */
const FACTORIES: Readonly<Record<PickerName, PickerFactory>> = {
  adaptive: leastRequest,
  'round-robin': createRoundRobin,
  random: (candidates, random) => new RandomPicker(candidates, random),
  'least-request': leastRequest,
};

/** A picker over the endpoints that may be picked now (weights > 0); made anew whenever that set changes. */
export function createPicker<C extends Candidate>(
  name: PickerName,
  candidates: readonly C[],
  random: Random,
): Picker<C> {
  return FACTORIES[name](candidates, random);
}
