import type { Writable } from 'node:stream';

/** Exit codes of every verb. */
export const EXIT = { good: 0, invalid: 1, usage: 2 } as const;

/** What was typed cannot be understood: one line, exit 2. */
export class UsageError extends Error {}

/** What was asked cannot be done: one line, exit 1. */
export class CommandError extends Error {}

const DRAIN_MS = 1000;

/** Ends the process once what was printed has been taken, or after a second when nobody reads. */
export async function exitWith(code: number): Promise<never> {
  await Promise.all([drained(process.stdout), drained(process.stderr)]);
  process.exit(code);
}

function drained(stream: Writable): Promise<void> {
  if (stream.writableLength === 0 || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, DRAIN_MS);
    stream.once('error', () => resolve());
    stream.write('', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
