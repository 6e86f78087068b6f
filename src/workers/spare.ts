import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cancel, Timers } from '../ports.ts';

/** As the command line keeps its own: `cli/young-generation.ts`. Who starts the gateway with another value has the last word. */
const YOUNG_GENERATION = '--max-semi-space-size=1';
const FILE = fileURLToPath(new URL(`./worker-main${extname(import.meta.url)}`, import.meta.url));
/** One that was lost while it waited is not started again before. */
const AGAIN_AFTER_MS = 5000;

/** Starts the process of a worker. It loads its code and waits to be told what to be. */
function startProcess(): ChildProcess {
  return fork(FILE, [], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], execArgv: ownExecArgv() });
}

/** The options of this process, without those that want a port of their own. */
function ownExecArgv(): string[] {
  return [YOUNG_GENERATION, ...process.execArgv.filter((option) => !option.startsWith('--inspect'))];
}

/**
 * One process more than there are workers: it has loaded its code, so that it takes the place of a worker that ended within
 * milliseconds. To start one takes a second and more where the machine is busy, which it is when the others do its work.
 */
export class Spare {
  private readonly timers: Timers;
  /** Lets go of what can be spared, for there are no descriptors or no memory for another process. */
  private readonly makeRoom: () => void;
  private readonly start: () => ChildProcess;
  private child: ChildProcess | undefined;
  private again: Cancel | undefined;
  private stopped = false;
  private readonly lost = (): void => {
    this.child = undefined;
    this.later();
  };

  constructor(timers: Timers, makeRoom: () => void, start = startProcess) {
    this.timers = timers;
    this.makeRoom = makeRoom;
    this.start = start;
  }

  /** A process for a worker: the one that waits, else a new one. Where even that fails, the process says so by `error`. */
  take(): ChildProcess {
    const { child } = this;
    this.child = undefined;
    child?.off('error', this.lost).off('exit', this.lost);
    if (child?.connected === true) return child;
    child?.kill('SIGKILL');
    const started = this.start();
    if (started.pid !== undefined) return started;
    started.on('error', () => {});
    this.makeRoom();
    return this.start();
  }

  /** From now on one waits. */
  prepare(): void {
    this.again?.();
    if (this.stopped || this.child !== undefined) return;
    try {
      this.child = this.start().on('error', this.lost).on('exit', this.lost);
    } catch {
      this.later();
    }
  }

  /** Ends the one that waits. */
  stop(): void {
    this.stopped = true;
    this.again?.();
    this.child?.kill('SIGKILL');
  }

  private later(): void {
    if (!this.stopped) this.again = this.timers.after(AGAIN_AFTER_MS, () => this.prepare());
  }
}
