import { listMembers } from '../fields.ts';

/** What a Connection field says (RFC 9110 §7.6.1). */
export interface ConnectionOptions {
  readonly close: boolean;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
  /** Lower-case names of further fields that belong to this connection only; undefined when there are none. */
  readonly named: ReadonlySet<string> | undefined;
}

const NO_OPTIONS: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, named: undefined };
const KEEP_ALIVE: ConnectionOptions = { ...NO_OPTIONS, keepAlive: true };
const CLOSE: ConnectionOptions = { ...NO_OPTIONS, close: true };

/** Fields that Connection cannot take away: the message would change its meaning. */
const PROTECTED = new Set(['host', 'content-length', 'transfer-encoding', 'authorization', 'cookie', 'expect']);
const WELL_KNOWN = new Set(['close', 'keep-alive', 'upgrade', 'te', 'proxy-connection', '']);

export function connectionOptions(value: string | undefined): ConnectionOptions {
  if (value === undefined) return NO_OPTIONS;
  if (value === 'keep-alive' || value === 'Keep-Alive') return KEEP_ALIVE;
  if (value === 'close') return CLOSE;
  const options = listMembers(value);
  const named = options.filter((option) => !WELL_KNOWN.has(option) && !PROTECTED.has(option));
  return {
    close: options.includes('close'),
    keepAlive: options.includes('keep-alive'),
    upgrade: options.includes('upgrade'),
    named: named.length === 0 ? undefined : new Set(named),
  };
}
