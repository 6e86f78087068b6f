/**
 * The host that routes are matched against: an authority (`Host` value) in lower case, without port and without the dot
 * of a fully qualified name. An IPv6 literal keeps its brackets. Returns its argument where nothing is to be done.
 */
export function matchableHost(authority: string): string {
  let clean = true;
  for (let index = 0; index < authority.length; index++) {
    const code = authority.charCodeAt(index);
    if (code === 0x3a || (code >= 0x41 && code <= 0x5a)) {
      clean = false;
      break;
    }
  }
  if (clean && authority.charCodeAt(authority.length - 1) !== 0x2e) return authority;
  const host = withoutPort(authority).toLowerCase();
  return host.endsWith('.') && host.length > 1 ? host.slice(0, -1) : host;
}

function withoutPort(authority: string): string {
  const bracket = authority.lastIndexOf(']');
  const colon = authority.indexOf(':', bracket + 1);
  return colon === -1 ? authority : authority.slice(0, colon);
}

/** Whether a host (as `matchableHost` gives it) meets a pattern: a name, or `*.suffix` for one label or more before it. */
export function hostMatches(pattern: string, host: string): boolean {
  if (!pattern.startsWith('*')) return pattern === host;
  return host.length >= pattern.length && host.endsWith(pattern.slice(1));
}
