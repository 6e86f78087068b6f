/**
 * Addresses as text and as numbers. The canonical text of an IPv4 address is dotted decimal without leading zeros, of an
 * IPv6 address that of RFC 5952; an IPv4 address inside an IPv6 one (mapped, ::ffff:0:0/96; NAT64, 64:ff9b::/96) is the
 * IPv4 address, told by its bits and not by how it is written.
 */

/** Eight groups of 16 bits; an IPv4 address lies in the last two, after 0:0:0:0:0:ffff. */
type Groups = number[];

function parseOctets(text: string, start: number, end: number): number {
  let value = 0;
  let octets = 0;
  let at = start;
  while (at < end) {
    let octet = 0;
    let digits = 0;
    for (; at < end; at++, digits++) {
      const code = text.charCodeAt(at) - 48;
      if (code < 0 || code > 9) break;
      octet = octet * 10 + code;
    }
    if (digits === 0 || digits > 3 || octet > 255 || (digits > 1 && text.charCodeAt(at - digits) === 48)) return -1;
    value = value * 256 + octet;
    octets++;
    if (at === end) break;
    if (text[at] !== '.' || octets === 4) return -1;
    at++;
    if (at === end) return -1;
  }
  return octets === 4 ? value : -1;
}

const GROUP = /^[0-9a-f]{1,4}$/i;

function parseGroups(text: string): Groups | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1) return missing === 0 ? head : undefined;
  return missing < 1 ? undefined : [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** The groups of one side of `::`; the last may be an IPv4 address where `atEnd`. */
function groupsOf(text: string, atEnd: boolean): Groups | undefined {
  if (text === '') return [];
  const groups: Groups = [];
  const parts = text.split(':');
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at]!;
    if (GROUP.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const value = atEnd && at === parts.length - 1 ? parseOctets(part, 0, part.length) : -1;
    if (value < 0) return undefined;
    groups.push(value >>> 16, value & 0xffff);
  }
  return groups;
}

function embedsIpv4(groups: Groups): boolean {
  const mapped = groups[0] === 0 && groups[1] === 0 && groups[4] === 0 && groups[5] === 0xffff;
  const nat64 = groups[0] === 0x64 && groups[1] === 0xff9b && groups[4] === 0 && groups[5] === 0;
  return (mapped || nat64) && groups[2] === 0 && groups[3] === 0;
}

/** An address without port, brackets and zone; undefined when there is none. */
function bare(text: string): string | undefined {
  let address = text.trim();
  if (address.startsWith('[')) {
    const close = address.indexOf(']');
    if (close < 0 || !/^(?::\d{1,5})?$/.test(address.slice(close + 1))) return undefined;
    address = address.slice(1, close);
  } else {
    const colon = address.indexOf(':');
    if (colon >= 0 && address.indexOf(':', colon + 1) < 0) {
      if (!/^\d{1,5}$/.test(address.slice(colon + 1))) return undefined;
      address = address.slice(0, colon);
    }
  }
  const zone = address.indexOf('%');
  return zone < 0 || !address.includes(':') ? address : address.slice(0, zone);
}

const MAPPED: Groups = [0, 0, 0, 0, 0, 0xffff];

function parse(text: string): Groups | undefined {
  const address = bare(text);
  if (address === undefined || address === '') return undefined;
  if (!address.includes(':')) {
    const value = parseOctets(address, 0, address.length);
    return value < 0 ? undefined : [...MAPPED, Math.floor(value / 65536), value & 0xffff];
  }
  const groups = parseGroups(address);
  if (groups === undefined) return undefined;
  return embedsIpv4(groups) ? [...MAPPED, groups[6]!, groups[7]!] : groups;
}

function isIpv4(groups: Groups): boolean {
  return groups[5] === 0xffff && embedsIpv4(groups);
}

function format(groups: Groups): string {
  if (isIpv4(groups)) {
    const [high, low] = [groups[6]!, groups[7]!];
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > bestLength) [bestStart, bestLength] = [start, length];
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestStart < 0) return hex.join(':');
  return `${hex.slice(0, bestStart).join(':')}::${hex.slice(bestStart + bestLength).join(':')}`;
}

/** Canonical text of an address, with or without port, brackets and zone; undefined when it is none. */
export function canonicalIp(text: string): string | undefined {
  const groups = parse(text);
  return groups === undefined ? undefined : format(groups);
}

function masked(groups: Groups, bits: number): Groups {
  return groups.map((group, at) => {
    const kept = Math.min(16, Math.max(0, bits - at * 16));
    return group & (0xffff << (16 - kept)) & 0xffff;
  });
}

/**
 * The client that a canonical address stands for: an IPv4 address as it is, an IPv6 one as its prefix, e.g.
 * `2001:db8:1:2::/64`. Text that is no address is returned as it is.
 */
export function clientOf(canonical: string, ipv6Prefix: number): string {
  if (!canonical.includes(':')) return canonical;
  const groups = parse(canonical);
  if (groups === undefined || isIpv4(groups) || ipv6Prefix >= 128) return canonical;
  return `${format(masked(groups, ipv6Prefix))}/${ipv6Prefix}`;
}

interface Block {
  readonly groups: Groups;
  readonly bits: number;
}

/** What is wrong with a CIDR block, for a person who wrote it, or undefined. A bare address is a block of one. */
export function cidrProblem(text: string): string | undefined {
  return parseBlock(text) === undefined
    ? `"${text}" is no address or CIDR block, as in 10.0.0.0/8 or fd00::/8`
    : undefined;
}

function parseBlock(text: string): Block | undefined {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const length = slash < 0 ? '' : text.slice(slash + 1);
  if (/[[\]%]/.test(address) || (slash >= 0 && !/^\d{1,3}$/.test(length))) return undefined;
  const isV6 = address.includes(':');
  // One colon would be an address with a port.
  if (isV6 && address.indexOf(':') === address.lastIndexOf(':')) return undefined;
  const groups = parse(address);
  if (groups === undefined) return undefined;
  const widest = isV6 ? 128 : 32;
  const bits = slash < 0 ? widest : Number(length);
  if (bits > widest) return undefined;
  if (!isV6) return { groups: masked(groups, 96 + bits), bits: 96 + bits };
  // A block of the mapped range shorter than /96 is a block of IPv6; its addresses inside are compared as IPv4.
  const whole = isIpv4(groups) && bits < 96 ? parseGroups(address)! : groups;
  return { groups: masked(whole, bits), bits };
}

/** A set of CIDR blocks. Throws a RangeError for a block that is none (see `cidrProblem`). */
export class CidrSet {
  readonly size: number;
  private readonly blocks: readonly Block[];

  constructor(cidrs: readonly string[]) {
    this.blocks = cidrs.map((text) => {
      const block = parseBlock(text);
      if (block === undefined) throw new RangeError(`not a CIDR block: ${text}`);
      return block;
    });
    this.size = this.blocks.length;
  }

  /** Whether an address lies in a block. IPv4 addresses lie in IPv4 blocks, and in `::/0`. */
  contains(address: string): boolean {
    if (this.size === 0) return false;
    const groups = parse(address);
    return groups !== undefined && this.blocks.some((block) => within(groups, block));
  }
}

function within(groups: Groups, block: Block): boolean {
  let left = block.bits;
  for (let at = 0; left > 0; at++, left -= 16) {
    const mask = left >= 16 ? 0xffff : (0xffff << (16 - left)) & 0xffff;
    if ((groups[at]! & mask) !== block.groups[at]) return false;
  }
  return true;
}
