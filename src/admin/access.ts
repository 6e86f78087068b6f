import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

export interface AdminToken {
  readonly token: string;
  readonly role: 'read' | 'write';
}

export interface AccessRules {
  readonly tokens: readonly AdminToken[];
  /** Host names, without port, under which the admin API may be used on loopback, besides loopback's own. */
  readonly allowedHosts: readonly string[];
}

export interface Refusal {
  readonly status: 401 | 403;
  readonly detail: string;
}

/**
 * Decides who may use the admin API, `/livez`, `/readyz` and `/metrics` aside. A connection from the machine to itself
 * is free, unless it was relayed for somebody else; there `Host` and `Origin` are checked, for a web page can make a
 * browser on this machine send requests here (DNS rebinding). Any other needs a token.
 */
export class AdminAccess {
  readonly #tokens: readonly { readonly digest: Buffer; readonly role: 'read' | 'write' }[];
  readonly #allowedHosts: ReadonlySet<string>;

  constructor(rules: AccessRules) {
    this.#tokens = rules.tokens.map(({ token, role }) => ({ digest: digest(token), role }));
    this.#allowedHosts = new Set(rules.allowedHosts.map((host) => host.toLowerCase()));
  }

  /** For requests over TCP; undefined: go on. An address that is not known any more is not taken for loopback. */
  check(request: IncomingMessage, needs: 'read' | 'write'): Refusal | undefined {
    const { localAddress, remoteAddress } = request.socket;
    const isLocal = isLoopback(localAddress) && isLoopback(remoteAddress) && !isRelayed(request);
    return isLocal ? this.#checkBrowser(request) : this.#checkToken(request, needs);
  }

  #checkBrowser({ headers }: IncomingMessage): Refusal | undefined {
    const host = headers.host ?? '';
    const name = hostName(host);
    if (name === undefined || !(isLoopbackName(name) || this.#allowedHosts.has(name))) {
      return {
        status: 403,
        detail: 'this Host is not allowed here: use a loopback address, or set admin.allowedHosts',
      };
    }
    const { origin } = headers;
    if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) {
      return { status: 403, detail: 'requests from other origins are refused' };
    }
    return undefined;
  }

  #checkToken({ headers }: IncomingMessage, needs: 'read' | 'write'): Refusal | undefined {
    if (this.#tokens.length === 0) return { status: 403, detail: 'set admin.tokens' };
    const bearer = /^bearer +([^ ]+) *$/i.exec(headers.authorization ?? '')?.[1];
    if (bearer === undefined) return { status: 401, detail: 'a token is needed: Authorization: Bearer <token>' };
    const role = this.#roleOf(bearer);
    if (role === undefined) return { status: 401, detail: 'this token is not known' };
    if (needs === 'write' && role === 'read') return { status: 403, detail: 'this token may only read' };
    return undefined;
  }

  /** Takes the same time wherever the token differs, and whichever it is: all are compared, by digest. */
  #roleOf(bearer: string): 'read' | 'write' | undefined {
    const presented = digest(bearer);
    let role: 'read' | 'write' | undefined;
    for (const token of this.#tokens) {
      if (timingSafeEqual(token.digest, presented) && role !== 'write') role = token.role;
    }
    return role;
  }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(plain);
  return family !== 0 && LOOPBACK.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}

/** A proxy on this machine makes everybody look local; it says so in these fields. */
function isRelayed({ headers }: IncomingMessage): boolean {
  return headers.via !== undefined || headers.forwarded !== undefined || headers['x-forwarded-for'] !== undefined;
}

/** Host without port and brackets, in lower case; undefined when it is none. */
function hostName(host: string): string | undefined {
  const found = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\\?#\s]+))(?::\d*)?$/i.exec(host);
  return (found?.[1] ?? found?.[2])?.toLowerCase();
}

function isLoopbackName(name: string): boolean {
  return name === 'localhost' || isLoopback(name);
}
