import type { Socket } from 'node:net';
import { canonicalIp } from '../../core/ip.ts';
import { clientIp, type ProxyTrust, trustsPeer } from '../../http/client-ip.ts';
import { FieldCode } from '../../http/field-code.ts';
import type { Http1RequestHead } from '../../http/http1/request-head.ts';
import type { Peer } from '../../http/peer.ts';

/** Who is at the other end of an accepted socket. A unix socket has no address; whoever may open it is trusted. */
export function peerOf(socket: Socket, trust: ProxyTrust, listenerPlace: string): Peer {
  const remote = socket.remoteAddress;
  const address = remote === undefined ? 'unix' : (canonicalIp(remote) ?? remote);
  return { address, trusted: remote === undefined || trustsPeer(address, trust), listenerPlace, forwarding: undefined };
}

/** The client's address, from the forwarding fields where the peer is trusted. */
export function clientOf(head: Http1RequestHead, peer: Peer, trust: ProxyTrust): string {
  if (!peer.trusted || (head.seen & FORWARDING) === 0) return peer.address;
  return clientIp(peer.address, head.joined(FieldCode.xForwardedFor), head.joined(FieldCode.forwarded), trust);
}

const FORWARDING = (1 << FieldCode.xForwardedFor) | (1 << FieldCode.forwarded);
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** The request id that a trusted proxy gave. */
export function requestIdOf(head: Http1RequestHead, peer: Peer): string | undefined {
  if (!peer.trusted || !head.has(FieldCode.xRequestId)) return undefined;
  const id = head.joined(FieldCode.xRequestId) as string;
  return REQUEST_ID.test(id) ? id : undefined;
}
