import dns from 'node:dns';
import { readFile } from 'node:fs/promises';
import type { NameAnswer, Resolver, Timers } from '../../ports.ts';
import { hostsFileNames } from './hosts-file.ts';

export interface SystemResolverOptions {
  readonly timers: Timers;
  /** Name servers, `address` or `address:port`; default: those of the machine. */
  readonly servers?: readonly string[];
  readonly hostsFile?: string;
}

/** What the system answers (hosts file, search domains, mDNS) has no TTL. */
const SYSTEM_TTL_MS = 30_000;
/** One try of a query; there are two. */
const QUERY_TIMEOUT_MS = 2000;
/** Once one family has answered the other gets so long (RFC 8305 §3). */
const RESOLUTION_DELAY_MS = 50;
/** Answers that are final: no such name, no such records, or no server to ask. What the system knows else may help. */
const FINAL = new Set(['ENOTFOUND', 'ENODATA', 'ECONNREFUSED', 'EBADNAME']);

/**
 * The name service of the machine. Names with a dot are asked for by DNS, for their TTL; names of the hosts file, names without a
 * dot, and what DNS does not know as it stands (search domains, mDNS) are left to `getaddrinfo`.
 */
export function systemResolver(options: SystemResolverOptions): Resolver {
  const resolver = new dns.promises.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: 2 });
  if (options.servers !== undefined) resolver.setServers(options.servers);
  const hostsFile = options.hostsFile ?? '/etc/hosts';
  return {
    async resolve(name: string): Promise<NameAnswer> {
      if (!name.includes('.') || (await isInHostsFile(hostsFile, name))) return askSystem(name);
      const [ipv4, ipv6] = await bothOf(
        ask(() => resolver.resolve4(name, { ttl: true })),
        ask(() => resolver.resolve6(name, { ttl: true })),
        options.timers,
      );
      if (hasAddresses(ipv4) || hasAddresses(ipv6)) return answerOf(ipv4, ipv6);
      const failure = failureOf(ipv4) ?? failureOf(ipv6);
      if (failure !== undefined && !FINAL.has(failure)) throw Object.assign(new Error(failure), { code: failure });
      return askSystem(name);
    },
  };
}

interface Record {
  readonly address: string;
  readonly ttl: number;
}

/** The records of one family, why there are none, or undefined where nothing came in time. */
type Family = readonly Record[] | { readonly failure: string } | undefined;

async function ask(query: () => Promise<readonly Record[]>): Promise<Family> {
  try {
    return await query();
  } catch (error) {
    return { failure: (error as NodeJS.ErrnoException).code ?? 'EUNKNOWN' };
  }
}

/** Both answers; where one has addresses, the other is waited for a moment longer and no more. */
async function bothOf(ipv4: Promise<Family>, ipv6: Promise<Family>, timers: Timers): Promise<[Family, Family]> {
  return new Promise((resolve) => {
    const got: [Family, Family] = [undefined, undefined];
    let open = 2;
    const settle = (at: 0 | 1, family: Family): void => {
      got[at] = family;
      open--;
      if (open === 0) resolve(got);
      else if (hasAddresses(family)) timers.after(RESOLUTION_DELAY_MS, () => resolve([...got]));
    };
    void ipv4.then((family) => settle(0, family));
    void ipv6.then((family) => settle(1, family));
  });
}

function hasAddresses(family: Family): family is readonly Record[] {
  return Array.isArray(family) && family.length > 0;
}

/** Why a family has no addresses; a definite "there are none" is no failure beside a worse one. */
function failureOf(family: Family): string | undefined {
  return family !== undefined && 'failure' in family && !FINAL.has(family.failure) ? family.failure : undefined;
}

function answerOf(ipv4: Family, ipv6: Family): NameAnswer {
  const records = [ipv4, ipv6].flatMap((family) => (hasAddresses(family) ? [...family] : []));
  return {
    ipv4: addressesOf(ipv4),
    ipv6: addressesOf(ipv6),
    ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000,
  };
}

function addressesOf(family: Family): readonly string[] | undefined {
  if (hasAddresses(family)) return family.map(({ address }) => address);
  const isKnown = family !== undefined && (Array.isArray(family) || FINAL.has((family as { failure: string }).failure));
  return isKnown ? [] : undefined;
}

async function askSystem(name: string): Promise<NameAnswer> {
  const found = await dns.promises.lookup(name, { all: true, verbatim: true });
  const of = (version: number): string[] =>
    found.flatMap(({ address, family }) => (family === version ? [address] : []));
  return { ipv4: of(4), ipv6: of(6), ttlMs: SYSTEM_TTL_MS };
}

async function isInHostsFile(path: string, name: string): Promise<boolean> {
  try {
    return hostsFileNames(await readFile(path, 'utf8'), name.toLowerCase());
  } catch {
    // There is none, or it is not for us to read: the system looks for itself.
    return false;
  }
}
