import { execFileSync } from 'node:child_process';

interface Row {
  readonly pid: number;
  readonly parent: number;
  /** What it calls itself, or how it was started. */
  readonly title: string;
}

/** All processes that live: one that has ended and whose parent has not asked does not. */
function processes(): Row[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,args=']).toString();
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  const living = rows.filter(([, , state]) => state !== undefined && !state.startsWith('Z'));
  return living.map(([pid, parent, , ...title]) => ({
    pid: Number(pid),
    parent: Number(parent),
    title: title.join(' '),
  }));
}

/** Pids of the processes that a process has started and that live. */
export function childrenOf(pid: number): number[] {
  return processes().flatMap((one) => (one.parent === pid ? [one.pid] : []));
}

/** Of a gateway's workers, without the spare one that waits for its turn. */
export function workersOf(pid: number): number[] {
  return processes().flatMap((one) => (one.parent === pid && /^headgate worker \d/.test(one.title) ? [one.pid] : []));
}

export function isAlive(pid: number): boolean {
  return processes().some((one) => one.pid === pid);
}
