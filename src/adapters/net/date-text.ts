/** The Date field (RFC 9110 §5.6.7), rendered once a second. `wallMs` gives the wall-clock time in milliseconds. */
export function dateTexts(wallMs: () => number): () => string {
  let second = -1;
  let text = '';
  return () => {
    const now = Math.floor(wallMs() / 1000);
    if (now !== second) {
      second = now;
      text = new Date(now * 1000).toUTCString();
    }
    return text;
  };
}
