import type { Socket } from 'node:net';
import { canonicalIp } from '../../core/ip.ts';
import { clientIp, type ProxyTrust, trustsPeer } from '../../http/client-ip.ts';
import { FieldCode } from '../../http/field-code.ts';
import type { Http1RequestHead } from '../../http/http1/request-head.ts';
import { type Peer, UNIX_PEER } from '../../http/peer.ts';
import type { ProxySource } from '../../http/proxy-protocol.ts';

/** Where an accepted socket comes from: canonical address text, or `UNIX_PEER`. */
export function addressOf(socket: Socket): string {
  const remote = socket.remoteAddress;
  return remote === undefined ? UNIX_PEER : (canonicalIp(remote) ?? remote);
}

/** Who is at the other end of a connection from `address`, in whose name a PROXY header may have spoken. */
export function peerOf(
  address: string,
  scheme: Peer['scheme'],
  source: ProxySource | undefined,
  trust: ProxyTrust,
  listenerPlace: string,
): Peer {
  const peer: Peer = {
    address: source?.kind === 'address' ? source.address : address,
    scheme,
    nameless: source?.kind === 'unknown',
    trusted: false,
    settledBy: undefined,
    listenerPlace,
    forwarding: undefined,
  };
  settlePeer(peer, trust, listenerPlace);
  return peer;
}

/** Whether an address is that of a proxy that is believed. A unix socket's is: its file says who may open it. */
export function isTrusted(address: string, trust: ProxyTrust): boolean {
  return address === UNIX_PEER || trustsPeer(address, trust);
}

/** Works out whether the peer is believed. */
export function settlePeer(peer: Peer, trust: ProxyTrust, listenerPlace: string): void {
  peer.trusted = !peer.nameless && isTrusted(peer.address, trust);
  peer.settledBy = trust;
  peer.listenerPlace = listenerPlace;
  peer.forwarding = undefined;
}

/** The client's address, from the forwarding fields where the peer is trusted. */
export function clientOf(head: Http1RequestHead, peer: Peer, trust: ProxyTrust): string {
  if (!peer.trusted || (head.seen & FORWARDING) === 0) return peer.address;
  const forwardedFor = head.joined(FieldCode.xForwardedFor);
  const forwarded = head.joined(FieldCode.forwarded);
  if (peer.address !== UNIX_PEER || trust.kind === 'hops')
    return clientIp(peer.address, forwardedFor, forwarded, trust);
  // Behind a unix socket stands one proxy on this machine; behind that, those of the trusted networks.
  const nearest = clientIp(peer.address, forwardedFor, forwarded, ONE_HOP);
  return clientIp(nearest, forwardedFor?.slice(0, Math.max(0, forwardedFor.lastIndexOf(','))), undefined, trust);
}

const ONE_HOP: ProxyTrust = { kind: 'hops', hops: 1 };
const FORWARDING = (1 << FieldCode.xForwardedFor) | (1 << FieldCode.forwarded);
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** The request id that a trusted proxy gave. */
export function requestIdOf(head: Http1RequestHead, peer: Peer): string | undefined {
  if (!peer.trusted || !head.has(FieldCode.xRequestId)) return undefined;
  const id = head.joined(FieldCode.xRequestId) as string;
  return REQUEST_ID.test(id) ? id : undefined;
}
