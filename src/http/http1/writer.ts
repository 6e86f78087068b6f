// Hot path: a head is one string; lines that pass unchanged are copied as slices of the raw head they came in.

import { FieldCode, fieldCodeOf, HOP_BY_HOP, maskOf } from '../field-code.ts';
import type { Fields } from '../fields.ts';
import { type OutgoingFields, type OutgoingRequest, renderLines } from '../head.ts';
import { RawFields } from './raw-fields.ts';

/** What the writer sets itself on a request. */
const DROP_FROM_REQUEST = HOP_BY_HOP | maskOf(FieldCode.contentLength, FieldCode.host, FieldCode.expect);
const DROP_FROM_RESPONSE = HOP_BY_HOP | maskOf(FieldCode.contentLength);
const DROP_HEADS_LENGTH = HOP_BY_HOP;

/** Appends the lines of `head.fields` less what is dropped, then `head.shared` and `head.extra`. */
function appendFields(out: string, head: OutgoingFields, codecMask: number): string {
  const fields = head.fields;
  const dropMask = codecMask | head.dropCodes;
  if (fields instanceof RawFields) {
    if ((fields.seen & dropMask) === 0 && head.drop === undefined) {
      out += fields.raw.slice(fields.lineStartAt(0), fields.end);
    } else out = appendSlices(out, fields, dropMask, head.drop);
  } else out = appendLines(out, fields, dropMask, head.drop);
  if (head.shared !== undefined) out += head.shared.http1;
  return renderLines(out, head.extra);
}

function appendSlices(out: string, fields: RawFields, dropMask: number, drop: ReadonlySet<string> | undefined): string {
  let from = -1;
  for (let index = 0; index < fields.count; index++) {
    const dropped = ((dropMask >> fields.codeAt(index)) & 1) === 1 || drop?.has(fields.nameAt(index)) === true;
    if (!dropped && from < 0) from = fields.lineStartAt(index);
    else if (dropped && from >= 0) {
      out += fields.raw.slice(from, fields.lineStartAt(index));
      from = -1;
    }
  }
  return from < 0 ? out : out + fields.raw.slice(from, fields.end);
}

function appendLines(out: string, fields: Fields, dropMask: number, drop: ReadonlySet<string> | undefined): string {
  fields.each((name, value) => {
    if (((dropMask >> fieldCodeOf(name)) & 1) === 0 && drop?.has(name) !== true) out += `${name}: ${value}\r\n`;
  });
  return out;
}

/** The head of a request to an endpoint. A body of unknown length is sent chunked. */
export function requestHeadText(request: OutgoingRequest): string {
  let out = `${request.method} ${request.target} HTTP/1.1\r\nHost: ${request.host}\r\n`;
  out = appendFields(out, request, DROP_FROM_REQUEST);
  if (request.bodyLength !== undefined) out += `Content-Length: ${request.bodyLength}\r\n`;
  else if (request.hasBody) out += 'Transfer-Encoding: chunked\r\n';
  if (request.expectsContinue) out += 'Expect: 100-continue\r\n';
  if (request.upgrade !== undefined) out += `Connection: Upgrade\r\nUpgrade: ${request.upgrade}\r\n`;
  return `${out}\r\n`;
}

/** How the end of a response body is told to the client. */
export type ResponseFraming =
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' }
  /** No body; a Content-Length of the upstream's own is kept (HEAD, 304). */
  | { readonly kind: 'none' };

const CHUNKED_LINE = 'Transfer-Encoding: chunked\r\n';

/** `connection`: what is said about the connection, e.g. `Connection: close\r\n`, or ''. */
export function responseHeadText(
  status: number,
  reasonPhrase: string,
  head: OutgoingFields,
  framing: ResponseFraming,
  connection: string,
): string {
  const keepsLength = framing.kind === 'none' && status !== 204 && status >= 200;
  const mask = keepsLength ? DROP_HEADS_LENGTH : DROP_FROM_RESPONSE;
  let out = appendFields(`HTTP/1.1 ${status} ${reasonPhrase}\r\n`, head, mask);
  if (framing.kind === 'length') out += `Content-Length: ${framing.length}\r\n`;
  else if (framing.kind === 'chunked') out += CHUNKED_LINE;
  return `${out}${connection}\r\n`;
}

/** A trailer section behind the last chunk. */
export function lastChunkText(trailers: Fields | undefined): string {
  if (trailers === undefined) return '0\r\n\r\n';
  let out = '0\r\n';
  trailers.each((name, value) => {
    out += `${name}: ${value}\r\n`;
  });
  return `${out}\r\n`;
}
