import { canonicalIp } from '../../core/ip.ts';
import { matchableHost } from '../../core/route/host.ts';

/** Host and port of a request (RFC 9112 §3.2, RFC 3986 §3.2.2): a strict grammar, with the last good ones remembered. */
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{0,5}))?$/;
const REMEMBERED = 512;
const known = new Map<string, string>();

/** The host that routes match of a valid `authority`; undefined when it is not valid. */
export function hostOf(authority: string): string | undefined {
  const remembered = known.get(authority);
  if (remembered !== undefined) return remembered;
  const match = HOST.exec(authority);
  if (match === null || Number(match[1] ?? 0) > 65535) return undefined;
  if (authority.charCodeAt(0) === 0x5b && !isIpv6(authority)) return undefined;
  const host = matchableHost(authority);
  // Names come from clients: the memory is bounded by starting over.
  if (known.size >= REMEMBERED) known.clear();
  known.set(authority, host);
  return host;
}

function isIpv6(authority: string): boolean {
  const address = authority.slice(1, authority.indexOf(']'));
  return address.includes(':') && canonicalIp(address) !== undefined;
}
