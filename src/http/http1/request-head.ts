// Hot path: see raw-fields.ts.
import type { FailureName } from '../../errors.ts';
import { FieldCode } from '../field-code.ts';
import type { ProtocolVersion, RequestHead } from '../head.ts';
import { hostOf } from './authority.ts';
import { TARGET, TOKEN } from './chars.ts';
import { type ConnectionOptions, connectionOptions } from './connection-options.ts';
import { type Framing, type FramingError, framingOf, hasOddLength } from './framing.ts';
import { RawFields } from './raw-fields.ts';

export interface HeadLimits {
  /** Octets of the whole head, request line included. */
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  /** The connection is encrypted: `https` targets are its own, in clear they are refused (RFC 9110 §7.4). */
  readonly isSecure?: boolean;
}

/** A request that is refused before it becomes an exchange. */
export interface HeadError {
  readonly kind: FailureName;
  readonly detail: string;
}

/** The longest registered method has 17 letters (UPDATEREDIRECTREF). */
const MAX_METHOD = 64;

const refuse = (kind: FailureName, detail: string): HeadError => ({ kind, detail });

const BAD_REQUEST_LINE = refuse('bad-request', 'The request line is not valid.');
const METHOD_TOO_LONG = refuse('not-implemented', 'No method has a name this long.');
const NO_CONNECT = refuse('not-implemented', 'CONNECT is not implemented.');
const BAD_FIELDS = refuse('bad-request', 'A header field is not valid.');
const BAD_TARGET = refuse('bad-request', 'The request target is not valid.');
const BAD_HOST = refuse('bad-request', 'A request needs exactly one valid Host.');
const BAD_VERSION = refuse('version-not-supported', 'Only HTTP/1.0 and HTTP/1.1 are spoken here.');
const TOO_MANY_FIELDS = refuse('fields-too-large', 'Too many header fields.');
const FRAMING_ERRORS: Record<FramingError, HeadError> = {
  'ambiguous-length': refuse('bad-request', 'The length of the body is ambiguous.'),
  'bad-length': refuse('bad-request', 'Content-Length is not valid.'),
  'bad-coding': refuse('bad-request', 'Transfer-Encoding is not valid.'),
  'unknown-coding': refuse('not-implemented', 'This transfer coding is not implemented; chunked is.'),
};

/** The head of an HTTP/1 request; one object serves a connection for its life. */
export class Http1RequestHead extends RawFields implements RequestHead {
  method = '';
  path = '';
  query = '';
  target = '';
  /** Origin-form and HTTP/1.1: request line and Host may be passed on as they came. */
  isPlain = false;
  authority = '';
  host = '';
  version: ProtocolVersion = 'HTTP/1.1';
  framing: Framing | undefined = undefined;
  options: ConnectionOptions = connectionOptions(undefined);
  upgrade: string | undefined = undefined;
  expectsContinue = false;
  /** `raw` was read without an error. */
  private isGood = false;
  private readonly limits: HeadLimits;

  constructor(limits: HeadLimits) {
    super();
    this.limits = limits;
  }

  get hasBody(): boolean {
    return this.framing !== undefined && this.framing !== 0;
  }

  get connectionNamed(): ReadonlySet<string> | undefined {
    return this.options.named;
  }

  get bodyLength(): number | undefined {
    return typeof this.framing === 'number' ? this.framing : undefined;
  }

  /** Whether the client may send another request on this connection (RFC 9112 §9.3). */
  get persistent(): boolean {
    return this.version === 'HTTP/1.1' ? !this.options.close : this.options.keepAlive && !this.options.close;
  }

  /** Reads a whole head, its empty line included. Returns what is wrong with it, or undefined when it is good. */
  read(raw: string): HeadError | undefined {
    // A keep-alive client often repeats itself to the octet: what was read of the same head still stands.
    if (raw === this.raw && this.isGood) return undefined;
    this.isGood = false;
    const error = this.readAnew(raw);
    this.isGood = error === undefined;
    return error;
  }

  /** Whatever was read before is not what comes now. */
  forget(): void {
    this.isGood = false;
    this.method = '';
    this.path = '';
  }

  private readAnew(raw: string): HeadError | undefined {
    this.method = '';
    this.path = '';
    this.isPlain = false;
    const methodEnd = raw.indexOf(' ');
    const targetEnd = raw.indexOf(' ', methodEnd + 1);
    if (methodEnd < 1 || targetEnd < 0) return BAD_REQUEST_LINE;
    for (let at = 0; at < methodEnd; at++) if (TOKEN[raw.charCodeAt(at)] !== 1) return BAD_REQUEST_LINE;
    if (methodEnd > MAX_METHOD) return METHOD_TOO_LONG;
    if (!raw.startsWith('HTTP/', targetEnd + 1)) return BAD_REQUEST_LINE;
    const lineEnd = targetEnd + 9;
    if (raw.charCodeAt(lineEnd) !== 13 || raw.charCodeAt(lineEnd + 1) !== 10) return BAD_REQUEST_LINE;
    const version = raw.slice(targetEnd + 6, lineEnd);
    if (version !== '1.1') {
      if (!/^\d\.\d$/.test(version)) return BAD_REQUEST_LINE;
      if (version.charCodeAt(0) !== 49) return BAD_VERSION;
    }
    this.version = version === '1.0' ? 'HTTP/1.0' : 'HTTP/1.1';
    this.method = raw.slice(0, methodEnd);
    const fieldsError = this.scan(raw, lineEnd + 2, this.limits.maxHeaders);
    if (fieldsError !== undefined) return fieldsError === 'syntax' ? BAD_FIELDS : TOO_MANY_FIELDS;
    return this.readFraming() ?? this.readTarget(raw, methodEnd + 1, targetEnd) ?? this.readOptions();
  }

  private readFraming(): HeadError | undefined {
    if ((this.seen & FRAMING_FIELDS) === 0) {
      this.framing = undefined;
      return undefined;
    }
    const verdict = framingOf(this, this.version === 'HTTP/1.0');
    if ('error' in verdict) return FRAMING_ERRORS[verdict.error];
    this.framing = verdict.framing;
    return undefined;
  }

  private readTarget(raw: string, start: number, end: number): HeadError | undefined {
    let queryAt = -1;
    for (let at = start; at < end; at++) {
      const code = raw.charCodeAt(at);
      if (TARGET[code] !== 1 && (queryAt < 0 || TARGET[code] === 0)) return BAD_TARGET;
      if (code === 63 && queryAt < 0) queryAt = at;
    }
    if (this.method === 'CONNECT') {
      this.path = '';
      return this.readHost(undefined) ?? NO_CONNECT;
    }
    if (raw.charCodeAt(start) === 47) {
      this.path = raw.slice(start, queryAt < 0 ? end : queryAt);
      this.query = queryAt < 0 ? '' : raw.slice(queryAt, end);
      this.target = queryAt < 0 ? this.path : raw.slice(start, end);
      const error = this.readHost(undefined);
      this.isPlain = error === undefined && raw.charCodeAt(end + 8) === 49 && !hasOddLength(this);
      return error;
    }
    return this.readOtherForm(raw.slice(start, end));
  }

  /** Absolute-form and `*` (RFC 9112 §3.2.2, §3.2.4). */
  private readOtherForm(target: string): HeadError | undefined {
    this.query = '';
    if (target === '*') {
      this.path = '*';
      this.target = '*';
      return this.method === 'OPTIONS' ? this.readHost(undefined) : BAD_TARGET;
    }
    const scheme = this.limits.isSecure === true ? /^https?:/i : /^http:/i;
    const match = /^https?:\/\/([^/?]*)([^?]*)(\?.*)?$/i.exec(target);
    if (match === null || !scheme.test(target)) return BAD_TARGET;
    this.path = match[2] || (this.method === 'OPTIONS' && match[3] === undefined ? '*' : '/');
    this.query = match[3] ?? '';
    this.target = this.path + this.query;
    return this.readHost(match[1] as string);
  }

  /** The authority of an absolute-form target wins over Host, which must be valid all the same. */
  private readHost(authority: string | undefined): HeadError | undefined {
    const at = this.indexOf(FieldCode.host);
    if (at < 0) {
      if (this.version === 'HTTP/1.1') return BAD_HOST;
      this.authority = authority ?? '';
    } else {
      if (this.countOf(FieldCode.host) !== 1) return BAD_HOST;
      const value = this.valueAt(at);
      if (hostOf(value) === undefined) return BAD_HOST;
      this.authority = authority ?? value;
    }
    const host = this.authority === '' && authority === undefined ? '' : hostOf(this.authority);
    if (host === undefined) return BAD_TARGET;
    this.host = host;
    return undefined;
  }

  private readOptions(): HeadError | undefined {
    this.options = connectionOptions(this.joined(FieldCode.connection));
    this.upgrade = undefined;
    this.expectsContinue = false;
    if ((this.seen & RARE_FIELDS) === 0) return undefined;
    if (this.options.upgrade && this.method === 'GET' && this.version === 'HTTP/1.1' && !this.hasBody) {
      const protocol = this.joined(FieldCode.upgrade)?.toLowerCase();
      if (protocol === 'websocket') this.upgrade = protocol;
    }
    const expect = this.joined(FieldCode.expect);
    if (expect === undefined || this.version === 'HTTP/1.0') return undefined;
    if (expect.toLowerCase() !== '100-continue') {
      return refuse('expectation-failed', 'Only the expectation 100-continue is known.');
    }
    this.expectsContinue = this.hasBody;
    return undefined;
  }
}

const FRAMING_FIELDS =
  (1 << FieldCode.contentLength) | (1 << FieldCode.transferEncoding) | (1 << FieldCode.framingLookalike);
const RARE_FIELDS = (1 << FieldCode.upgrade) | (1 << FieldCode.expect);
