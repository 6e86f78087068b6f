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
