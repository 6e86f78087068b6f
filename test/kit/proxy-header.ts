import { crc32c } from '../../src/http/crc32c.ts';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

export interface V2Options {
  /** 1 = PROXY, 0 = LOCAL. */
  readonly command?: number;
  /** Family and protocol, one octet; default by the address. */
  readonly family?: number;
  readonly tlvs?: readonly (readonly [type: number, value: Uint8Array])[];
  /** Adds the checksum TLV; `wrong`: one that does not hold. */
  readonly checksum?: 'right' | 'wrong';
}

/** A PROXY header of version 1 as a balancer sends it for a client at `source`. */
export function proxyV1(source: string): string {
  return source.includes(':')
    ? `PROXY TCP6 ${source} 2001:db8::1 40000 443\r\n`
    : `PROXY TCP4 ${source} 192.0.2.1 40000 443\r\n`;
}

/** The same in version 2; `source` is an IPv4 address, or the 16 octets of an IPv6 one. */
export function proxyV2(source: string | Uint8Array, options: V2Options = {}): Buffer {
  const from = typeof source === 'string' ? Buffer.from(source.split('.').map(Number)) : Buffer.from(source);
  const to = Buffer.alloc(from.length, 1);
  const ports = Buffer.from([0x9c, 0x40, 0x01, 0xbb]);
  const tlvs = (options.tlvs ?? []).map(([type, value]) => tlv(type, value));
  if (options.checksum !== undefined) tlvs.push(tlv(3, Buffer.alloc(4)));
  const rest = Buffer.concat([from, to, ports, ...tlvs]);
  const family = options.family ?? (from.length === 4 ? 0x11 : 0x21);
  const fixed = Buffer.from([0x20 | (options.command ?? 1), family, rest.length >> 8, rest.length & 255]);
  const header = Buffer.concat([SIGNATURE, fixed, rest]);
  if (options.checksum !== undefined) {
    const sum = crc32c(header) ^ (options.checksum === 'wrong' ? 1 : 0);
    header.writeUInt32BE(sum >>> 0, header.length - 4);
  }
  return header;
}

function tlv(type: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value]);
}
