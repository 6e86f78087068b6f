import type { WheelTimer } from '../core/timer-wheel.ts';
import type { Body } from '../http/body.ts';
import type { Fields } from '../http/fields.ts';
import type { ReplyHead, ResponseHead } from '../http/head.ts';
import type { Peer } from '../http/peer.ts';
import type { TunnelEnd } from '../upstream/channel.ts';
import type { Exchange } from './exchange.ts';

/**
 * The client's side of an exchange, whatever codec is behind it: HTTP/1 on a socket, or an in-memory call. A response is
 * `sendReply`, or `writeHead`, any `writeData`, `writeEnd`; then `done`.
 */
export interface Downstream {
  readonly peer: Peer;
  /** The exchange's timer. It belongs to the connection, so that a request allocates none. */
  readonly timer: WheelTimer;
  /** The request's body; undefined where it has none. */
  readonly requestBody: Body | undefined;
  writeInformational(head: ResponseHead): void;
  /** A whole response; `body` holds one octet a character. */
  sendReply(head: ReplyHead, body: string): void;
  /** Head of a response whose body follows. */
  writeHead(head: ReplyHead): void;
  /** The chunk's memory is valid during the call only. False asks to pause until `exchange.onWritable`. */
  writeData(chunk: Uint8Array): boolean;
  writeEnd(trailers: Fields | undefined): void;
  /** Sends on what was collected. */
  flush(): void;
  /** Ends the response so that the client sees it is not whole. */
  cut(): void;
  /** Answers 101 and hands the connection over. */
  openTunnel(head: ReplyHead): TunnelEnd;
  /** The exchange is over; nothing of it is used any more. */
  done(exchange: Exchange): void;
}
