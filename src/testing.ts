/**
 * `headgate/testing`: what tests of limits, balancers, stores and middleware stand on. No part of a running gateway
 * imports it.
 */
export { seededRandom } from './core/random.ts';
export { limitStoreContract } from './limits/limit-store-contract.ts';
export { FakeClock } from './testing/fake-clock.ts';
export { type PickerPromise, pickerContract } from './upstream/picker-contract.ts';
