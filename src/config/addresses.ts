import { isIP, isIPv6 } from 'node:net';
import type { EndpointAddress } from '../upstream/endpoint-address.ts';
import type { ListenAddress } from './snapshot.ts';

/** What `trustedProxies: private` and `private` in a list of blocks stand for: RFC 1918, 4193, 6598, loopback, link-local. */
export const PRIVATE_BLOCKS: readonly string[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '100.64.0.0/10',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
];

/** A value, or what is wrong with the text, for the person who wrote it. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

const good = <T>(value: T): Parsed<T> => ({ ok: true, value });
const bad = <T>(problem: string): Parsed<T> => ({ ok: false, problem });

/** How a field of a later version is answered. */
export const NOT_YET = 'known, not in this version';

/**
 * `host:port`, `:port` (host '' = every address of the machine), `[::1]:8080`, `unix:/path`. Port 0 lets the system choose.
 */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text.startsWith('unix:')) {
    const path = text.slice(5);
    return path.startsWith('/') && path.length > 1 && !path.includes('\u0000') ? { kind: 'unix', path } : undefined;
  }
  const split = splitHostPort(text);
  if (split?.port === undefined) return undefined;
  if (split.host !== '' && !isHostText(split.host)) return undefined;
  return { kind: 'tcp', host: split.host, port: split.port };
}

/** A CIDR block or a single address; returns the block, or undefined. */
export function parseCidr(text: string): string | undefined {
  const slash = text.indexOf('/');
  const address = slash === -1 ? text : text.slice(0, slash);
  const version = isIP(address);
  if (version === 0 || address.includes('%')) return undefined;
  const bits = version === 4 ? 32 : 128;
  if (slash === -1) return `${address}/${bits}`;
  const prefix = text.slice(slash + 1);
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits ? `${address}/${Number(prefix)}` : undefined;
}

/** Blocks as written (`private` or a list that may hold it), expanded and each with its prefix length. */
export function expandBlocks(written: 'private' | readonly string[]): readonly string[] {
  const list = written === 'private' ? [written] : written;
  return list.flatMap((text) => (text === 'private' ? PRIVATE_BLOCKS : (parseCidr(text) ?? [])));
}

export interface EndpointUrl {
  /** `host:port`, `https://host:port`, or the path of a unix socket. */
  readonly name: string;
  readonly address: EndpointAddress;
  /** Whether it speaks https. How is for the upstream to say. */
  readonly isSecure: boolean;
}

/** `http://host[:port]`, `https://host[:port]` or `unix:/path`. */
export function parseEndpointUrl(text: string): Parsed<EndpointUrl> {
  if (text.startsWith('unix:')) return parseUnixEndpoint(text.slice(5));
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === 'h2c') return bad(`${scheme}:// is ${NOT_YET}`);
  if (scheme !== 'http' && scheme !== 'https') {
    return bad('expected a URL such as http://10.0.0.1:9000, https://api.example.com or unix:/run/app.sock');
  }
  const rest = text.slice(`${scheme}://`.length).replace(/\/$/, '');
  if (/[/?#]/.test(rest)) return bad('an endpoint is a host and a port: a path belongs into "rewrite" of the route');
  if (rest.includes('@')) return bad('an endpoint has no user name or password');
  const isSecure = scheme === 'https';
  const usualPort = isSecure ? 443 : 80;
  const split = splitHostPort(rest, usualPort);
  if (split?.port === undefined || split.port === 0 || !isHostText(split.host)) {
    return bad('expected a host and a port from 1 to 65535');
  }
  const host = split.host.toLowerCase();
  const shown = isIPv6(host) ? `[${host}]` : host;
  const place = `${shown}:${split.port}`;
  const authority = split.port === usualPort ? shown : place;
  const name = isSecure ? `https://${place}` : place;
  return good({ name, address: { kind: 'tcp', host, port: split.port, authority }, isSecure });
}

function parseUnixEndpoint(written: string): Parsed<EndpointUrl> {
  const path = written.replace(/^\/\/(?=\/)/, '');
  if (!path.startsWith('/') || path.length < 2 || path.includes('\u0000')) {
    return bad('expected an absolute path after "unix:", as in unix:/run/app.sock');
  }
  return good({ name: path, address: { kind: 'unix', path, authority: 'localhost' }, isSecure: false });
}

/** What is wrong with a Redis URL, or undefined. */
export function redisUrlProblem(text: string): string | undefined {
  const expected = 'expected "memory" or a URL such as redis://127.0.0.1:6379';
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) return expected;
  const url = new URL(text);
  if (url.protocol === 'rediss:') return `rediss:// is ${NOT_YET}`;
  if (url.hostname === '') return 'the URL names no host';
  if (!/^(\/\d{0,4})?$/.test(url.pathname)) return 'the path of a Redis URL is a database number, as in /0';
  return url.search === '' && url.hash === '' ? undefined : 'a Redis URL has no query and no fragment here';
}

/** Pattern of `match.host`: a name, an address, or `*.` before a name. Says what is wrong with it, or undefined. */
export function hostPatternProblem(text: string): string | undefined {
  const name = text.startsWith('*.') ? text.slice(2) : text;
  if (name.includes('*')) return '"*" stands only at the start, as in "*.example.com"';
  if (name.includes('/')) return 'a host has no scheme and no path';
  if (/^\[[0-9a-f:.]+\]$/i.test(text))
    return isIPv6(text.slice(1, -1)) ? undefined : 'expected an IPv6 address in brackets';
  if (/:\d*$/.test(name)) return 'a host is matched without its port';
  if (name.endsWith('.')) return 'a host is matched without the dot at its end';
  return isHostText(name) ? undefined : 'expected a host such as api.example.com or "*.example.com"';
}

/** A fixed `Host` value: a host with an optional port. */
export function isAuthority(text: string): boolean {
  const split = splitHostPort(text, 80);
  return split !== undefined && split.host !== '' && isHostText(split.host);
}

interface HostPort {
  /** Without brackets. */
  readonly host: string;
  readonly port: number | undefined;
}

function splitHostPort(text: string, defaultPort?: number): HostPort | undefined {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const port = match[2] === undefined ? defaultPort : Number(match[2]);
  if (port !== undefined && port > 65_535) return undefined;
  const host = match[1]!;
  if (!host.startsWith('[')) return { host, port };
  const address = host.slice(1, -1);
  return isIPv6(address) && !address.includes('%') ? { host: address, port } : undefined;
}

/** What is wrong with a name to look for in a certificate, or undefined. */
export function serverNameProblem(text: string): string | undefined {
  if (isIP(text) !== 0)
    return 'a server name is no address (RFC 6066): leave it out, and the certificate is to name the address';
  return isHostText(text) ? undefined : 'expected a host name such as api.example.com';
}

/** A DNS name (also with `_`, as container networks use them) or an IP address. */
function isHostText(host: string): boolean {
  if (isIPv6(host)) return true;
  const isLabel = (label: string) => /^[a-z0-9_-]{1,63}$/i.test(label) && !/^-|-$/.test(label);
  if (host.length > 253 || !host.split('.').every(isLabel)) return false;
  // All-numeric last label: an IPv4 address or a mistake.
  return !/(^|\.)\d+$/.test(host) || isIP(host) === 4;
}
