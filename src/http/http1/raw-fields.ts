// Hot path: one pass over the octets of a head; no allocation per field.

import { fieldCodeAt, fieldCodeOf } from '../field-code.ts';
import { type Fields, joinLines } from '../fields.ts';
import type { FieldBlock } from '../head.ts';
import { COLON, CR, FIELD_VALUE, LF, SP, TAB, TOKEN } from './chars.ts';

/** Why a field section was refused. */
export type FieldsError = 'syntax' | 'too-many';

/** Lines that passed, with those that were added and stay the same; what else went into them tells whether it is they. */
export interface WrittenLines {
  /** '' = none yet. */
  text: string;
  isFlat: boolean;
  dropMask: number;
  shared: FieldBlock | undefined;
  withId: boolean;
}

/** Room for so many at first: V8 keeps arrays of up to 64 octets in its own heap, larger ones cost 700 octets more each. */
const FEW = 4;
const SLOTS = 4; // per field: start of name, end of name, start of value, end of value

/**
 * The field lines of one HTTP/1 message as offsets into its raw text, which is kept: lines that pass unchanged are
 * copied as slices, and a value is cut out only when somebody asks for it. One object serves a connection for its life.
 */
export class RawFields implements Fields {
  raw = '';
  count = 0;
  /** Bit `code` is set when a field with that code is there. */
  seen = 0;
  /** Offset behind the last field line. */
  end = 0;
  /** What the writer last made of these lines: an equal head that comes again is not put together again. */
  readonly written: WrittenLines = { text: '', isFlat: false, dropMask: 0, shared: undefined, withId: false };
  private offsets = new Int32Array(FEW * SLOTS);
  private codes = new Uint8Array(FEW);

  /**
   * Scans field lines of `raw` from `start` to the empty line that ends it.
   * Strict by RFC 9112 §5: no whitespace before the colon, no folding, no bare CR or LF, no control character.
   */
  scan(raw: string, start: number, maxFields: number): FieldsError | undefined {
    this.raw = raw;
    this.written.text = '';
    this.count = 0;
    this.seen = 0;
    let at = start;
    for (;;) {
      let code = raw.charCodeAt(at);
      if (code === CR) {
        this.end = at;
        return raw.charCodeAt(at + 1) === LF && at + 2 === raw.length ? undefined : 'syntax';
      }
      const nameStart = at;
      while (TOKEN[code] === 1) code = raw.charCodeAt(++at);
      if (code !== COLON || at === nameStart) return 'syntax';
      const nameEnd = at;
      code = raw.charCodeAt(++at);
      while (code === SP || code === TAB) code = raw.charCodeAt(++at);
      const valueStart = at;
      while (FIELD_VALUE[code] === 1) code = raw.charCodeAt(++at);
      if (code !== CR || raw.charCodeAt(at + 1) !== LF) return 'syntax';
      if (this.count === maxFields) return 'too-many';
      this.append(nameStart, nameEnd, valueStart, at);
      at += 2;
    }
  }

  private append(nameStart: number, nameEnd: number, valueStart: number, lineEnd: number): void {
    let valueEnd = lineEnd;
    while (valueEnd > valueStart && isBlank(this.raw.charCodeAt(valueEnd - 1))) valueEnd--;
    if (this.count === this.codes.length) this.grow();
    const slot = this.count * SLOTS;
    const offsets = this.offsets;
    offsets[slot] = nameStart;
    offsets[slot + 1] = nameEnd;
    offsets[slot + 2] = valueStart;
    offsets[slot + 3] = valueEnd;
    const code = fieldCodeAt(this.raw, nameStart, nameEnd);
    this.codes[this.count++] = code;
    this.seen |= 1 << code;
  }

  private grow(): void {
    const offsets = new Int32Array(this.offsets.length * 2);
    offsets.set(this.offsets);
    this.offsets = offsets;
    const codes = new Uint8Array(this.codes.length * 2);
    codes.set(this.codes);
    this.codes = codes;
  }

  has(code: number): boolean {
    return (this.seen & (1 << code)) !== 0;
  }

  codeAt(index: number): number {
    return this.codes[index] as number;
  }

  nameAt(index: number): string {
    const slot = index * SLOTS;
    return this.raw.slice(this.offsets[slot], this.offsets[slot + 1]).toLowerCase();
  }

  valueAt(index: number): string {
    const slot = index * SLOTS + 2;
    return this.raw.slice(this.offsets[slot], this.offsets[slot + 1]);
  }

  /** Whether blanks follow the value of field `index` on its line. */
  endsInBlank(index: number): boolean {
    return this.raw.charCodeAt(this.offsets[index * SLOTS + 3] as number) !== CR;
  }

  /** Offset where the line of field `index` begins; the line ends where the next begins. */
  lineStartAt(index: number): number {
    return index === this.count ? this.end : (this.offsets[index * SLOTS] as number);
  }

  /** Index of the first field with this code, or -1. */
  indexOf(code: number): number {
    if (!this.has(code)) return -1;
    let index = 0;
    while (this.codes[index] !== code) index++;
    return index;
  }

  /** Number of lines with this code. */
  countOf(code: number): number {
    let lines = 0;
    if (this.has(code)) for (let index = 0; index < this.count; index++) if (this.codes[index] === code) lines++;
    return lines;
  }

  /** All values of fields with this code, joined with `, `. */
  joined(code: number): string | undefined {
    let found: string | undefined;
    if (!this.has(code)) return found;
    for (let index = 0; index < this.count; index++) {
      if (this.codes[index] !== code) continue;
      found = found === undefined ? this.valueAt(index) : `${found}, ${this.valueAt(index)}`;
    }
    return found;
  }

  get(name: string): string | undefined {
    const code = fieldCodeOf(name);
    if (code !== 0 && !this.has(code)) return undefined;
    let found: string | undefined;
    for (let index = 0; index < this.count; index++) {
      const slot = index * SLOTS;
      const start = this.offsets[slot] as number;
      if ((this.offsets[slot + 1] as number) - start !== name.length) continue;
      if (this.nameAt(index) !== name) continue;
      const value = this.valueAt(index);
      found = found === undefined ? value : joinLines(name, found, value);
    }
    return found;
  }

  each(visit: (name: string, value: string) => void): void {
    for (let index = 0; index < this.count; index++) visit(this.nameAt(index), this.valueAt(index));
  }
}

function isBlank(code: number): boolean {
  return code === SP || code === TAB;
}
