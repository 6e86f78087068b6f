// Hot path: called once per request.
import { randomFillSync } from 'node:crypto';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const POOL_BYTES = 4096;
/** Random octets of one id: 74 bits of UUIDv7 are free. */
const ID_BYTES = 10;

/** Makes UUIDv7 identifiers (RFC 9562 §5.7): ordered by millisecond, the rest random, drawn from a pool. */
export function requestIds(wallMs: () => number): () => string {
  const pool = new Uint8Array(POOL_BYTES);
  let at = POOL_BYTES;
  let lastMs = -1;
  let prefix = '';
  return () => {
    const nowMs = wallMs();
    if (nowMs !== lastMs) {
      lastMs = nowMs;
      const time = nowMs.toString(16).padStart(12, '0');
      prefix = `${time.slice(0, 8)}-${time.slice(8)}-`;
    }
    if (at + ID_BYTES > POOL_BYTES) {
      randomFillSync(pool);
      at = 0;
    }
    const byte = (offset: number): string => HEX[pool[at + offset] as number] as string;
    const version = HEX[0x70 | ((pool[at] as number) & 0x0f)] as string;
    const variant = HEX[0x80 | ((pool[at + 2] as number) & 0x3f)] as string;
    const id = `${prefix}${version}${byte(1)}-${variant}${byte(3)}-${byte(4)}${byte(5)}${byte(6)}${byte(7)}${byte(8)}${byte(9)}`;
    at += ID_BYTES;
    return id;
  };
}
