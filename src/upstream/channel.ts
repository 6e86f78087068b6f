import type { GatewayError } from '../errors.ts';
import type { Fields } from '../http/fields.ts';
import type { OutgoingRequest, ResponseHead } from '../http/head.ts';
import type { EndpointAddress } from './endpoint-address.ts';

/**
 * One connection to an endpoint as an attempt uses it: one request at a time, one response back. The codec and the
 * socket are behind it.
 */
export interface UpstreamChannel {
  /** Requests that were answered on it: 0 = fresh. */
  readonly served: number;
  /** No octet of the running request was given to the socket yet. */
  readonly unsent: boolean;
  /** Kept by the pool: when it came to rest, how long it may, and for how long it had rested when it was given out. */
  idleSinceMs: number;
  idleUntilMs: number;
  idleForMs: number;
  /** Sends the head. A body, where there is one, follows through `writeData` and `writeEnd`. */
  send(request: OutgoingRequest, receiver: ChannelReceiver): void;
  /** False asks to pause until `onWritable`. */
  writeData(chunk: Uint8Array): boolean;
  writeEnd(trailers: Fields | undefined): void;
  /** Goes on with a response whose receiver asked for a pause. */
  resume(): void;
  /** Lets go of the running exchange: the rest of the response is read and dropped where that is cheap, else the connection closes. */
  discard(): void;
  /** Closes at once. Its receiver hears no more; its owner hears `onClosed`. */
  close(): void;
}

/** What an attempt hears from its channel. `onEnd`, `onTunnel` and `onFailure` are the last call, and only one of them comes. */
export interface ChannelReceiver {
  onInformational(head: ResponseHead): void;
  /** `bodyLength` undefined: streamed until its end. */
  onResponse(head: ResponseHead, bodyLength: number | undefined): void;
  /** A view that is valid during the call only. False asks to pause until `resume()`. */
  onData(chunk: Uint8Array): boolean;
  onEnd(trailers: Fields | undefined): void;
  /** All that came in one read was handed over: time to write out what was collected. */
  onReadEnd(): void;
  onWritable(): void;
  /** The endpoint answered 101: the connection is octets from now on. */
  onTunnel(head: ResponseHead, end: TunnelEnd): void;
  /** The response will not come, or not to its end. `responded`: whether any octet of a response had come. */
  onFailure(error: GatewayError, responded: boolean): void;
}

/** One side of a tunnel. */
export interface TunnelEnd {
  attach(peer: TunnelPeer): void;
  /** False asks to pause until `onWritable`. A transient chunk is copied where it cannot be written at once. */
  write(chunk: Uint8Array, transient: boolean): boolean;
  end(): void;
  /** Closes once what waits is written, or is not taken. What still comes from the other side is dropped. */
  close(): void;
  destroy(): void;
  /** Closes at once, so that the other side sees that it was not the regular end (RST where the transport has it). */
  reset(): void;
  pause(): void;
  resume(): void;
}

export interface TunnelPeer {
  onData(chunk: Uint8Array, transient: boolean): void;
  onWritable(): void;
  /** The other side sends no more. */
  onEnd(): void;
  /** It is gone. `failure`: the error that ended it (`ECONNRESET`, `ETIMEDOUT`, …); undefined for a regular end. */
  onClose(failure: string | undefined): void;
}

/** Opens connections; the port behind which sockets live. */
export interface Transport {
  connect(address: EndpointAddress, connectTimeoutMs: number, owner: ChannelOwner): void;
}

/** What the pool hears from the connections it owns. */
export interface ChannelOwner {
  /** `address`: what was to be connected to. */
  onConnected(channel: UpstreamChannel, address: EndpointAddress): void;
  onConnectFailed(error: GatewayError): void;
  /** The last exchange on it ended well and it may carry another. `hintMs`: the endpoint's own idle limit, if it gave one. */
  onIdle(channel: UpstreamChannel, hintMs: number | undefined): void;
  /** It shall carry what it carries and nothing new: its address is no longer the endpoint's. */
  onStale(channel: UpstreamChannel): void;
  /** It is gone, whatever it was doing. */
  onClosed(channel: UpstreamChannel): void;
}
