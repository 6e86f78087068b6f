import { CidrSet, canonicalIp } from '../core/ip.ts';

/** Whose word about the client's address is believed: no one's, that of some networks, or of exactly so many proxies. */
export type ProxyTrust =
  | { readonly kind: 'none' }
  | { readonly kind: 'networks'; readonly networks: CidrSet }
  | { readonly kind: 'hops'; readonly hops: number };

/** From a listener's `trustedProxies` and `trustedHops` (which wins). */
export function proxyTrust(cidrs: readonly string[], hops: number | undefined): ProxyTrust {
  if (hops !== undefined && hops > 0) return { kind: 'hops', hops };
  return cidrs.length > 0 ? { kind: 'networks', networks: new CidrSet(cidrs) } : { kind: 'none' };
}

/** Whether what this peer says in `X-Forwarded-*`, `Forwarded` and `X-Request-Id` is believed. Costs a parse: ask once per connection. */
export function trustsPeer(peer: string, trust: ProxyTrust): boolean {
  if (trust.kind === 'none') return false;
  return trust.kind === 'hops' || trust.networks.contains(peer);
}

/**
 * The client's address: `peer` (canonical text), or the address that trusted proxies say is behind it. The entries of
 * `X-Forwarded-For` are walked from the right, past trusted networks or exactly `hops` proxies; the walk stops at the
 * first entry that is not trusted, and before the first that is no address. `forwarded` (RFC 7239) counts only where
 * there is no `X-Forwarded-For`. Lines of a repeated field are joined with commas before.
 */
export function clientIp(
  peer: string,
  xForwardedFor: string | undefined,
  forwarded: string | undefined,
  trust: ProxyTrust,
): string {
  if (trust.kind === 'none' || (xForwardedFor === undefined && forwarded === undefined)) return peer;
  if (trust.kind === 'networks' && !trust.networks.contains(peer)) return peer;
  if (xForwardedFor !== undefined) return walk(peer, xForwardedFor, false, trust);
  return walk(peer, forwarded!, true, trust);
}

/** Longest list that is looked at, from the right: longer ones are an attack on the clock. */
const MAX_ENTRIES = 64;

function walk(peer: string, list: string, isForwarded: boolean, trust: ProxyTrust): string {
  let client = peer;
  let end = list.length;
  const most = trust.kind === 'hops' ? trust.hops : MAX_ENTRIES;
  for (let entries = 0; entries < most && end >= 0; entries++) {
    const comma = list.lastIndexOf(',', end - 1);
    const entry = list.slice(comma + 1, end);
    end = comma > 0 ? comma : -1;
    const address = canonicalIp(isForwarded ? forwardedFor(entry) : entry);
    if (address === undefined) return client;
    client = address;
    if (trust.kind === 'networks' && !trust.networks.contains(address)) return client;
  }
  return client;
}

const FOR = /(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^";\s]*))\s*(?=;|$)/i;

/** The `for` of one element of `Forwarded`; an obfuscated or missing one is no address. */
function forwardedFor(element: string): string {
  const found = FOR.exec(element);
  return found?.[1] ?? found?.[2] ?? '';
}
