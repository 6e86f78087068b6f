/** Character classes of RFC 9110 §5.6.2 and RFC 9112, as 256-entry tables: one load per octet on the hot path. */
function table(accepts: (code: number) => boolean): Uint8Array {
  const classes = new Uint8Array(256);
  for (let code = 0; code < 256; code++) classes[code] = accepts(code) ? 1 : 0;
  return classes;
}

const TOKEN_PUNCTUATION = "!#$%&'*+-.^_`|~";

/** tchar of RFC 9110 §5.6.2. */
export const TOKEN = table(
  (code) =>
    (code >= 48 && code <= 57) ||
    (code >= 65 && code <= 90) ||
    (code >= 97 && code <= 122) ||
    (code < 128 && TOKEN_PUNCTUATION.includes(String.fromCharCode(code))),
);

/** field-content of RFC 9110 §5.5: HTAB, SP, VCHAR, obs-text. Controls, CR, LF and NUL are out. */
export const FIELD_VALUE = table((code) => code === 9 || (code >= 32 && code !== 127));

/**
 * What a request target may hold on the wire: 1 = anywhere, 2 = in the query only, 0 = nowhere. Of the visible ASCII that
 * RFC 3986 has no place for, `#`, `\`, `<` and `>` are refused, on which readers differ; the rest is refused in a path, and
 * let pass in a query, where browsers leave it bare. `[` and `]` pass in both.
 */
export const TARGET = table((code) => code > 32 && code < 127 && !'#\\<>'.includes(String.fromCharCode(code)));
for (const bare of '"^`{|}') TARGET[bare.charCodeAt(0)] = 2;

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const TAB = 9;
export const COLON = 58;

export function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (TOKEN[text.charCodeAt(at)] !== 1) return false;
  return text.length > 0;
}

export function isFieldValue(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (FIELD_VALUE[text.charCodeAt(at)] !== 1) return false;
  return true;
}

/** Whether `text` is a path, with or without a query, as it may stand in a request line. */
export function isTarget(text: string): boolean {
  const query = text.indexOf('?');
  for (let at = 0; at < text.length; at++) {
    const kind = TARGET[text.charCodeAt(at)];
    if (kind !== 1 && (kind !== 2 || query < 0 || at < query)) return false;
  }
  return text.length > 0;
}
