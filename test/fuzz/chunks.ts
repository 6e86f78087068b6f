import type { Field } from '../kit/strict-http.ts';

/**
 * Chunked coding (RFC 9112 §7.1) as one regular expression a line: slow, and sharing nothing with the decoder. It is asked
 * where llhttp refuses what the grammar allows: blanks around `;` and `=` in chunk extensions.
 */
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"';
const SIZE_LINE = new RegExp(
  `^([0-9A-Fa-f]+)(?:[ \\t]*;[ \\t]*${TOKEN}(?:[ \\t]*=[ \\t]*(?:${TOKEN}|${QUOTED}))?)*\\r\\n`,
);
const FIELD_LINE = new RegExp(`^(${TOKEN}):[ \\t]*([\\t -~\\x80-\\xff]*?)[ \\t]*\\r\\n`);

export interface ChunkedReading {
  readonly body: string;
  readonly trailers: Field[];
}

/** Reads `octets` as exactly one chunked body; undefined when it is none, or not whole, or more. */
export function readChunked(octets: string): ChunkedReading | undefined {
  let rest = octets;
  let body = '';
  for (;;) {
    const line = SIZE_LINE.exec(rest);
    if (line === null) return undefined;
    rest = rest.slice(line[0].length);
    const size = Number.parseInt(line[1] as string, 16);
    if (size === 0) break;
    if (rest.slice(size, size + 2) !== '\r\n') return undefined;
    body += rest.slice(0, size);
    rest = rest.slice(size + 2);
  }
  const trailers: Field[] = [];
  for (let line = FIELD_LINE.exec(rest); line !== null; line = FIELD_LINE.exec(rest)) {
    trailers.push([line[1] as string, line[2] as string]);
    rest = rest.slice(line[0].length);
  }
  return rest === '\r\n' ? { body, trailers } : undefined;
}
