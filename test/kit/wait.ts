/** Condition that a test opens by hand: what a scripted peer waits at instead of sleeping. */
export class Gate {
  readonly opened: Promise<void>;
  #open!: () => void;

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open();
  }
}

/**
 * Waits for conditions on a growing state: `changed()` re-examines every waiter. A wait that is never met rejects after
 * `GUARD_MS` with what it waited for, so that a broken test names itself instead of hanging.
 */
export class Waiters {
  readonly #waiting = new Set<() => void>();
  #failure: Error | undefined;

  /** Resolves with the first value that is not undefined. */
  until<T>(what: string, probe: () => T | undefined, guardMs = GUARD_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const value = probe();
        if (value === undefined && this.#failure === undefined) return;
        this.#waiting.delete(look);
        clearTimeout(guard);
        if (value === undefined) reject(this.#failure);
        else resolve(value);
      };
      const guard = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`waited in vain for ${what}`));
      }, guardMs);
      this.#waiting.add(look);
      look();
    });
  }

  changed(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** Nothing more will come: every wait that is not met by now rejects with `error`. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.changed();
  }
}

const GUARD_MS = 15_000;

/** One turn of the event loop, I/O included: lets the other side read what was written. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
