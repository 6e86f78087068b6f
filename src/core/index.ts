/**
 * The pure parts of Headgate: limits, balancers, health, retry rules, routing. No clock, socket, timer or Redis in it: time and randomness are
 * handed in.
 *
 * @example
 * import { seededRandom, createPicker } from 'headgate/core';
 */
export type { Candidate, Picker } from './balance/picker.ts';
export { createPicker, type PickerName } from './balance/registry.ts';
export type { Clock } from './clock.ts';
export { CidrSet, canonicalIp } from './ip.ts';
export { capacity, type LimitSpec, type QuotaPeriod } from './limit/spec.ts';
export { type Random, seededRandom } from './random.ts';
export { RetryBudget } from './retry/budget.ts';
export { decideRetry, type FailedAttempt, isIdempotent, type RetryDecision } from './retry/safety.ts';
export { compileRouter, type RouteHit, type Router } from './route/match.ts';
export { canonicalPath } from './route/path.ts';
export type { RouteConditions, RouteMatch } from './route/route-match.ts';
export { TimerWheel, WheelTimer } from './timer-wheel.ts';
