import type { Field } from '../kit/strict-http.ts';

/** Which fields pass, by the words of RFC 9110, for the oracles of both directions. */

/** Of the connection, not of the message (RFC 9110 §7.6.1). */
const HOP_BY_HOP = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade', 'http2-settings'],
  'proxy-authorization',
]);
/** Connection cannot take these away. */
const KEPT = new Set(['host', 'content-length', 'transfer-encoding', 'authorization', 'cookie', 'expect']);
const NONE: ReadonlySet<string> = new Set();

/** Names in Connection, less those that it cannot take away. */
export function namedBy(fields: readonly Field[]): ReadonlySet<string> {
  const lines = fields.filter(([name]) => name.toLowerCase() === 'connection');
  if (lines.length === 0) return NONE;
  const names = lines.flatMap(([, value]) => value.toLowerCase().split(','));
  return new Set(names.map((name) => name.replace(/^[ \t]+|[ \t]+$/g, '')).filter((name) => !KEPT.has(name)));
}

/** Field lines that are to pass untouched, in one text. `isOurs`: what the gateway writes or drops itself. */
export function passing(
  fields: readonly Field[],
  named: ReadonlySet<string>,
  isOurs: (name: string) => boolean,
): string {
  let text = '';
  for (const [spelled, value] of fields) {
    const name = spelled.toLowerCase();
    if (!HOP_BY_HOP.has(name) && !named.has(name) && !isOurs(name)) text += `${name}: ${value}\n`;
  }
  return text;
}

/** All field lines in one text. */
export function allOf(fields: readonly Field[]): string {
  return fields.map(([name, value]) => `${name.toLowerCase()}: ${value}\n`).join('');
}

/** Trailers that nothing forbids: extension fields that say nothing about the way. */
function freeTrailers(trailers: readonly Field[], named: ReadonlySet<string>): string {
  return passing(trailers, named, (name) => !/^x-(?!forwarded|real|request|client|original)/.test(name));
}

export function differing(meant: string, seen: string, what: string): string | undefined {
  return meant === seen ? undefined : `the ${what} ${JSON.stringify(seen)} for ${JSON.stringify(meant)}`;
}

interface BodyRead {
  readonly body: string;
  readonly trailers: readonly Field[];
}

/** How a body and its trailers as they came differ from what was made of them. `text` is the message, to be shown. */
export function differsFromInput(
  came: BodyRead,
  made: BodyRead,
  named: ReadonlySet<string>,
  text: string,
): string | undefined {
  if (came.body !== made.body) return `another body than came: ${JSON.stringify(text)}`;
  return differing(freeTrailers(came.trailers, named), freeTrailers(made.trailers, named), 'trailers');
}
