import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

const children = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/** However this script ends, the child ends too. */
export function endsWithThis(child: ChildProcess): void {
  children.add(child);
  child.once('exit', () => children.delete(child));
}

/** A script that is not done by then is broken. */
export function endAfter(seconds: number): void {
  const late = (): void => {
    process.stderr.write(`not done within ${seconds} s\n`);
    process.exit(1);
  };
  setTimeout(late, seconds * 1000).unref();
}

/** Node raises its own limit of descriptors as far as it may: ends here, in one line, where that is not far enough. */
export function descriptorsFor(count: number): void {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? 'unlimited';
  if (hard === 'unlimited' || Number(hard) >= count) return;
  process.stderr.write(`this needs ${count} descriptors and may have ${hard}: raise it, e.g. ulimit -Hn ${count}\n`);
  process.exit(1);
}
