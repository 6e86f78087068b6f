import type { Rng } from './rng.ts';

/** What readers of HTTP/1 have stumbled over: put in, or in the place of something else. */
const TOKENS = [
  ...[
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\n\n',
    '\r\r\n',
    ' ',
    '\t',
    '\0',
    '\x0b',
    '\x0c',
    '\x7f',
    '\x80',
    '\x85',
    '\xa0',
  ],
  ...[
    '\xff',
    ':',
    ' :',
    ',',
    ';',
    '"',
    '\\',
    '%',
    '#',
    '?',
    '/',
    '*',
    '0',
    '5',
    'f',
    '+',
    '-',
    '0x',
    '=',
    '\x01',
    '\x1b',
  ],
  ...['Transfer-Encoding: chunked\r\n', 'Content-Length: 5\r\n', 'Content-Length: 0\r\n', 'Host: h\r\n', 'chunked'],
  ...[
    'Connection: close\r\n',
    'Connection: host, te\r\n',
    'Expect: 100-continue\r\n',
    ' HTTP/1.1',
    'HTTP/1.0',
    'HTTP/2.0',
  ],
  ...[
    '0\r\n\r\n',
    '5\r\nhello\r\n',
    'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n',
    'X: ',
    '5;a=b',
    ';a="',
    '\r\n folded',
  ],
];

/** One to three changes at random places; texts are octets, one a character. */
export function mutate(text: string, rng: Rng, others: readonly string[]): string {
  let mutated = text;
  for (let left = 1 + rng.below(3); left > 0; left--) mutated = change(mutated, rng, others);
  return mutated;
}

function change(text: string, rng: Rng, others: readonly string[]): string {
  const at = place(text, rng);
  switch (rng.below(10)) {
    case 0:
    case 1:
      return text.slice(0, at) + rng.pick(TOKENS) + text.slice(at);
    case 2:
      return text.slice(0, at) + text.slice(at + 1 + rng.below(3));
    case 3:
      return text.slice(0, at) + rng.pick(TOKENS) + text.slice(at + 1);
    case 4:
      return text.slice(0, at) + String.fromCharCode(rng.below(256)) + text.slice(at + rng.below(2));
    case 5:
      return changedLines(text, rng);
    case 6:
      return text.slice(0, at) + text.slice(at, at + 1 + rng.below(12)).repeat(2) + text.slice(at + 1);
    case 7:
      return text.slice(0, at);
    case 8: {
      const other = rng.pick(others);
      return text.slice(0, at) + other.slice(place(other, rng));
    }
    default:
      return digitChanged(text, rng);
  }
}

/** Half of the time next to what has a meaning: a line end, a colon, a blank. */
function place(text: string, rng: Rng): number {
  const at = rng.below(text.length + 1);
  if (rng.chance(0.5)) return at;
  const near = text.indexOf(rng.pick(['\r', ':', ' ', '\n', '\r\n\r\n', ',', ';']), at);
  return near < 0 ? at : Math.min(text.length, near + rng.below(3));
}

function changedLines(text: string, rng: Rng): string {
  const lines = text.split('\r\n');
  const at = rng.below(lines.length);
  const other = rng.below(lines.length);
  const kind = rng.below(4);
  if (kind === 0) lines.splice(at, 1);
  else if (kind === 1) lines.splice(at, 0, lines[other] as string);
  else [lines[at], lines[other]] = [lines[other] as string, lines[at] as string];
  return kind === 3 ? lines.join('\r\n').replace('\r\n', rng.pick(['\n', '\r', '\r\r\n', '\n\r'])) : lines.join('\r\n');
}

/** Lengths and chunk sizes that are off by a little. */
function digitChanged(text: string, rng: Rng): string {
  const found = /[0-9a-f](?=[^0-9a-f]|$)/gi;
  found.lastIndex = rng.below(text.length + 1);
  const match = found.exec(text);
  if (match === null) return text;
  const digit = rng.pick(['0', '1', '2', '4', '6', '9', 'A', 'f', '00', '10', 'ffffffffffffff', '']);
  return text.slice(0, match.index) + digit + text.slice(match.index + 1);
}

/** The octets in pieces, as they may come from a socket. */
export function cut(octets: Buffer, rng: Rng): Buffer[] {
  if (octets.length < 200 && rng.chance(0.2)) return Array.from(octets, (_, at) => octets.subarray(at, at + 1));
  const edges = new Set([0, octets.length]);
  for (let left = 1 + rng.below(5); left > 0; left--) edges.add(rng.below(octets.length + 1));
  const sorted = [...edges].sort((a, b) => a - b);
  return sorted.slice(1).map((end, index) => octets.subarray(sorted[index], end));
}
