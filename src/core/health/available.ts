import type { EndpointHealth } from './endpoint-health.ts';
import type { OutlierSettings } from './outlier.ts';

/** One endpoint of a group. One of weight 0 gets nothing and counts for nothing. */
export interface Member {
  readonly weight: number;
  readonly health: EndpointHealth;
}

/** Share of healthy endpoints below which health is ignored: the few would not carry the load of all. */
const PANIC_THRESHOLD = 0.3;

export interface Availability<M extends Member> {
  /** Those that may be picked. */
  readonly members: readonly M[];
  /** All are used, whatever their health. */
  readonly panic: boolean;
  /** How many are up, of how many that have a weight. */
  readonly healthy: number;
  readonly total: number;
}

/**
 * Who may be picked: those that are up, and the half-open ones whose trial is not taken; or, below the panic threshold, all.
 * Computed when health changes, never per request. Since a group in which all are down is in panic too, the list is
 * empty only where no endpoint has a weight: the gateway then rather tries and says what failed than refuse on hearsay.
 */
export function availability<M extends Member>(all: readonly M[]): Availability<M> {
  const weighted = all.filter((member) => member.weight > 0);
  const healthy = weighted.filter((member) => member.health.state === 'up').length;
  const panic = healthy < PANIC_THRESHOLD * weighted.length;
  const members = panic ? weighted : weighted.filter((member) => member.health.admits);
  return { members, panic, healthy, total: weighted.length };
}

/**
 * Whether `candidate` may be ejected now: others that are up remain, and with it no more than the share are out (ejected or
 * half-open), where one may always be. A group so keeps its last endpoint, and a small one can eject at all: 50 % of
 * three is one.
 */
export function mayEject<M extends Member>(all: readonly M[], candidate: M, settings: OutlierSettings): boolean {
  let total = 0;
  let out = 0;
  let othersUp = 0;
  for (const member of all) {
    if (member.weight <= 0) continue;
    total += 1;
    if (member === candidate) continue;
    if (member.health.state === 'up') othersUp += 1;
    else if (member.health.state !== 'down') out += 1;
  }
  return othersUp > 0 && out < Math.max(1, Math.floor(total * settings.maxEjected));
}
