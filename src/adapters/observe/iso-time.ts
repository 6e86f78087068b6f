let textSecond = Number.NaN;
let textPrefix = '';

/** A time in microseconds as an integer: of its sixteen digits the first ten are those of the call before. */
export function microsText(wallUs: number): string {
  const second = Math.floor(wallUs / 1_000_000);
  // Not after the epoch, or no whole number: written plainly.
  if (second < 1 || !Number.isInteger(wallUs)) return String(wallUs);
  if (second !== textSecond) {
    textSecond = second;
    textPrefix = String(second);
  }
  return textPrefix + String(wallUs - second * 1_000_000 + 1_000_000).slice(1);
}

let cachedSecond = Number.NaN;
let cachedPrefix = '';

/** ISO 8601 with microseconds, e.g. `2026-03-05T14:37:21.417093Z`. Most calls fall into the second of the one before. */
export function isoMicros(wallUs: number): string {
  const second = Math.floor(wallUs / 1_000_000);
  if (second !== cachedSecond) {
    cachedSecond = second;
    cachedPrefix = new Date(second * 1000).toISOString().slice(0, 19);
  }
  const micros = wallUs - second * 1_000_000;
  return `${cachedPrefix}.${String(micros + 1_000_000).slice(1)}Z`;
}
