import { FieldCode, maskOf } from './field-code.ts';
import type { Fields } from './fields.ts';
import { FieldBlock, type FlatFields, type RequestHead, type ResponseHead } from './head.ts';
import { type Peer, UNIX_PEER } from './peer.ts';

/** Fields about the way a request came: the gateway writes its own, from what came only where the peer is trusted. */
const REWRITTEN = maskOf(
  FieldCode.xForwardedFor,
  FieldCode.xForwardedProto,
  FieldCode.xForwardedHost,
  FieldCode.forwarded,
  FieldCode.xRequestId,
  FieldCode.via,
);

/** From a peer that is not trusted these are dropped too. */
const UNTRUSTED = maskOf(FieldCode.xRealIp, FieldCode.forwardingLookalike);

/** Field codes to drop from a request of this peer. */
export function forwardingDrop(peer: Peer): number {
  return peer.trusted ? REWRITTEN : REWRITTEN | UNTRUSTED;
}

const RECEIVED = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded', 'via'] as const;
type Received = Record<(typeof RECEIVED)[number], string | undefined>;

/**
 * X-Forwarded-For, -Proto, -Host, Forwarded (RFC 7239) and Via (RFC 9110 §7.6.3) of a request on its way to an endpoint.
 * Where nothing came that must be carried on, the block is the same for the whole connection and is made once.
 */
export function forwardingFields(head: RequestHead, peer: Peer): FieldBlock {
  const known = peer.forwarding;
  if (known !== undefined && known.authority === head.authority && !carriesOn(head, peer)) return known.block;
  const block = new FieldBlock(forwardingLines(head, peer));
  if (!carriesOn(head, peer)) peer.forwarding = { authority: head.authority, block };
  return block;
}

const CARRIED = REWRITTEN & ~maskOf(FieldCode.xRequestId);

function carriesOn(head: RequestHead, peer: Peer): boolean {
  const seen = (head as { readonly seen?: number }).seen;
  const mask = peer.trusted ? CARRIED : maskOf(FieldCode.via);
  if (seen !== undefined) return (seen & mask) !== 0 || head.version !== 'HTTP/1.1';
  return true;
}

function forwardingLines(head: RequestHead, peer: Peer): FlatFields {
  const received = receivedFields(head, peer.trusted);
  const lines: FlatFields = [];
  const { address } = peer;
  const forwardedFor = received['x-forwarded-for'];
  // A unix socket has no address to add.
  const way = [forwardedFor, address === UNIX_PEER ? undefined : address].filter((part) => part !== undefined);
  if (way.length > 0) lines.push('X-Forwarded-For', way.join(', '));
  lines.push('X-Forwarded-Proto', received['x-forwarded-proto'] ?? peer.scheme);
  const host = received['x-forwarded-host'] ?? head.authority;
  if (host !== '') lines.push('X-Forwarded-Host', host);
  const element = forwardedElement(address, head.authority, peer.scheme);
  lines.push('Forwarded', received.forwarded === undefined ? element : `${received.forwarded}, ${element}`);
  const via = `${head.version.slice(5)} headgate`;
  lines.push('Via', received.via === undefined ? via : `${received.via}, ${via}`);
  return lines;
}

function receivedFields(head: Fields, trusted: boolean): Received {
  const received = {} as Received;
  for (const name of RECEIVED) received[name] = trusted || name === 'via' ? head.get(name) : undefined;
  return received;
}

/** One element of Forwarded: an IPv6 address is bracketed and quoted, as is whatever is no token (RFC 7239 §4, §6). */
function forwardedElement(address: string, authority: string, scheme: Peer['scheme']): string {
  const node = address.includes(':') ? `"[${address}]"` : address === UNIX_PEER ? '_unix' : address;
  const host = authority === '' ? '' : `;host=${/^[A-Za-z0-9._-]+$/.test(authority) ? authority : `"${authority}"`}`;
  return `for=${node}${host};proto=${scheme}`;
}

const VIA_11 = new FieldBlock(['Via', '1.1 headgate']);

/** Via of a response on its way to the client, after what came and with the version it came in. */
export function responseVia(response: ResponseHead): FieldBlock {
  const { version } = response;
  if (version === 'HTTP/1.1' && !response.has(FieldCode.via)) return VIA_11;
  const received = response.get('via');
  const own = `${version.slice(5)} headgate`;
  return new FieldBlock(['Via', received === undefined ? own : `${received}, ${own}`]);
}
