import type { Random } from '../core/random.ts';
import type { Cancel, ClockAndTimers } from '../ports.ts';
import type { Tunnel } from './tunnel.ts';

/** The rest of the grace time is for what the last ones still have to say. */
const SPREAD = 0.9;

/**
 * The open tunnels of a gateway. A tunnel does not end by itself, so a shutdown ends it: one after the other over the
 * grace time, for clients that all lose their connection at one instant all come back at one instant.
 */
export class OpenTunnels {
  private readonly clock: ClockAndTimers;
  private readonly random: Random;
  /** With the timer that will end it, once the gateway drains. */
  private readonly open = new Map<Tunnel, Cancel | undefined>();
  /** Until when all shall be closed, by the clock; undefined: not draining. */
  private untilMs: number | undefined = undefined;

  constructor(clock: ClockAndTimers, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  add(tunnel: Tunnel): void {
    this.open.set(tunnel, undefined);
    // Its handshake was under way when the others were given their turns.
    if (this.untilMs !== undefined) this.endIn(tunnel, (this.untilMs - this.clock.nowMs()) * this.random());
  }

  delete(tunnel: Tunnel): void {
    this.open.get(tunnel)?.();
    this.open.delete(tunnel);
  }

  /** The time is cut into as many parts as there are tunnels; each, oldest first, ends at random within its part. */
  drain(graceMs: number): void {
    const spreadMs = graceMs * SPREAD;
    const partMs = spreadMs / this.open.size;
    this.untilMs = this.clock.nowMs() + spreadMs;
    let nth = 0;
    for (const tunnel of [...this.open.keys()]) this.endIn(tunnel, partMs * (nth++ + this.random()));
  }

  private endIn(tunnel: Tunnel, delayMs: number): void {
    // A second stop may be in more of a hurry.
    this.open.get(tunnel)?.();
    this.open.set(
      tunnel,
      this.clock.after(delayMs, () => tunnel.drain()),
    );
  }

  /** The grace time is over. */
  destroyAll(): void {
    for (const tunnel of [...this.open.keys()]) tunnel.stop();
  }
}
