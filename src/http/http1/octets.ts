/** `Buffer` as it is at run time: this slice is what `toString('latin1')` ends in, without the dispatch on the name. */
interface SlicingBuffer {
  latin1Slice(start: number, end: number): string;
}

/** The octets `[start, end)` as a string of the same length, one character per octet. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return (bytes as unknown as SlicingBuffer).latin1Slice(start, end);
}
