import type { ChildProcess } from 'node:child_process';

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
