/**
 * The one form of a path that routing, limits, logs and the forwarded request share, so that no two readers see
 * different paths (RFC 3986 §6.2.2, RFC 9110 §7.7).
 */

const PLAIN = 1;
const SLASH = 2;
const DOT = 3;
const PERCENT = 4;

/** Class of each ASCII code in a path; 0 = refused (controls, space, `#`, `?`, `\`, DEL). */
const CLASS = pathClasses();

function pathClasses(): Uint8Array {
  const table = new Uint8Array(128);
  for (let code = 0x21; code < 0x7f; code++) table[code] = PLAIN;
  for (const refused of '#?\\') table[refused.charCodeAt(0)] = 0;
  table[0x2f] = SLASH;
  table[0x2e] = DOT;
  table[0x25] = PERCENT;
  return table;
}

/**
 * The canonical form of a raw path (origin-form, without the query), or undefined where the path must be refused.
 *
 * Percent-encoded unreserved characters are decoded once, the hex of all others is upper-cased, dot segments (also
 * encoded ones) are removed as in RFC 3986 §5.2.4, `//` stays. Refused, because readers differ about them: what does not
 * start with `/`, control characters (also encoded), `\` and `%5c`, `%2f`, `#`, a broken `%`, non-ASCII, and a dot
 * segment with a path parameter (`..;x`). Idempotent. A plain path is returned as it is, after one scan.
 */
export function canonicalPath(rawPath: string): string | undefined {
  if (rawPath.charCodeAt(0) !== 0x2f) return undefined;
  let previous = 0;
  for (let index = 0; index < rawPath.length; index++) {
    const code = rawPath.charCodeAt(index);
    const kind = code < 128 ? CLASS[code]! : 0;
    if (kind !== PLAIN) {
      if (kind === 0) return undefined;
      if (kind === PERCENT || (kind === DOT && previous === SLASH)) return normalise(rawPath);
    }
    previous = kind;
  }
  return rawPath;
}

/** Whether everything from `from` on may stand in a query: visible ASCII without `#`. It is passed on as it is. */
export function queryIsValid(target: string, from = 0): boolean {
  for (let index = from; index < target.length; index++) {
    const code = target.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return false;
  }
  return true;
}

function normalise(rawPath: string): string | undefined {
  const decoded = decodeUnreserved(rawPath);
  return decoded === undefined ? undefined : removeDotSegments(decoded);
}

function decodeUnreserved(path: string): string | undefined {
  let decoded = '';
  for (let index = 0; index < path.length; index++) {
    const code = path.charCodeAt(index);
    if (code >= 128 || CLASS[code] === 0) return undefined;
    if (code !== 0x25) {
      decoded += path[index];
      continue;
    }
    const value = hexValue(path.charCodeAt(index + 1)) * 16 + hexValue(path.charCodeAt(index + 2));
    // NaN (broken or cut short), controls, `/` and `\`.
    if (!(value >= 0x20) || value === 0x7f || value === 0x2f || value === 0x5c) return undefined;
    decoded += isUnreserved(value) ? String.fromCharCode(value) : path.slice(index, index + 3).toUpperCase();
    index += 2;
  }
  return decoded;
}

function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : Number.NaN;
}

/** RFC 3986 §2.3. */
function isUnreserved(code: number): boolean {
  const lower = code | 0x20;
  return (
    (lower >= 0x61 && lower <= 0x7a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x2e ||
    code === 0x5f ||
    code === 0x7e
  );
}

/** RFC 3986 §5.2.4 for a path that starts with `/`; undefined for a dot segment that carries a path parameter. */
function removeDotSegments(path: string): string | undefined {
  const segments = path.split('/');
  const kept: string[] = [];
  for (let index = 1; index < segments.length; index++) {
    const segment = segments[index]!;
    if (/^\.\.?(?:;|%3B)/.test(segment)) return undefined;
    const isDot = segment === '.' || segment === '..';
    if (segment === '..') kept.pop();
    if (!isDot) kept.push(segment);
    else if (index === segments.length - 1) kept.push('');
  }
  return `/${kept.join('/')}`;
}
