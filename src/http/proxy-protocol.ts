import { canonicalIp } from '../core/ip.ts';
import { crc32c } from './crc32c.ts';

/**
 * What the first octets of a connection are to the PROXY protocol (HAProxy's proxy-protocol.txt, versions 1 and 2):
 * `partial` = may become a header, more is needed; `none` = no header begins so; `invalid` = a header that is wrong;
 * `header` = one of `length` octets, behind which the connection itself begins.
 */
export type ProxyPreface =
  | { readonly kind: 'partial' | 'none' | 'invalid' }
  | { readonly kind: 'header'; readonly length: number; readonly from: ProxySource };

/**
 * For whom the proxy speaks: a client's address (canonical text), itself (`local`: its own health check), or somebody
 * whom it does not name (`unknown`).
 */
export type ProxySource =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'local' | 'unknown' };

const PARTIAL: ProxyPreface = { kind: 'partial' };
const NONE: ProxyPreface = { kind: 'none' };
const INVALID: ProxyPreface = { kind: 'invalid' };
const LOCAL: ProxySource = { kind: 'local' };
const UNKNOWN: ProxySource = { kind: 'unknown' };

const V1_START = octets('PROXY ');
const V2_START = octets('\r\n\r\n\0\r\nQUIT\n');
/** The longest line of version 1, CRLF included. */
const V1_BYTES = 107;
/** Signature, version and command, family and protocol, length. */
const V2_FIXED_BYTES = 16;
/** Longest header of version 2 that is read; the format would allow 64 KiB. */
export const MAX_PROXY_HEADER_BYTES = 16 * 1024;

/** Looks at the first octets of a connection, all that came so far. */
export function readProxyPreface(bytes: Uint8Array): ProxyPreface {
  if (beginsLike(bytes, V1_START)) return bytes.length < V1_START.length ? PARTIAL : readV1(bytes);
  if (beginsLike(bytes, V2_START)) return bytes.length < V2_FIXED_BYTES ? PARTIAL : readV2(bytes);
  return NONE;
}

function octets(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Whether as much as there is of both is the same. */
function beginsLike(bytes: Uint8Array, start: Uint8Array): boolean {
  const length = Math.min(bytes.length, start.length);
  for (let at = 0; at < length; at++) if (bytes[at] !== start[at]) return false;
  return true;
}

// Version 1: one line of text.

function readV1(bytes: Uint8Array): ProxyPreface {
  let line = '';
  for (let at = 0; at < bytes.length && at < V1_BYTES; at++) {
    const octet = bytes[at] as number;
    if (octet === 10) {
      const from = line.endsWith('\r') ? sourceOfLine(line.slice(0, -1)) : undefined;
      return from === undefined ? INVALID : { kind: 'header', length: at + 1, from };
    }
    line += String.fromCharCode(octet);
  }
  return bytes.length < V1_BYTES ? PARTIAL : INVALID;
}

/** Every part is parted by one space, and both addresses are of the family that is named. */
function sourceOfLine(line: string): ProxySource | undefined {
  const parts = line.split(' ');
  const [, family, source, destination, sourcePort, destinationPort] = parts;
  if (family === 'UNKNOWN') return UNKNOWN;
  if (parts.length !== 6 || !isPort(sourcePort) || !isPort(destinationPort)) return undefined;
  if (family !== 'TCP4' && family !== 'TCP6') return undefined;
  if (!isPlainAddress(source, family) || !isPlainAddress(destination, family)) return undefined;
  return { kind: 'address', address: canonicalIp(source as string) as string };
}

function isPort(text: string | undefined): boolean {
  return text !== undefined && /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

/** Without port, brackets and zone, which `canonicalIp` would take. */
function isPlainAddress(text: string | undefined, family: 'TCP4' | 'TCP6'): boolean {
  const form = family === 'TCP4' ? /^[\d.]+$/ : /^(?=.*:.*:)[\da-f:.]+$/i;
  return text !== undefined && form.test(text) && canonicalIp(text) !== undefined;
}

// Version 2: binary.

/** Octets of both addresses and ports, by family. */
const V2_ADDRESS_BYTES = [0, 12, 36, 216] as const;
const INET = 1;
const INET6 = 2;
const STREAM = 1;

function readV2(bytes: Uint8Array): ProxyPreface {
  const versionAndCommand = bytes[12] as number;
  const family = (bytes[13] as number) >> 4;
  const protocol = (bytes[13] as number) & 15;
  const addressBytes = V2_ADDRESS_BYTES[family];
  const command = versionAndCommand & 15;
  const length = V2_FIXED_BYTES + ((bytes[14] as number) << 8) + (bytes[15] as number);
  if (versionAndCommand >> 4 !== 2 || command > 1 || length > MAX_PROXY_HEADER_BYTES) return INVALID;
  if (addressBytes === undefined || protocol > 2) return INVALID;
  // LOCAL: what follows is skipped, whatever it is.
  if (command === 1 && length < V2_FIXED_BYTES + addressBytes) return INVALID;
  if (bytes.length < length) return PARTIAL;
  if (command === 0) return { kind: 'header', length, from: LOCAL };
  const header = bytes.subarray(0, length);
  if (!areGoodTlvs(header, V2_FIXED_BYTES + addressBytes)) return INVALID;
  return { kind: 'header', length, from: protocol === STREAM ? v2Source(header, family) : UNKNOWN };
}

function v2Source(header: Uint8Array, family: number): ProxySource {
  const octet = (at: number): number => header[V2_FIXED_BYTES + at] as number;
  if (family === INET) return addressOf(`${octet(0)}.${octet(1)}.${octet(2)}.${octet(3)}`);
  if (family !== INET6) return UNKNOWN;
  const groups = Array.from({ length: 8 }, (_, at) => ((octet(2 * at) << 8) | octet(2 * at + 1)).toString(16));
  return addressOf(groups.join(':'));
}

function addressOf(text: string): ProxySource {
  return { kind: 'address', address: canonicalIp(text) as string };
}

const TLV_CRC32C = 3;

/** Type, length and value in turn, to the end of the header; a checksum that is there must hold. */
function areGoodTlvs(header: Uint8Array, start: number): boolean {
  let at = start;
  while (at < header.length) {
    if (at + 3 > header.length) return false;
    const value = at + 3;
    const end = value + ((header[at + 1] as number) << 8) + (header[at + 2] as number);
    if (end > header.length) return false;
    if (header[at] === TLV_CRC32C && !isGoodChecksum(header, value, end)) return false;
    at = end;
  }
  return true;
}

function isGoodChecksum(header: Uint8Array, from: number, to: number): boolean {
  if (to - from !== 4) return false;
  const stated = header.subarray(from, to).reduce((sum, octet) => sum * 256 + octet, 0);
  return crc32c(header, from, to) === stated;
}
