// Hot path: a head is one string; lines that pass unchanged are copied as slices of the raw head they came in.

import { FieldCode, fieldCodeOf, HOP_BY_HOP, maskOf } from '../field-code.ts';
import { type Fields, listMembers } from '../fields.ts';
import { type OutgoingFields, type OutgoingRequest, renderLines } from '../head.ts';
import { hasOddLength } from './framing.ts';
import { flat } from './octets.ts';
import { RawFields } from './raw-fields.ts';
import { Http1RequestHead } from './request-head.ts';
import { Http1ResponseHead } from './response-head.ts';

/** What the writer sets itself. */
const SET_ON_REQUEST = HOP_BY_HOP | maskOf(FieldCode.expect);
const REQUEST_LINE_AND_LENGTH = maskOf(FieldCode.host, FieldCode.contentLength);
const LENGTH = maskOf(FieldCode.contentLength);

const ID_START = 'X-Request-Id: ';

/** Appends the lines of `head.fields` less what is dropped, then those that are added. */
function appendFields(out: string, head: OutgoingFields, codecMask: number): string {
  const { fields } = head;
  const dropMask = codecMask | head.dropCodes;
  if (fields instanceof RawFields) out += rawLines(fields, fields.lineStartAt(0), dropMask, head.drop);
  else out = appendLines(out, fields, dropMask, head.drop);
  if (head.shared !== undefined) out += head.shared.http1;
  if (head.requestId !== '') out += ID_START;
  return appendVarying(out, head);
}

/** `out` ends where the request's id is to follow. */
function appendVarying(out: string, { requestId, varying, extra }: OutgoingFields): string {
  if (requestId !== '') out += `${requestId}\r\n`;
  if (varying !== undefined) out += varying.http1;
  return extra === undefined ? out : renderLines(out, extra);
}

/**
 * Start line and lines as they came, less those that are dropped, and all that is added. A head that comes again equal to
 * the octet, as from most clients and endpoints, is put together once.
 */
function asItCame(fields: RawFields, head: OutgoingFields, dropMask: number): string {
  const { written } = fields;
  const { shared, drop } = head;
  const withId = head.requestId !== '';
  const isSame =
    written.text !== '' && written.shared === shared && written.dropMask === dropMask && written.withId === withId;
  if (isSame && drop === undefined) {
    if (!written.isFlat) {
      written.text = flat(written.text);
      written.isFlat = true;
    }
    return appendVarying(written.text, head);
  }
  let text = rawLines(fields, 0, dropMask, drop);
  if (shared !== undefined) text += shared.http1;
  if (withId) text += ID_START;
  if (drop === undefined) {
    written.text = text;
    written.isFlat = false;
    written.shared = shared;
    written.dropMask = dropMask;
    written.withId = withId;
  }
  return appendVarying(text, head);
}

/** The raw text from `from` (the first line, or the start line before it) on, less the lines that are dropped. */
function rawLines(fields: RawFields, from: number, dropMask: number, drop: ReadonlySet<string> | undefined): string {
  if ((fields.seen & dropMask) === 0 && drop === undefined) return fields.raw.slice(from, fields.end);
  let out = '';
  let start = from;
  for (let index = 0; index < fields.count; index++) {
    const dropped = ((dropMask >> fields.codeAt(index)) & 1) === 1 || drop?.has(fields.nameAt(index)) === true;
    if (!dropped && start < 0) start = fields.lineStartAt(index);
    else if (dropped && start >= 0) {
      const end = fields.lineStartAt(index);
      if (end > start) out += fields.raw.slice(start, end);
      start = -1;
    }
  }
  return start < 0 ? out : out + fields.raw.slice(start, fields.end);
}

function appendLines(out: string, fields: Fields, dropMask: number, drop: ReadonlySet<string> | undefined): string {
  fields.each((name, value) => {
    if (((dropMask >> fieldCodeOf(name)) & 1) === 0 && drop?.has(name) !== true) out += `${name}: ${value}\r\n`;
  });
  return out;
}

/** The head of a request to an endpoint. A body of unknown length is sent chunked. */
export function requestHeadText(request: OutgoingRequest): string {
  let out = passesAsItCame(request)
    ? asItCame(request.fields, request, SET_ON_REQUEST | request.dropCodes)
    : madeAnew(request);
  if (request.hasBody && request.bodyLength === undefined) out += 'Transfer-Encoding: chunked\r\n';
  if (request.expectsContinue) out += 'Expect: 100-continue\r\n';
  if (request.upgrade !== undefined) out += `Connection: Upgrade\r\nUpgrade: ${request.upgrade}\r\n`;
  else if (request.fields.has(FieldCode.te) && takesTrailers(request)) out += 'Connection: TE\r\nTE: trailers\r\n';
  return `${out}\r\n`;
}

/** `TE: trailers` holds on either side of a gateway that passes trailers on; of TE nothing else does (RFC 9110 §10.1.4). */
function takesTrailers({ fields, drop }: OutgoingRequest): boolean {
  return listMembers(fields.get('te') ?? '').includes('trailers') && drop?.has('te') !== true;
}

/** Whether request line, Host and Content-Length are those that came: then they need not be put together again. */
function passesAsItCame(request: OutgoingRequest): request is OutgoingRequest & { readonly fields: Http1RequestHead } {
  const { fields } = request;
  return (
    fields instanceof Http1RequestHead &&
    fields.isPlain &&
    request.target === fields.target &&
    request.host === fields.authority &&
    request.method === fields.method
  );
}

function madeAnew(request: OutgoingRequest): string {
  const line = `${request.method} ${request.target} HTTP/1.1\r\nHost: ${request.host}\r\n`;
  const out = appendFields(line, request, SET_ON_REQUEST | REQUEST_LINE_AND_LENGTH);
  return request.bodyLength === undefined ? out : `${out}Content-Length: ${request.bodyLength}\r\n`;
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
  const keepsLength = isLengthKept(status, head.fields, framing);
  const mask = keepsLength ? HOP_BY_HOP : HOP_BY_HOP | LENGTH;
  let out = isLineKept(status, reasonPhrase, head.fields)
    ? asItCame(head.fields, head, mask | head.dropCodes)
    : appendFields(`HTTP/1.1 ${status} ${reasonPhrase}\r\n`, head, mask);
  if (framing.kind === 'chunked') out += CHUNKED_LINE;
  else if (framing.kind === 'length' && !keepsLength) out += `Content-Length: ${framing.length}\r\n`;
  else if (framing.kind === 'none' && !keepsLength && status >= 200 && status !== 204) out += plainLength(head.fields);
  return `${out}${connection}\r\n`;
}

/** An endpoint's own Content-Length passes where it is the body's, and where there is none (HEAD, 304). */
function isLengthKept(status: number, fields: Fields, framing: ResponseFraming): boolean {
  if (framing.kind === 'none')
    return status !== 204 && status >= 200 && !(fields instanceof RawFields && hasOddLength(fields));
  if (framing.kind !== 'length' || !(fields instanceof Http1ResponseHead)) return false;
  return fields.framing === framing.length && fields.has(FieldCode.contentLength) && !hasOddLength(fields);
}

/** The length of a body that is not sent (HEAD, 304), where it came in an odd form. */
function plainLength(fields: Fields): string {
  return `Content-Length: ${Number(fields.get('content-length'))}\r\n`;
}

function isLineKept(status: number, reasonPhrase: string, fields: Fields): fields is Http1ResponseHead {
  // RFC 9112 §4 wants a space behind the status, which some leave out with the phrase.
  if (!(fields instanceof Http1ResponseHead) || fields.http10 || fields.raw.charCodeAt(12) !== 32) return false;
  return fields.status === status && fields.reasonPhrase === reasonPhrase;
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
