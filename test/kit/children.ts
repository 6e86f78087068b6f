import { execFileSync } from 'node:child_process';

interface Row {
  readonly pid: number;
  readonly parent: number;
}

/** All processes that live: one that has ended and whose parent has not asked does not. */
function processes(): Row[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=']).toString();
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  const living = rows.filter(([, , state]) => state !== undefined && !state.startsWith('Z'));
  return living.map(([pid, parent]) => ({ pid: Number(pid), parent: Number(parent) }));
}

/** Pids of the processes that a process has started and that live. */
export function childrenOf(pid: number): number[] {
  return processes().flatMap((one) => (one.parent === pid ? [one.pid] : []));
}

export function isAlive(pid: number): boolean {
  return processes().some((one) => one.pid === pid);
}
