/**
 * First value of a query parameter, decoded as a form field: `+` is a space, `%xx` a UTF-8 byte; a broken encoding stays
 * as it is. '' for a parameter without a value, undefined where there is none. `query` may start with `?`.
 */
export function queryParameter(query: string, name: string): string | undefined {
  let start = query.charCodeAt(0) === 0x3f ? 1 : 0;
  while (start < query.length) {
    let end = query.indexOf('&', start);
    if (end === -1) end = query.length;
    let equals = query.indexOf('=', start);
    if (equals === -1 || equals > end) equals = end;
    if (nameIs(query, start, equals, name)) return equals === end ? '' : decodeFormText(query.slice(equals + 1, end));
    start = end + 1;
  }
  return undefined;
}

function nameIs(query: string, start: number, end: number, name: string): boolean {
  if (end - start === name.length && query.startsWith(name, start)) return true;
  // An encoded name is longer than what it means, except for `+`.
  return end - start >= name.length && decodeFormText(query.slice(start, end)) === name;
}

function decodeFormText(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
