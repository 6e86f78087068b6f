import type { Clock } from '../../core/clock.ts';
import { TimerWheel } from '../../core/timer-wheel.ts';

const TICK_MS = 20;

/** Turns a timer wheel by the real clock. */
export interface DrivenWheel {
  readonly wheel: TimerWheel;
  stop(): void;
}

/**
 * One interval for all timeouts of the data plane. Node runs timers before it polls: after the loop was busy, what has
 * long arrived would be declared late. So the wheel turns in `setImmediate`, after one poll (see `docs/decisions`).
 */
export function driveWheel(clock: Clock): DrivenWheel {
  const wheel = new TimerWheel(TICK_MS, clock.nowMs());
  const turn = (): void => wheel.advance(clock.nowMs());
  const interval = setInterval(() => {
    // What the poll brings now is armed from now, not from before the loop was busy.
    wheel.nowMs = clock.nowMs();
    setImmediate(turn);
  }, TICK_MS);
  interval.unref();
  return { wheel, stop: () => clearInterval(interval) };
}
