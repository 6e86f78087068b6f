import type { RequestParser } from '../../src/http/http1/request-parser.ts';
import type { ResponseParser } from '../../src/http/http1/response-parser.ts';

/** What a parser keeps to itself: measured, and broken on purpose, by the fuzz alone. */
interface Insides {
  readonly partial: { readonly bytes: Buffer };
  readonly body: {
    readonly state: number;
    readonly trailers: { readonly bytes: Buffer };
    readChunkLine(code: number): boolean;
  };
}

/** States of the body decoder that mutants look at. */
export const SIZE_LINE = 3;
export const BEHIND_DATA = 6;

export function insidesOf(parser: RequestParser | ResponseParser): Insides {
  return parser as unknown as Insides;
}

/** Octets that a parser holds between two reads. */
export function keptBytes(parser: RequestParser | ResponseParser): number {
  const { partial, body } = insidesOf(parser);
  return partial.bytes.length + body.trailers.bytes.length;
}
