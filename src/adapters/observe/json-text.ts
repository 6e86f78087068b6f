/** What may stand in a JSON string and in a log line as it is: no control character, no line separator, no surrogate. */
const PLAIN = /^[ !#-[\]-~\u00a0-\u2027\u202a-\ud7ff\ue000-\uffff]*$/;
/** What JSON itself allows and a terminal or a line reader may take for a command or a line's end. */
const LEFT_BY_JSON = /[\u007f-\u009f\u2028\u2029]/g;

/** The JSON string of `text`, control characters (C0, DEL, C1) and U+2028/9 escaped. */
function jsonString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(LEFT_BY_JSON, unicodeEscape);
}

/** As `jsonString`, `null` for what is not there. */
export function jsonStringOrNull(text: string | undefined): string {
  return text === undefined ? 'null' : jsonString(text);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
