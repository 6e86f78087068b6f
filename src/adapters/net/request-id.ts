// Hot path: called once per request.
import { randomBytes } from 'node:crypto';

/** All three-digit hex numbers: an id's counter is two of them. */
const HEX3 = Array.from({ length: 4096 }, (_, value) => value.toString(16).padStart(3, '0'));
const COUNTER_BITS = 24;

/**
 * Makes UUIDv7 identifiers (RFC 9562 §5.7, §6.2 method 1): the time, random bits drawn anew for each of its steps, and in
 * the last 24 bits a counter from a random start. Ordered, and unique over a fleet by 50 random bits a step; not secret.
 */
export function requestIds(wallMs: () => number): () => string {
  let lastMs = -1;
  let prefix = '';
  let counter = 0;
  let left = 0;
  return () => {
    const nowMs = wallMs();
    if (nowMs !== lastMs || left === 0) {
      lastMs = nowMs;
      const random = randomBytes(10);
      prefix = prefixOf(nowMs, random);
      counter = random.readUIntBE(7, 3);
      left = 2 ** COUNTER_BITS;
    }
    left--;
    counter = (counter + 1) & (2 ** COUNTER_BITS - 1);
    return prefix + (HEX3[counter >>> 12] as string) + (HEX3[counter & 4095] as string);
  };
}

/** The first 30 of an id's 36 characters. */
function prefixOf(nowMs: number, random: Buffer): string {
  const time = nowMs.toString(16).padStart(12, '0');
  const bits = random.toString('hex');
  const variant = (0x8 | ((random[9] as number) & 0x3)).toString(16);
  // Cut out of octets, it is one flat string for all ids of the step.
  const text = `${time.slice(0, 8)}-${time.slice(8)}-7${bits.slice(0, 3)}-${variant}${bits.slice(3, 6)}-${bits.slice(6, 12)}`;
  return Buffer.from(text, 'latin1').toString('latin1');
}
