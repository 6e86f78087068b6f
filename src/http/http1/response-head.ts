// Hot path: see raw-fields.ts.

import { FieldCode } from '../field-code.ts';
import type { ProtocolVersion, ResponseHead } from '../head.ts';
import { FIELD_VALUE } from './chars.ts';
import { type ConnectionOptions, connectionOptions } from './connection-options.ts';
import { type Framing, framingOf } from './framing.ts';
import { RawFields } from './raw-fields.ts';

/** The head of an HTTP/1 response; one object serves a connection for its life. */
export class Http1ResponseHead extends RawFields implements ResponseHead {
  status = 0;
  reasonPhrase = '';
  http10 = false;
  framing: Framing = 0;
  /** `raw` was read without an error, as the answer to `method`. */
  private isGood = false;
  private method = '';
  options: ConnectionOptions = connectionOptions(undefined);

  get version(): ProtocolVersion {
    return this.http10 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  get connectionNamed(): ReadonlySet<string> | undefined {
    return this.options.named;
  }

  get bodyLength(): number | undefined {
    return typeof this.framing === 'number' ? this.framing : undefined;
  }

  /** Reads a whole head. `method` is that of the request: HEAD has no body (RFC 9112 §6.3). Returns what is wrong. */
  read(raw: string, method: string, maxHeaders: number): string | undefined {
    // As for requests: an endpoint's answers are often alike to the octet.
    if (raw === this.raw && method === this.method && this.isGood) return undefined;
    this.isGood = false;
    this.method = method;
    const problem = this.readAnew(raw, method, maxHeaders);
    this.isGood = problem === undefined;
    return problem;
  }

  private readAnew(raw: string, method: string, maxHeaders: number): string | undefined {
    const lineEnd = raw.indexOf('\r\n');
    if (!STATUS_LINE.test(raw)) return 'The status line is not valid.';
    this.http10 = raw.charCodeAt(7) === 48;
    this.status = (raw.charCodeAt(9) - 48) * 100 + (raw.charCodeAt(10) - 48) * 10 + (raw.charCodeAt(11) - 48);
    this.reasonPhrase = raw.slice(13, lineEnd);
    for (let at = 12; at < lineEnd; at++)
      if (FIELD_VALUE[raw.charCodeAt(at)] !== 1) return 'The reason phrase is not valid.';
    if (this.scan(raw, lineEnd + 2, maxHeaders) !== undefined) return 'A header field is not valid.';
    this.options = connectionOptions(this.joined(FieldCode.connection));
    return this.readFraming(method);
  }

  private readFraming(method: string): string | undefined {
    const verdict = framingOf(this, this.http10);
    if ('error' in verdict) return `The framing of the response is not valid (${verdict.error}).`;
    if (this.status < 200 || this.status === 204 || this.status === 304 || method === 'HEAD') this.framing = 0;
    else this.framing = verdict.framing ?? 'until-close';
    return undefined;
  }
}

const STATUS_LINE = /^HTTP\/1\.[01] [1-9]\d\d(?: |\r)/;
