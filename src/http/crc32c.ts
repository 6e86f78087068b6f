/** Castagnoli polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, octet) => {
  let value = octet;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value;
});

/** CRC-32C (RFC 3720 §12.1) of `bytes`, as if those from `zeroFrom` to `zeroTo` were 0: where the sum itself stands. */
export function crc32c(bytes: Uint8Array, zeroFrom = 0, zeroTo = 0): number {
  let crc = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) {
    const octet = at >= zeroFrom && at < zeroTo ? 0 : (bytes[at] as number);
    crc = (TABLE[(crc ^ octet) & 0xff] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
