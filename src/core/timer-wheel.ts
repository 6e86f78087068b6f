// Hot path: arming an armed timer for a later time is one comparison and one store.

/** A timer that lives in a wheel; intrusive, so that arming allocates nothing. */
export class WheelTimer {
  /** When it fires, by the caller's clock; Infinity = off. */
  deadlineMs = Number.POSITIVE_INFINITY;
  readonly expire: () => void;
  /** @internal */ slotTick = -1;
  /** @internal */ next: WheelTimer | undefined = undefined;
  /** @internal */ previous: WheelTimer | undefined = undefined;

  constructor(expire: () => void) {
    this.expire = expire;
  }

  get armed(): boolean {
    return this.deadlineMs !== Number.POSITIVE_INFINITY;
  }
}

const SLOTS = 512;

/**
 * Coarse timers shared by all connections. A timer moved to a later time stays in its slot and is moved when the slot
 * comes due; so the usual life of a timeout, pushed back with every octet and never fired, costs next to nothing.
 * Time is handed in; a timer fires up to one tick late, never early.
 */
export class TimerWheel {
  readonly tickMs: number;
  /** Timers linked into slots: while 0, nobody needs to call `advance`. */
  linked = 0;
  private readonly slots: (WheelTimer | undefined)[] = new Array(SLOTS).fill(undefined);
  private tick: number;
  /** Time of the last `advance`: coarse, for pushing deadlines back without reading a clock. */
  nowMs: number;

  constructor(tickMs: number, nowMs: number) {
    this.tickMs = tickMs;
    this.nowMs = nowMs;
    this.tick = Math.floor(nowMs / tickMs);
  }

  arm(timer: WheelTimer, deadlineMs: number): void {
    timer.deadlineMs = deadlineMs;
    const tick = this.tickOf(deadlineMs);
    if (timer.slotTick >= 0) {
      if (timer.slotTick <= tick) return;
      this.unlink(timer);
    }
    this.link(timer, tick);
  }

  /** Stops a timer; it leaves its slot when that comes due. */
  disarm(timer: WheelTimer): void {
    timer.deadlineMs = Number.POSITIVE_INFINITY;
  }

  /** Stops a timer whose owner goes away, and lets go of it. */
  remove(timer: WheelTimer): void {
    timer.deadlineMs = Number.POSITIVE_INFINITY;
    if (timer.slotTick >= 0) this.unlink(timer);
  }

  /** Fires what is due at `nowMs`. */
  advance(nowMs: number): void {
    this.nowMs = nowMs;
    const last = Math.floor(nowMs / this.tickMs);
    // After a long pause every slot is looked at once, not once per missed tick.
    if (last - this.tick > SLOTS) this.tick = last - SLOTS;
    while (this.tick < last) {
      this.tick++;
      this.sweep(this.tick % SLOTS, nowMs);
    }
  }

  private sweep(slot: number, nowMs: number): void {
    let timer = this.slots[slot];
    this.slots[slot] = undefined;
    // The whole list is taken off first: what expires may arm or remove any timer.
    const due: WheelTimer[] = [];
    while (timer !== undefined) {
      const next: WheelTimer | undefined = timer.next;
      timer.next = undefined;
      timer.previous = undefined;
      timer.slotTick = -1;
      this.linked--;
      if (timer.deadlineMs <= nowMs) due.push(timer);
      else if (timer.armed) this.link(timer, this.tickOf(timer.deadlineMs));
      timer = next;
    }
    for (const one of due) {
      if (one.deadlineMs > nowMs) {
        if (one.armed && one.slotTick < 0) this.link(one, this.tickOf(one.deadlineMs));
        continue;
      }
      one.deadlineMs = Number.POSITIVE_INFINITY;
      one.expire();
    }
  }

  private tickOf(deadlineMs: number): number {
    return Math.ceil(deadlineMs / this.tickMs);
  }

  private link(timer: WheelTimer, tick: number): void {
    const slotTick = Math.min(Math.max(tick, this.tick + 1), this.tick + SLOTS - 1);
    const slot = slotTick % SLOTS;
    const head = this.slots[slot];
    timer.slotTick = slotTick;
    timer.next = head;
    timer.previous = undefined;
    if (head !== undefined) head.previous = timer;
    this.slots[slot] = timer;
    this.linked++;
  }

  private unlink(timer: WheelTimer): void {
    if (timer.previous !== undefined) timer.previous.next = timer.next;
    else this.slots[timer.slotTick % SLOTS] = timer.next;
    if (timer.next !== undefined) timer.next.previous = timer.previous;
    timer.next = undefined;
    timer.previous = undefined;
    timer.slotTick = -1;
    this.linked--;
  }
}
