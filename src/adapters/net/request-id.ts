// Hot path: called once per request.
import { randomBytes } from 'node:crypto';
import { flat } from '../../http/http1/octets.ts';

const HEX2 = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'));
const COUNTER_RANGE = 2 ** 24;

/**
 * Makes UUIDv7 identifiers (RFC 9562 §5.7, §6.2 method 1): the time, random bits drawn anew for each of its steps, and in
 * the last 24 bits a counter from a random start. Ordered, and unique over a fleet by 50 random bits a step; not secret.
 * `step` is a coarse time that is cheap to read: where it stands still, so does the time in the ids.
 */
export function requestIds(step: () => number, wallMs: () => number): () => string {
  let lastStep = Number.NaN;
  let prefix = '';
  /** `prefix` and the counter's upper 16 bits. */
  let stem = '';
  let counter = 0;
  let left = 0;
  return () => {
    const now = step();
    if (now !== lastStep || left === 0) {
      lastStep = now;
      const random = randomBytes(10);
      prefix = prefixOf(wallMs(), random);
      counter = random.readUIntBE(7, 3);
      left = COUNTER_RANGE;
      stem = stemOf(prefix, counter);
    }
    left--;
    counter = (counter + 1) % COUNTER_RANGE;
    if ((counter & 255) === 0) stem = stemOf(prefix, counter);
    return stem + (HEX2[counter & 255] as string);
  };
}

function stemOf(prefix: string, counter: number): string {
  // Every id then begins with one flat string.
  return flat(prefix + (HEX2[counter >>> 16] as string) + (HEX2[(counter >>> 8) & 255] as string));
}

/** The first 30 of an id's 36 characters. */
function prefixOf(nowMs: number, random: Buffer): string {
  const time = nowMs.toString(16).padStart(12, '0');
  const bits = random.toString('hex');
  const variant = (0x8 | ((random[9] as number) & 0x3)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${bits.slice(0, 3)}-${variant}${bits.slice(3, 6)}-${bits.slice(6, 12)}`;
}
