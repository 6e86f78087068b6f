import type { Clock } from '../core/clock.ts';
import type { Log } from '../ports.ts';

const QUIET_MS = 1000;

/** Makes bugs seen that the limits live through: one line a second at most, each with how many it stands for. */
export class BugReport {
  private readonly clock: Clock;
  private readonly log: Pick<Log, 'error'> | undefined;
  private quietUntilMs = Number.NEGATIVE_INFINITY;
  private times = 0;

  /** Without a log the process warns. */
  constructor(clock: Clock, log: Pick<Log, 'error'> | undefined) {
    this.clock = clock;
    this.log = log;
  }

  report(error: unknown): void {
    this.times++;
    const nowMs = this.clock.nowMs();
    if (nowMs < this.quietUntilMs) return;
    this.quietUntilMs = nowMs + QUIET_MS;
    const { times } = this;
    this.times = 0;
    if (this.log === undefined) process.emitWarning(error instanceof Error ? error : String(error));
    else {
      const stack = error instanceof Error ? error.stack : String(error);
      this.log.error('limits were decided without the store because of a bug', { stack, times });
    }
  }
}
