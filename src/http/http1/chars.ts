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

/** What a request target may hold on the wire: visible ASCII less `#` and `\`, which no reader agrees on. */
export const TARGET = table((code) => code > 32 && code < 127 && code !== 35 && code !== 92);

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

export function isTarget(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (TARGET[text.charCodeAt(at)] !== 1) return false;
  return text.length > 0;
}
