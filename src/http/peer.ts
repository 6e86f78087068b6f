import type { ProxyTrust } from './client-ip.ts';
import type { FieldBlock } from './head.ts';

/** The address of a peer on a unix socket, which has none. */
export const UNIX_PEER = 'unix';

/** The other end of a client connection. */
export interface Peer {
  /** Canonical address text, or `UNIX_PEER`; where a trusted proxy named its client by the PROXY protocol, that one. */
  readonly address: string;
  /** `https` where the connection is encrypted. */
  readonly scheme: 'http' | 'https';
  /** A proxy speaks for somebody whom it did not name (PROXY protocol): never trusted. */
  readonly nameless: boolean;
  /** Whether forwarding fields from it are believed (`trustedProxies`, `trustedHops`); always from a unix socket. */
  trusted: boolean;
  /** What `trusted` was worked out from: after a reload of the trust it is worked out again. */
  settledBy: ProxyTrust | undefined;
  /** Place of the listener it came through, e.g. `listeners[0]`. */
  listenerPlace: string;
  /** Forwarding fields for requests that carried none, by authority: the same for every such request of the connection. */
  forwarding: { authority: string; block: FieldBlock } | undefined;
}
