import type { Cancel, ClockAndTimers } from '../ports.ts';

interface FakeTimer {
  readonly dueMs: number;
  /** Order of creation: timers due at the same instant fire in it. */
  readonly order: number;
  readonly run: () => void;
}

/** Neither zero nor round, so that code which confuses monotonic and wall time, or assumes an origin, fails. */
const START_MS = 7_316_417.25;
/** Thursday 2026-03-05 14:37:21.417 093 UTC: no boundary of a minute, hour, day, week or month is near. */
const START_WALL_US = 1_772_721_441_417_093;

/**
 * A clock that moves only when a test says so, with its timers. Time starts at odd values. A callback sees the time at
 * which it was due; callbacks that throw make `advance` throw.
 */
export class FakeClock implements ClockAndTimers {
  #nowMs: number;
  #wallAtZeroUs: number;
  #order = 0;
  readonly #timers = new Set<FakeTimer>();

  constructor(startMs = START_MS, startWallUs = START_WALL_US) {
    this.#nowMs = startMs;
    this.#wallAtZeroUs = startWallUs - startMs * 1000;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallUs(): number {
    return Math.floor(this.#wallAtZeroUs + this.#nowMs * 1000);
  }

  /** A delay below 0 counts as 0; nothing fires before the clock is advanced, if only by 0. */
  after(delayMs: number, run: () => void): Cancel {
    const timer: FakeTimer = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer is due; undefined when none waits. */
  get nextInMs(): number | undefined {
    const next = this.#nextDue(Number.POSITIVE_INFINITY);
    return next === undefined ? undefined : Math.max(0, next.dueMs - this.#nowMs);
  }

  /**
   * Moves time by `ms` ≥ 0 and runs the timers that come due, those they create included, in time order. Microtasks and
   * `setImmediate` callbacks run before the first, between any two and after the last.
   */
  async advance(ms: number): Promise<void> {
    const endMs = this.#end(ms);
    await letOthersRun();
    for (let timer = this.#nextDue(endMs); timer !== undefined; timer = this.#nextDue(endMs)) {
      this.#fire(timer);
      await letOthersRun();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
    await letOthersRun();
  }

  /** As `advance`, but nothing else runs in between: for purely synchronous code. */
  advanceSync(ms: number): void {
    const endMs = this.#end(ms);
    for (let timer = this.#nextDue(endMs); timer !== undefined; timer = this.#nextDue(endMs)) this.#fire(timer);
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** Steps the wall clock alone, forward or back, as an administrator or NTP does; no timer notices. */
  stepWall(deltaUs: number): void {
    this.#wallAtZeroUs += deltaUs;
  }

  #end(ms: number): number {
    if (!(ms >= 0)) throw new RangeError(`time moves forward: advance(${ms})`);
    return this.#nowMs + ms;
  }

  #nextDue(endMs: number): FakeTimer | undefined {
    let next: FakeTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs > endMs) continue;
      const isEarlier = next === undefined || timer.dueMs < next.dueMs;
      if (isEarlier || (timer.dueMs === next?.dueMs && timer.order < next.order)) next = timer;
    }
    return next;
  }

  #fire(timer: FakeTimer): void {
    this.#timers.delete(timer);
    this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
    timer.run();
  }
}

/** One turn of the event loop: every microtask and every immediate that waits now. */
function letOthersRun(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
