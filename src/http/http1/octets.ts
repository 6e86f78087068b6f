/** `Buffer` as it is at run time: this slice is what `toString('latin1')` ends in, without the dispatch on the name. */
interface SlicingBuffer {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
}

/** Held here, for V8 looks a method of a typed array up anew at every call. */
const { latin1Slice } = Buffer.prototype as unknown as SlicingBuffer;

/** The same text in one piece, where it was put together of many: cheaper to write again and again. */
export function flat(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  return latin1(bytes, 0, bytes.length);
}

/** The octets `[start, end)` as a string of the same length, one character per octet. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end);
}
