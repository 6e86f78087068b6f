/**
 * Source of time. The core never reads a clock of its own: production hands in the real one, tests and the
 * simulation a virtual one.
 */
export interface Clock {
  /** Monotonic milliseconds, fractional, of arbitrary origin: for durations and deadlines. */
  nowMs(): number;
  /** Wall-clock microseconds since the Unix epoch, an integer: for calendars and log lines. */
  wallUs(): number;
}
