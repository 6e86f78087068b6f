import { FieldCode } from '../field-code.ts';
import { listMembers } from '../fields.ts';
import type { RawFields } from './raw-fields.ts';

/** How the end of a body is found (RFC 9112 §6). A number is a Content-Length. */
export type Framing = number | 'chunked' | 'until-close';

/** Why a message has no framing that two readers would agree on; `unknown-coding` is answered 501, the rest 400. */
export type FramingError = 'ambiguous-length' | 'bad-length' | 'bad-coding' | 'unknown-coding';

export type FramingVerdict = { readonly framing: Framing | undefined } | { readonly error: FramingError };

const NONE: FramingVerdict = { framing: undefined };
const CHUNKED: FramingVerdict = { framing: 'chunked' };
const EMPTY: FramingVerdict = { framing: 0 };
const AMBIGUOUS: FramingVerdict = { error: 'ambiguous-length' };
const BAD_LENGTH: FramingVerdict = { error: 'bad-length' };
const BAD_CODING: FramingVerdict = { error: 'bad-coding' };
const UNKNOWN_CODING: FramingVerdict = { error: 'unknown-coding' };

/** Content-Length and Transfer-Encoding of one message, judged together. `framing: undefined`: neither is there. */
export function framingOf(fields: RawFields, http10: boolean): FramingVerdict {
  if (fields.has(FieldCode.framingLookalike)) return BAD_LENGTH;
  const lengths = fields.countOf(FieldCode.contentLength);
  if (fields.has(FieldCode.transferEncoding)) {
    if (lengths > 0 || http10) return AMBIGUOUS;
    return codingVerdict(fields.joined(FieldCode.transferEncoding) as string);
  }
  if (lengths === 0) return NONE;
  if (lengths > 1) return AMBIGUOUS;
  const length = parseLength(fields.valueAt(fields.indexOf(FieldCode.contentLength)));
  if (length === undefined) return BAD_LENGTH;
  return length === 0 ? EMPTY : { framing: length };
}

/** Exactly `chunked` is understood; anything before it is a coding this gateway cannot undo. */
function codingVerdict(value: string): FramingVerdict {
  if (value === 'chunked' || value.toLowerCase() === 'chunked') return CHUNKED;
  const codings = listMembers(value);
  const known = codings.every((coding) => /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(coding));
  if (!known) return BAD_CODING;
  const chunked = codings.filter((coding) => coding === 'chunked').length;
  if (chunked === 0) return UNKNOWN_CODING;
  return chunked === 1 && codings.at(-1) === 'chunked' ? UNKNOWN_CODING : BAD_CODING;
}

/**
 * A Content-Length with leading zeros or blanks behind it: valid, and passed on only in the form that every reader takes
 * for the same number.
 */
export function hasOddLength(fields: RawFields): boolean {
  const at = fields.indexOf(FieldCode.contentLength);
  if (at < 0) return false;
  if (fields.endsInBlank(at)) return true;
  const value = fields.valueAt(at);
  return value.length > 1 && value.charCodeAt(0) === 48;
}

/** `1*DIGIT` below 2^53, decimal whatever its leading zeros (RFC 9110 §8.6). */
function parseLength(text: string): number | undefined {
  let length = 0;
  if (text.length === 0) return undefined;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return undefined;
    length = length * 10 + digit;
    if (length > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return length;
}
