/** `"/re/"` or `"/re/i"` as it is written in a match, compiled; undefined for a plain value. */
export function parseValuePattern(text: string): { source: string; flags: string } | undefined {
  const match = /^\/(.+)\/([a-z]*)$/s.exec(text);
  return match === null ? undefined : { source: match[1]!, flags: match[2]! };
}
