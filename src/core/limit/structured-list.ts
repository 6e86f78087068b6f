/**
 * Lists of Structured Fields (RFC 9651) whose members are all strings with parameters, as `RateLimit` and
 * `RateLimit-Policy` are. Only what tells such a list from anything else is parsed: names and validity.
 */

const KEY = /[a-z*][a-z0-9_\-.*]*/y;
const STRING = /"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"/y;
const BARE_ITEMS = [
  /-?(?:\d{1,12}\.\d{1,3}|\d{1,15})(?![\d.])/y,
  STRING,
  /[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*/y,
  /:[A-Za-z0-9+/=]*:/y,
  /\?[01]/y,
  /@-?\d{1,15}(?![\d.])/y,
  /%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"/y,
];

/** Longest match of a sticky pattern at `at`, or -1. */
function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

function endOfBareItem(text: string, at: number): number {
  for (const pattern of BARE_ITEMS) {
    const end = endOf(pattern, text, at);
    if (end >= 0) return end;
  }
  return -1;
}

function endOfParameters(text: string, at: number): number {
  while (text[at] === ';') {
    at++;
    while (text[at] === ' ') at++;
    at = endOf(KEY, text, at);
    if (at < 0) return -1;
    if (text[at] !== '=') continue;
    at = endOfBareItem(text, at + 1);
    if (at < 0) return -1;
  }
  return at;
}

function skip(text: string, at: number): number {
  while (text[at] === ' ' || text[at] === '\t') at++;
  return at;
}

/** The strings of such a list, in order, unescaped; undefined when the text is anything else. Empty text is an empty list. */
export function parseStringList(text: string): readonly string[] | undefined {
  const names: string[] = [];
  let at = skip(text, 0);
  if (at === text.length) return names;
  for (;;) {
    const end = endOf(STRING, text, at);
    if (end < 0) return undefined;
    names.push(text.slice(at + 1, end - 1).replace(/\\(.)/g, '$1'));
    at = endOfParameters(text, end);
    if (at < 0) return undefined;
    at = skip(text, at);
    if (at === text.length) return names;
    if (text[at] !== ',') return undefined;
    at = skip(text, at + 1);
    if (at === text.length) return undefined;
  }
}
