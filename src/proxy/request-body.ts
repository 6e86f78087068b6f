import type { GatewayError } from '../errors.ts';
import type { Body, BodySink } from '../http/body.ts';
import type { Fields } from '../http/fields.ts';
import type { UpstreamChannel } from '../upstream/channel.ts';

/** Octets kept so that an attempt can be made again (`spec`: nothing is buffered whole except what retry needs). */
const REPLAY_BYTES = 64 * 1024;

export interface RequestBodyOwner {
  onRequestRead(): void;
  onRequestTooLarge(): void;
  onRequestAborted(error: GatewayError): void;
  /** The endpoint takes no more for now, or takes again. */
  onRequestStalled(stalled: boolean): void;
}

/**
 * Carries a request's body to the channel of the running attempt, counts it against the limit, and keeps its first
 * 64 KiB for the next attempt while one may come. With no channel attached the source is paused.
 */
export class RequestBody implements BodySink {
  bytes = 0;
  ended = false;
  private readonly source: Body;
  private readonly owner: RequestBodyOwner;
  private readonly limitBytes: number;
  private kept: Uint8Array[] | undefined;
  private keptBytes = 0;
  private trailers: Fields | undefined;
  private channel: UpstreamChannel | undefined;
  private piped = false;
  private dropped = false;

  constructor(source: Body, owner: RequestBodyOwner, limitBytes: number, keep: boolean) {
    this.source = source;
    this.owner = owner;
    this.limitBytes = limitBytes;
    this.kept = keep ? [] : undefined;
  }

  /** Whether a new channel can be given the whole body. */
  get replayable(): boolean {
    return this.kept !== undefined || !this.piped;
  }

  attach(channel: UpstreamChannel): void {
    this.channel = channel;
    if (!this.piped) {
      this.piped = true;
      this.source.pipe(this);
      return;
    }
    let flowing = true;
    for (const chunk of this.kept ?? []) flowing = channel.writeData(chunk);
    if (this.ended) channel.writeEnd(this.trailers);
    else if (flowing) this.source.resume();
    else this.owner.onRequestStalled(true);
  }

  detach(): void {
    this.channel = undefined;
  }

  /** No attempt will follow: what was kept is let go. */
  forget(): void {
    this.kept = undefined;
  }

  /** Nobody wants the rest. */
  drop(): void {
    this.dropped = true;
    this.channel = undefined;
    this.kept = undefined;
  }

  onWritable(): void {
    this.owner.onRequestStalled(false);
    if (!this.ended) this.source.resume();
  }

  onData(chunk: Uint8Array): boolean {
    this.bytes += chunk.length;
    if (this.dropped) return false;
    if (this.bytes > this.limitBytes) {
      this.drop();
      this.owner.onRequestTooLarge();
      return false;
    }
    this.keep(chunk);
    if (this.channel === undefined) return false;
    const flowing = this.channel.writeData(chunk);
    if (!flowing) this.owner.onRequestStalled(true);
    return flowing;
  }

  private keep(chunk: Uint8Array): void {
    if (this.kept === undefined) return;
    this.keptBytes += chunk.length;
    // Between two attempts whatever was already read must be kept: the source is paused and adds one read at most.
    if (this.keptBytes > REPLAY_BYTES && this.channel !== undefined) this.kept = undefined;
    else this.kept.push(this.source.transient ? Uint8Array.prototype.slice.call(chunk) : chunk);
  }

  onEnd(trailers: Fields | undefined): void {
    this.ended = true;
    this.trailers = trailers;
    this.channel?.writeEnd(trailers);
    this.owner.onRequestRead();
  }

  onAbort(error: GatewayError): void {
    this.drop();
    this.owner.onRequestAborted(error);
  }
}
