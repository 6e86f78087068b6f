import type { GatewayError } from '../errors.ts';
import type { Fields } from './fields.ts';

/** Where the bytes of a body go. Exactly one of `onEnd` and `onAbort` is called, last. */
export interface BodySink {
  /** One chunk. False asks the source to pause until `resume()`. See `Body.transient` for how long the memory is valid. */
  onData(chunk: Uint8Array): boolean;
  onEnd(trailers: Fields | undefined): void;
  /** The body will never be complete; what was sent on must not look complete. */
  onAbort(error: GatewayError): void;
}

/** A body that is streamed, never collected: a source that runs when it is piped and pauses when it is asked to. */
export interface Body {
  /** Length in bytes when the message states it. */
  readonly length: number | undefined;
  /** What it must bring a second on average; undefined = no bound. */
  readonly leastBytesPerS: number | undefined;
  /** True when a chunk's memory is used again after `onData` returns: a sink that keeps the bytes copies them. */
  readonly transient: boolean;
  /** Starts the flow into `sink`; called once. */
  pipe(sink: BodySink): void;
  resume(): void;
}
