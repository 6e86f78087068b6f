import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A Lua script: its text and the SHA-1 by which the server knows it. */
export class Script {
  readonly text: string;
  readonly sha: string;

  constructor(text: string) {
    this.text = text;
    this.sha = createHash('sha1').update(text).digest('hex');
  }
}

function read(name: string): string {
  return readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
}

export const TAKE_SCRIPT = new Script(read('take'));
export const BEAT_SCRIPT = new Script(read('beat'));

/**
 * The same `take.lua` for tests in virtual time: now is the last argument instead of the server's clock, and keys outlive
 * their state by an hour, since the server's clock does not move with the virtual one.
 */
export function takeScriptInVirtualTime(): Script {
  const text = TAKE_SCRIPT.text
    .replace(/^local time = .*\nlocal now = .*$/m, 'local now = tonumber(ARGV[#ARGV])')
    .replace(/^local keepMs = 1$/m, 'local keepMs = 3600000');
  return new Script(text);
}
