import { CR, LF } from './chars.ts';
import { latin1 } from './octets.ts';

const END = '\r\n\r\n';
/** Nearly every head comes in one read: what no head was gathered in costs nothing. */
const EMPTY = Buffer.alloc(0);

/** Collects the octets of a head that came in pieces; empty on the hot path, where a head is one read. */
export class HeadBuffer {
  private bytes: Buffer = EMPTY;
  length = 0;
  private searched = 0;

  append(chunk: Uint8Array): void {
    const needed = this.length + chunk.length;
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(1024, needed * 2));
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    this.bytes.set(chunk, this.length);
    this.length = needed;
  }

  /** Offset behind the empty line, or -1; octets already searched are not searched again. */
  findEnd(): number {
    const at = this.view().indexOf(END, Math.max(0, this.searched - 3), 'latin1');
    return at < 0 ? -1 : at + 4;
  }

  /**
   * Whether what is new since the last call can never become a valid head: a line end that is no CRLF, or NUL. Found at
   * once, so that a client that ends its lines with a bare LF is answered instead of timed out.
   */
  isHopeless(): boolean {
    for (let at = Math.max(1, this.searched); at < this.length; at++) {
      const code = this.bytes[at] as number;
      const before = this.bytes[at - 1] as number;
      if (code === 0 || (code === LF && before !== CR) || (before === CR && code !== LF)) return true;
    }
    this.searched = this.length;
    return this.length > 0 && (this.bytes[0] as number) < 33;
  }

  /** The section is empty: nothing but its closing empty line. */
  get startsWithEmptyLine(): boolean {
    return this.length >= 2 && this.bytes[0] === CR && this.bytes[1] === LF;
  }

  view(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  text(end: number): string {
    return latin1(this.bytes, 0, end);
  }

  clear(): void {
    this.length = 0;
    this.searched = 0;
    if (this.bytes.length > 4096) this.bytes = Buffer.alloc(0);
  }
}
