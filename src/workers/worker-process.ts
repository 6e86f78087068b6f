import type { ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import { Channel, type IpcMessage } from '../adapters/ipc/channel.ts';
import type { StoreHost } from '../adapters/ipc/store-host.ts';
import type { TakeMessage } from '../adapters/ipc/take-messages.ts';
import type { Cancel, ClockAndTimers } from '../ports.ts';
import type { Accepted, Taker } from './hand-over.ts';
import { LineRelay } from './line-relay.ts';
import type { Answers, Begin, Counts, ToPrimary, ToWorker } from './messages.ts';

export interface WorkerProcessEvents {
  ready(worker: WorkerProcess): void;
  /** It may be given another connection. */
  free(worker: WorkerProcess): void;
  /** It wants no more connections and ends by itself. */
  leaving(worker: WorkerProcess): void;
  /** It could not begin, and says why. */
  failed(worker: WorkerProcess, message: string): void;
  /** The process is gone and all it said was heard; `lost` was on its way to it. */
  gone(worker: WorkerProcess, how: string, lost: Accepted | undefined): void;
}

export interface WorkerProcessDeps {
  readonly clock: ClockAndTimers;
  /** Where its log goes. */
  readonly stdout: Writable;
  /** Its side of the store in the primary; undefined where the store is elsewhere. */
  readonly store: StoreHost | undefined;
}

/** A worker that has said something since, but not that it took the connection it was sent so long ago, never got it. */
const LOST_AFTER_MS = 2000;

/** One worker, as its primary sees it. */
export class WorkerProcess implements Taker {
  readonly number: number;
  readonly startedMs: number;
  connections = 0;
  isReady = false;
  /** The last that it told of itself. */
  counts: Counts | undefined = undefined;
  private readonly child: ChildProcess;
  private readonly channel: Channel;
  private readonly events: WorkerProcessEvents;
  private readonly deps: WorkerProcessDeps;
  private readonly asked = new Map<number, (value: Answers[keyof Answers] | undefined) => void>();
  private questions = 0;
  private underWay: Accepted | undefined;
  private sentMs = 0;
  private how: string | undefined;
  private silences = 0;
  private isClosed = false;
  private isGone = false;

  /** Makes a worker of a process that waits for its first message. */
  constructor(child: ChildProcess, begin: Begin, events: WorkerProcessEvents, deps: WorkerProcessDeps) {
    this.number = begin.number;
    this.child = child;
    this.events = events;
    this.deps = deps;
    this.startedMs = deps.clock.nowMs();
    this.child.on('error', (error) => this.ended(error.message));
    this.child.on('exit', (code, signal) => this.ended(signal ?? `exit code ${code}`));
    // One that could not be started has none.
    if (this.child.stdout) new LineRelay(this.child.stdout, deps.stdout);
    this.channel = new Channel(this.child, {
      received: (message) => this.received(message),
      closed: () => this.closed(),
    });
    this.tell(begin);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  tell(message: ToWorker): boolean {
    return this.channel.send(message);
  }

  /** Asks for something; undefined where it does not answer in time, or ends. */
  ask<Question extends keyof Answers>(
    message: { readonly type: Question } & object,
    timeoutMs: number,
  ): Promise<Answers[Question] | undefined> {
    const id = ++this.questions;
    return new Promise((resolve) => {
      let cancel: Cancel = () => {};
      const answered = (value: unknown): void => {
        cancel();
        this.asked.delete(id);
        resolve(value as Answers[Question] | undefined);
      };
      cancel = this.deps.clock.after(timeoutMs, () => answered(undefined));
      this.asked.set(id, answered);
      if (!this.channel.send({ ...message, id })) answered(undefined);
    });
  }

  hand(connection: Accepted): boolean {
    const message: ToWorker = { type: 'connection', listener: connection.listener };
    if (!this.channel.send(message, connection.socket)) return false;
    this.underWay = connection;
    this.sentMs = this.deps.clock.nowMs();
    this.connections++;
    return true;
  }

  /** Asks for a sign of life. Returns how often it was asked since it said the last word. */
  poke(): number {
    this.tell({ type: 'poke' });
    return this.silences++;
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.child.kill(signal);
  }

  private received(message: IpcMessage): void {
    this.silences = 0;
    if (Array.isArray(message)) {
      if (this.deps.store !== undefined) this.channel.send(this.deps.store.answer(message as unknown as TakeMessage));
      return;
    }
    this.heard(message as ToPrimary);
    this.giveUpLost();
  }

  private heard(message: ToPrimary): void {
    switch (message.type) {
      case 'taken':
        this.connections = message.connections;
        this.handed();
        return;
      case 'answer':
        this.asked.get(message.id)?.(message.value);
        return;
      case 'counts':
        this.counts = message.counts;
        this.connections = message.connections;
        return;
      case 'ready':
        this.isReady = true;
        this.events.ready(this);
        return;
      case 'leaving':
        this.isReady = false;
        this.events.leaving(this);
        return;
      case 'failed':
        this.events.failed(this, message.message);
    }
  }

  /** The worker has its own descriptor of the connection now: this one goes, and nothing is sent to the client by that. */
  private handed(): void {
    this.underWay?.socket.destroy();
    this.underWay = undefined;
    this.events.free(this);
  }

  /** A message with a descriptor is lost where the worker has no room for one more. */
  private giveUpLost(): void {
    if (this.underWay === undefined || this.deps.clock.nowMs() - this.sentMs < LOST_AFTER_MS) return;
    this.handed();
  }

  private ended(how: string): void {
    this.how ??= how;
    this.settle();
  }

  private closed(): void {
    this.isClosed = true;
    for (const answered of [...this.asked.values()]) answered(undefined);
    // A process that has closed its channel and lives is of no more use.
    if (this.how === undefined) this.child.kill('SIGKILL');
    this.settle();
  }

  /** Only when its channel is read to the end is it known what it took. */
  private settle(): void {
    if (this.isGone || this.how === undefined || !(this.isClosed || !this.channel.open)) return;
    this.isGone = true;
    this.isReady = false;
    const lost = this.underWay;
    this.underWay = undefined;
    this.events.gone(this, this.how, lost);
  }
}
