import { StartError } from '../gateway/errors.ts';
import type { Cancel, ClockAndTimers, Log } from '../ports.ts';
import type { Accepted } from './hand-over.ts';
import type { WorkerProcess, WorkerProcessEvents } from './worker-process.ts';

export interface SupervisorOptions {
  readonly count: number;
  readonly clock: ClockAndTimers;
  readonly log: Log;
  /** Starts the worker of a number. */
  readonly spawn: (number: number, events: WorkerProcessEvents) => WorkerProcess;
  /** A worker may be given a connection. */
  readonly free: (worker: WorkerProcess) => void;
  /** A worker is given none any more. */
  readonly left: (worker: WorkerProcess) => void;
  /** A worker took the place of one that ended. */
  readonly replaced: () => void;
  /** A worker's process is gone. */
  readonly gone: (worker: WorkerProcess, lost: Accepted | undefined) => void;
}

/** Who lived so long did not die of its beginning. */
const GROWN_AFTER_MS = 10_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5000;
/** Workers are asked for a sign of life so often. Counted, not timed: a primary that was held up itself blames nobody. */
const POKE_EVERY_MS = 1000;
/** Asked so often in vain, a worker hangs: it is blocked for good, stopped, or waits for what never comes. */
const POKES_IN_VAIN = 10;
/** One that begins may have to load its code on a busy machine. */
const POKES_IN_VAIN_BEGINNING = 30;

/** The place of one worker, whoever holds it. */
interface Place {
  readonly number: number;
  worker: WorkerProcess | undefined;
  /** Deaths in a row soon after the beginning. */
  young: number;
  timer: Cancel | undefined;
}

/** How long to wait before a place is filled again: not at all after one early death, then ever longer. */
export function respawnDelayMs(young: number): number {
  return young <= 1 ? 0 : Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (young - 2));
}

/**
 * Keeps the workers going: one that ends is replaced at once, and ever later where it keeps dying young, so that a crash
 * loop leaves the machine to the others.
 */
export class Supervisor {
  /** Workers that ended and are replaced. */
  restarts = 0;
  private readonly options: SupervisorOptions;
  private readonly places: Place[];
  private readonly events: WorkerProcessEvents;
  private readonly stoppedTaking = new WeakSet<WorkerProcess>();
  /** All that live, those that are leaving included. */
  private readonly living = new Set<WorkerProcess>();
  private stopping = false;
  private poking: Cancel | undefined;
  private started: { resolve(): void; reject(error: Error): void } | undefined;
  private emptied: (() => void) | undefined;

  constructor(options: SupervisorOptions) {
    this.options = options;
    this.places = Array.from({ length: options.count }, (_, at) => ({
      number: at + 1,
      worker: undefined,
      young: 0,
      timer: undefined,
    }));
    this.events = {
      ready: (worker) => this.ready(worker),
      free: (worker) => {
        if (worker.isReady && !this.stoppedTaking.has(worker)) options.free(worker);
      },
      leaving: (worker) => this.leave(worker),
      failed: (worker, message) => this.failed(worker, message),
      gone: (worker, how, lost) => this.gone(worker, how, lost),
    };
  }

  get workers(): readonly WorkerProcess[] {
    return [...this.living];
  }

  get readyCount(): number {
    let ready = 0;
    for (const worker of this.living) if (worker.isReady) ready++;
    return ready;
  }

  /** Resolves when all are ready; rejects with a `StartError` where one cannot begin. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.started = { resolve, reject };
      for (const place of this.places) this.fill(place);
      this.pokeLater();
    });
  }

  /** From now on nobody is replaced. */
  stop(): void {
    this.stopping = true;
    for (const { timer } of this.places) timer?.();
  }

  /** Resolves when all have ended; those that live on after `timeoutMs` are killed. */
  allGone(timeoutMs: number): Promise<void> {
    if (this.living.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.emptied = resolve;
      this.options.clock.after(timeoutMs, () => {
        if (this.living.size > 0) this.options.log.warn('workers did not end in time', { workers: this.living.size });
        this.kill();
      });
    });
  }

  kill(): void {
    for (const worker of this.living) worker.kill();
  }

  private fill(place: Place): void {
    place.timer = undefined;
    if (this.stopping) return;
    try {
      place.worker = this.options.spawn(place.number, this.events);
      this.living.add(place.worker);
    } catch (error) {
      this.died(place, `cannot start: ${(error as Error).message}`);
    }
  }

  private pokeLater(): void {
    this.poking = this.options.clock.after(POKE_EVERY_MS, () => {
      for (const worker of this.living) this.poke(worker);
      this.pokeLater();
    });
  }

  /** One that hangs never ends by itself: its death is what the others live by. */
  private poke(worker: WorkerProcess): void {
    const inVain = worker.poke();
    if (inVain < (worker.isReady ? POKES_IN_VAIN : POKES_IN_VAIN_BEGINNING)) return;
    worker.kill();
    if (inVain > POKES_IN_VAIN_BEGINNING) return;
    this.options.log.error('a worker hangs and is killed', { worker: worker.number, pid: worker.pid, inVain });
  }

  private ready(worker: WorkerProcess): void {
    this.options.free(worker);
    const { started } = this;
    if (started === undefined) {
      this.options.log.info('a worker has taken the place of one that ended', { worker: worker.number });
      this.options.replaced();
      return;
    }
    if (this.readyCount < this.places.length) return;
    this.started = undefined;
    started.resolve();
  }

  private leave(worker: WorkerProcess): void {
    this.stoppedTaking.add(worker);
    this.options.left(worker);
    const place = this.placeOf(worker);
    if (place === undefined || this.stopping) return;
    place.worker = undefined;
    this.died(place, 'a bug', worker);
  }

  private failed(worker: WorkerProcess, message: string): void {
    this.stoppedTaking.add(worker);
    const { started } = this;
    if (started === undefined) {
      this.options.log.error('a worker cannot begin', { worker: worker.number, why: message });
      return;
    }
    this.started = undefined;
    started.reject(new StartError(message));
  }

  private gone(worker: WorkerProcess, how: string, lost: Accepted | undefined): void {
    this.living.delete(worker);
    this.options.left(worker);
    const place = this.placeOf(worker);
    if (place !== undefined) place.worker = undefined;
    this.options.gone(worker, lost);
    const { started } = this;
    if (started !== undefined) {
      this.started = undefined;
      started.reject(new StartError(`worker ${worker.number} ended as it began (${how})`));
    } else if (place !== undefined && !this.stopping) {
      this.died(place, how, worker);
    }
    if (this.living.size > 0) return;
    this.emptied?.();
    if (this.stopping) this.poking?.();
  }

  private died(place: Place, how: string, worker?: WorkerProcess): void {
    const livedMs = worker === undefined ? 0 : this.options.clock.nowMs() - worker.startedMs;
    place.young = livedMs >= GROWN_AFTER_MS ? 1 : place.young + 1;
    this.restarts++;
    const inMs = respawnDelayMs(place.young);
    const fields = { worker: place.number, pid: worker?.pid, how, inMs };
    this.options.log.warn('a worker ended: another takes its place', fields);
    if (inMs === 0) this.fill(place);
    else place.timer = this.options.clock.after(inMs, () => this.fill(place));
  }

  private placeOf(worker: WorkerProcess): Place | undefined {
    return this.places.find((place) => place.worker === worker);
  }
}
