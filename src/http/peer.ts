import type { FieldBlock } from './head.ts';

/** The other end of a client connection. */
export interface Peer {
  /** Canonical address text; `unix` for a unix socket. */
  readonly address: string;
  /** Whether forwarding fields from it are believed (`trustedProxies`, `trustedHops`). */
  readonly trusted: boolean;
  /** Place of the listener it came through, e.g. `listeners[0]`. */
  readonly listenerPlace: string;
  /** Forwarding fields for requests that carried none, by authority: the same for every such request of the connection. */
  forwarding: { authority: string; block: FieldBlock } | undefined;
}
