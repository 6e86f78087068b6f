// Hot path for bodies: chunk bytes are passed on as views, never copied here.

import { FieldCode, FORBIDDEN_IN_TRAILERS, fieldCodeOf } from '../field-code.ts';
import type { Fields } from '../fields.ts';
import { ListFields } from '../fields.ts';
import { CR, FIELD_VALUE, LF, SP, TAB, TOKEN } from './chars.ts';
import type { Framing } from './framing.ts';
import { HeadBuffer } from './head-buffer.ts';
import { RawFields } from './raw-fields.ts';

export interface BodyEvents {
  onData(chunk: Uint8Array): void;
  onEnd(trailers: Fields | undefined): void;
}

const DONE = 0;
const LENGTH = 1;
const UNTIL_CLOSE = 2;
const SIZE = 3;
const SIZE_LF = 4;
const DATA = 5;
const DATA_CR = 6;
const DATA_LF = 7;
const TRAILERS = 8;

/** Where in the extensions of a chunk-size line the reader is. */
const EXT_NONE = 0;
const EXT_NAME_START = 1;
const EXT_NAME = 2;
const EXT_VALUE_START = 3;
const EXT_VALUE = 4;
const EXT_QUOTED = 5;
const EXT_ESCAPED = 6;
const EXT_AFTER_VALUE = 7;
const EXT_BLANKS = 8;
const EXT_AFTER_NAME_BLANKS = 9;

/** Significant hex digits of a chunk size: 13 are 2^52, which a double still counts exactly. */
const MAX_SIZE_DIGITS = 13;
/** Octets of one chunk-size line with its extensions, which are read and dropped. */
const MAX_SIZE_LINE = 4096;
const MAX_TRAILERS = 64;
const NOTHING = new Uint8Array(0);

/**
 * Finds the end of one body (RFC 9112 §6, §7): fixed length, chunked or until the connection closes.
 * Chunk lines end in CRLF, nothing else: the leniency of RFC 9112 §2.2 for a bare LF does not cover them.
 */
export class BodyDecoder {
  private state = DONE;
  private left = 0;
  private digits = 0;
  private sizeLine = 0;
  private extension = EXT_NONE;
  private readonly trailers = new HeadBuffer();
  private connectionNamed: ReadonlySet<string> | undefined = undefined;
  private viewed: Uint8Array | undefined = undefined;
  private viewAt = 0;
  private viewEnd = 0;
  private view: Uint8Array = NOTHING;
  private readonly maxTrailerBytes: number;
  private readonly isShared: boolean;

  /** `isShared`: chunks are views of one buffer that is read into again and again, so views of it may be kept. */
  constructor(maxTrailerBytes: number, isShared = false) {
    this.maxTrailerBytes = maxTrailerBytes;
    this.isShared = isShared;
  }

  get done(): boolean {
    return this.state === DONE;
  }

  /** `connectionNamed`: fields that Connection tied to this connection are dropped from trailers too (RFC 9110 §7.6.1). */
  start(framing: Framing, connectionNamed?: ReadonlySet<string>): void {
    if (framing === 'chunked') {
      this.connectionNamed = connectionNamed;
      this.state = SIZE;
      this.resetSize();
    } else if (framing === 'until-close') {
      this.state = UNTIL_CLOSE;
    } else {
      this.left = framing;
      this.state = framing === 0 ? DONE : LENGTH;
    }
  }

  private resetSize(): void {
    this.left = 0;
    this.digits = 0;
    this.sizeLine = 0;
    this.extension = EXT_NONE;
  }

  /**
   * Decodes octets of `chunk` from `at`. Returns the offset behind what belongs to the body, or -1 when the body is
   * malformed, which ends the message as incomplete.
   */
  decode(chunk: Uint8Array, at: number, events: BodyEvents): number {
    while (at < chunk.length && this.state !== DONE) {
      if (this.state === LENGTH || this.state === DATA) at = this.passData(chunk, at, events);
      else if (this.state === UNTIL_CLOSE) {
        events.onData(at === 0 ? chunk : chunk.subarray(at));
        return chunk.length;
      } else if (this.state === TRAILERS) at = this.readTrailers(chunk, at, events);
      else if (this.readChunkLine(chunk[at] as number)) at++;
      else return -1;
      if (at < 0) return -1;
    }
    return at;
  }

  /** The connection ended. True when that is how this body was to end. */
  finish(events: BodyEvents): boolean {
    if (this.state !== UNTIL_CLOSE) return this.state === DONE;
    this.state = DONE;
    events.onEnd(undefined);
    return true;
  }

  private passData(chunk: Uint8Array, at: number, events: BodyEvents): number {
    const end = Math.min(chunk.length, at + this.left);
    this.left -= end - at;
    const wasLength = this.state === LENGTH;
    if (this.left === 0) this.state = wasLength ? DONE : DATA_CR;
    events.onData(at === 0 && end === chunk.length ? chunk : this.viewOf(chunk, at, end));
    if (wasLength && this.left === 0) events.onEnd(undefined);
    return end;
  }

  /** Answers of one length have one view. */
  private viewOf(chunk: Uint8Array, at: number, end: number): Uint8Array {
    if (!this.isShared) return chunk.subarray(at, end);
    if (chunk !== this.viewed || at !== this.viewAt || end !== this.viewEnd) {
      this.viewed = chunk;
      this.viewAt = at;
      this.viewEnd = end;
      this.view = chunk.subarray(at, end);
    }
    return this.view;
  }

  /** One octet of a chunk-size line or of the CRLF behind chunk data; false when it may not stand there. */
  private readChunkLine(code: number): boolean {
    switch (this.state) {
      case SIZE:
        return this.readSize(code);
      case SIZE_LF:
        if (code !== LF) return false;
        this.state = this.left === 0 ? TRAILERS : DATA;
        return true;
      case DATA_CR:
        this.state = DATA_LF;
        return code === CR;
      default:
        this.state = SIZE;
        this.resetSize();
        return code === LF;
    }
  }

  private readSize(code: number): boolean {
    if (++this.sizeLine > MAX_SIZE_LINE) return false;
    if (this.extension !== EXT_NONE) return this.readExtension(code);
    const digit = hexDigit(code);
    if (digit >= 0) {
      if (this.digits === 0 && digit === 0) {
        // Leading zeros do not count towards the significant digits, but one digit there must be.
        this.digits = -1;
        return true;
      }
      if (this.digits < 0 && digit === 0) return true;
      this.digits = this.digits < 0 ? 1 : this.digits + 1;
      this.left = this.left * 16 + digit;
      return this.digits <= MAX_SIZE_DIGITS;
    }
    if (this.digits === 0) return false;
    if (code === CR) {
      this.state = SIZE_LF;
      return true;
    }
    this.extension = code === 59 ? EXT_NAME_START : EXT_BLANKS;
    return code === 59 || code === SP || code === TAB;
  }

  /** Chunk extensions (RFC 9112 §7.1.1): `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`. */
  private readExtension(code: number): boolean {
    switch (this.extension) {
      case EXT_QUOTED:
        if (code === 34) this.extension = EXT_AFTER_VALUE;
        else if (code === 92) this.extension = EXT_ESCAPED;
        return FIELD_VALUE[code] === 1;
      case EXT_ESCAPED:
        this.extension = EXT_QUOTED;
        return FIELD_VALUE[code] === 1;
      case EXT_NAME_START:
      case EXT_VALUE_START:
        if (code === SP || code === TAB) return true;
        if (code === 34 && this.extension === EXT_VALUE_START) this.extension = EXT_QUOTED;
        else if (TOKEN[code] === 1) this.extension = this.extension === EXT_NAME_START ? EXT_NAME : EXT_VALUE;
        else return false;
        return true;
      case EXT_NAME:
      case EXT_VALUE:
        if (TOKEN[code] === 1) return true;
        return this.endExtensionPart(code, this.extension === EXT_NAME);
      default:
        return this.endExtensionPart(code, false);
    }
  }

  /** Behind a name or value. Blanks may only come before what goes on: a size line does not end in them. */
  private endExtensionPart(code: number, afterName: boolean): boolean {
    const blanks = this.extension === EXT_BLANKS || this.extension === EXT_AFTER_NAME_BLANKS;
    const named = afterName || this.extension === EXT_AFTER_NAME_BLANKS;
    if (code === 59) this.extension = EXT_NAME_START;
    else if (code === 61 && named) this.extension = EXT_VALUE_START;
    else if (code === SP || code === TAB) this.extension = named ? EXT_AFTER_NAME_BLANKS : EXT_BLANKS;
    else if (code === CR && !blanks) this.state = SIZE_LF;
    else return false;
    return true;
  }

  private readTrailers(chunk: Uint8Array, at: number, events: BodyEvents): number {
    const { trailers } = this;
    const before = trailers.length;
    const room = this.maxTrailerBytes + 1 - before;
    trailers.append(chunk.subarray(at, Math.min(chunk.length, at + room)));
    const end = trailers.startsWithEmptyLine ? 2 : trailers.findEnd();
    if (end > 0 && end <= this.maxTrailerBytes) return this.endTrailers(at + end - before, end, events);
    if (trailers.length === 1 && trailers.view()[0] === CR) return chunk.length;
    return trailers.isHopeless() || trailers.length > this.maxTrailerBytes ? -1 : chunk.length;
  }

  private endTrailers(at: number, end: number, events: BodyEvents): number {
    const text = this.trailers.text(end);
    this.trailers.clear();
    if (text === '\r\n') {
      this.state = DONE;
      events.onEnd(undefined);
      return at;
    }
    const fields = new RawFields();
    if (fields.scan(text, 0, MAX_TRAILERS) !== undefined) return -1;
    const kept: [string, string][] = [];
    fields.each((name, value) => {
      if (mayTrail(name) && this.connectionNamed?.has(name) !== true) kept.push([name, value]);
    });
    this.state = DONE;
    events.onEnd(kept.length === 0 ? undefined : new ListFields(kept));
    return at;
  }
}

/** Fields that say how or whence a message came are no trailers, in whatever spelling a back end may take for them. */
function mayTrail(name: string): boolean {
  const code = fieldCodeOf(name);
  if (code === FieldCode.framingLookalike || code === FieldCode.forwardingLookalike) return false;
  return !FORBIDDEN_IN_TRAILERS.has(name);
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
