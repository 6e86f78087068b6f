import { fieldCodeOf } from './field-code.ts';

/**
 * Header or trailer fields of one message. Names are given and handed out in lower case; values are latin1 strings as
 * they came, without outer whitespace (RFC 9110 §5.5).
 */
export interface Fields {
  /** The value of a field; lines of the same name are joined with `, ` (RFC 9110 §5.3), those of `cookie` with `; `. */
  get(name: string): string | undefined;
  /** Whether a field with this code (`field-code.ts`) is there. */
  has(code: number): boolean;
  /** Calls `visit` for every field line in order. */
  each(visit: (name: string, value: string) => void): void;
}

/** Fields in a plain list: what the gateway makes itself, what tests and other codecs hand in. */
export class ListFields implements Fields {
  readonly lines: [name: string, value: string][];

  constructor(lines: Iterable<readonly [string, string]> = []) {
    this.lines = [];
    for (const [name, value] of lines) this.lines.push([name.toLowerCase(), value]);
  }

  get(name: string): string | undefined {
    let found: string | undefined;
    for (const [lineName, value] of this.lines) {
      if (lineName === name) found = found === undefined ? value : joinLines(name, found, value);
    }
    return found;
  }

  has(code: number): boolean {
    return this.lines.some(([name]) => fieldCodeOf(name) === code);
  }

  each(visit: (name: string, value: string) => void): void {
    for (const [name, value] of this.lines) visit(name, value);
  }
}

/** The same fields in an object of their own. */
export function copyOf(fields: Fields): Fields {
  const copy = new ListFields();
  fields.each((name, value) => copy.lines.push([name, value]));
  return copy;
}

export function joinLines(name: string, first: string, next: string): string {
  return `${first}${name === 'cookie' ? '; ' : ', '}${next}`;
}

/**
 * The members of a list field in lower case (RFC 9110 §5.6.1), empty ones included. Only SP and HTAB are blanks there:
 * `trim()` would take U+00A0 for one, which other readers do not.
 */
export function listMembers(value: string): string[] {
  return value
    .toLowerCase()
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''));
}
