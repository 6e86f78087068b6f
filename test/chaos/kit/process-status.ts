import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Resident memory of a process in bytes (proc(5)). */
export function rssBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Resident memory sampled over time. */
export class RssSampler {
  readonly samples: { readonly atMs: number; readonly bytes: number }[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number, intervalMs = 20) {
    this.#timer = setInterval(() => this.samples.push({ atMs: performance.now(), bytes: rssBytes(pid) }), intervalMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  peakBytes(fromMs = 0): number {
    return Math.max(...this.samples.filter(({ atMs }) => atMs >= fromMs).map(({ bytes }) => bytes));
  }

  /** Median of the samples between two moments. */
  medianBytes(fromMs: number, toMs: number): number {
    const inside = this.samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).map(({ bytes }) => bytes);
    return inside.sort((a, b) => a - b)[Math.floor(inside.length / 2)] ?? 0;
  }
}

export function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 102.4) / 10;
}

const canPin = availableParallelism() > 1 && spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0;

/** A command bound to one core where the machine has several and `taskset` is there: gateways on 0, load and endpoints on 1. */
export function pinned(core: 0 | 1, command: readonly string[]): readonly string[] {
  return canPin ? ['taskset', '-c', String(core), ...command] : command;
}
