import type { Random } from '../random.ts';

const BASE_MS = 25;
const CAP_MS = 250;

/**
 * Milliseconds to wait before a retry: full jitter, uniform in [0, min(250, 25·2^n)), n = retries made before.
 * `elsewhereAfterConnect`: the attempt failed to connect and the next goes to another endpoint; the first such retry
 * does not wait, as nobody is overloaded by it.
 */
export function backoffMs(retriesBefore: number, elsewhereAfterConnect: boolean, random: Random): number {
  if (retriesBefore === 0 && elsewhereAfterConnect) return 0;
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** retriesBefore);
}
