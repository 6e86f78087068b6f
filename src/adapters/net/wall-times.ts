import type { Clock } from '../../core/clock.ts';

/** How old an anchor may be: the system's clock may be stepped or slewed. */
const ANCHOR_MS = 20;

/** Wall-clock microseconds for monotonic times of `clock` just read, without reading the wall clock for each. */
export function wallTimes(clock: Clock): (nowMs: number) => number {
  let anchorMs = Number.NEGATIVE_INFINITY;
  let anchorUs = 0;
  return (nowMs) => {
    if (nowMs - anchorMs > ANCHOR_MS) {
      anchorUs = clock.wallUs();
      anchorMs = clock.nowMs();
    }
    return Math.floor(anchorUs + (nowMs - anchorMs) * 1000);
  };
}
