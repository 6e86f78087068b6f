import { createHash } from 'node:crypto';

const CHUNK_BYTES = 64 * 1024;
const FILLER = Buffer.alloc(CHUNK_BYTES, 'the quick brown fox jumps over the lazy dog; ');

/** The nth piece of a large body: no two are alike, so a lost, doubled or exchanged one changes the hash. */
export function patternChunk(index: number): Buffer {
  const chunk = Buffer.from(FILLER);
  chunk.writeUInt32LE(index, 0);
  chunk.writeUInt32LE(index, CHUNK_BYTES - 4);
  return chunk;
}

export function patternSha1(length: number): string {
  const hash = createHash('sha1');
  for (let index = 0, left = length; left > 0; index++, left -= CHUNK_BYTES) {
    hash.update(patternChunk(index).subarray(0, left));
  }
  return hash.digest('hex');
}
