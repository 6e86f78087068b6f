import type { GatewayError } from '../errors.ts';
import type { Body, BodySink } from '../http/body.ts';
import type { Fields } from '../http/fields.ts';
import type { UpstreamChannel } from '../upstream/channel.ts';

/** Octets kept so that an attempt can be made again (`spec`: nothing is buffered whole except what retry needs). */
const REPLAY_BYTES = 64 * 1024;
/** So long a body may take at any rate. */
const GRACE_MS = 30_000;

export interface RequestBodyOwner {
  readonly context: { readonly wheel: { readonly nowMs: number } };
  readonly headSent: boolean;
  onRequestRead(): void;
  onRequestTooLarge(): void;
  onRequestAborted(error: GatewayError): void;
  refuse(kind: 'request-timeout', detail: string): void;
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
  /** Since when nobody asks the client for it: no connection to an endpoint, or no `100 Continue` from it. */
  waitingSinceMs: number | undefined;
  private readonly source: Body;
  private readonly owner: RequestBodyOwner;
  private readonly limitBytes: number;
  private kept: Uint8Array[] | undefined;
  private keptBytes = 0;
  private trailers: Fields | undefined;
  private channel: UpstreamChannel | undefined;
  private piped = false;
  private dropped = false;
  /** The client waits for `100 Continue` before it sends. */
  private expecting: boolean;
  /** When the body began to come, moved on by every pause that was not the client's; and when the present one began. */
  private beganMs = 0;
  private pausedMs: number | undefined = undefined;

  constructor(source: Body, owner: RequestBodyOwner, limitBytes: number, keep: boolean, expecting: boolean) {
    this.source = source;
    this.owner = owner;
    this.limitBytes = limitBytes;
    this.kept = keep ? [] : undefined;
    this.expecting = expecting;
    this.waitingSinceMs = this.nowMs;
  }

  /** Whether a new channel can be given the whole body. */
  get replayable(): boolean {
    return this.kept !== undefined || !this.piped;
  }

  attach(channel: UpstreamChannel): void {
    this.channel = channel;
    if (!this.expecting) this.waitingSinceMs = undefined;
    this.owner.onRequestStalled(false);
    if (!this.piped) {
      this.piped = true;
      this.beganMs = this.nowMs;
      this.source.pipe(this);
      return;
    }
    let flowing = true;
    for (const chunk of this.kept ?? []) flowing = channel.writeData(chunk);
    if (this.ended) channel.writeEnd(this.trailers);
    else if (flowing) this.flow();
    else this.owner.onRequestStalled(true);
  }

  private get nowMs(): number {
    return this.owner.context.wheel.nowMs;
  }

  private flow(): void {
    if (this.pausedMs !== undefined) this.beganMs += this.nowMs - this.pausedMs;
    this.pausedMs = undefined;
    this.source.resume();
  }

  private pause(): false {
    this.pausedMs ??= this.nowMs;
    return false;
  }

  detach(): void {
    this.channel = undefined;
    this.waitingSinceMs ??= this.nowMs;
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

  /** The client is asked to send, or does so unasked. */
  continued(): void {
    if (!this.expecting) return;
    this.expecting = false;
    this.waitingSinceMs = undefined;
    this.beganMs = this.nowMs;
    this.owner.onRequestStalled(false);
  }

  onWritable(): void {
    this.owner.onRequestStalled(false);
    if (!this.ended) this.flow();
  }

  onData(chunk: Uint8Array): boolean {
    this.bytes += chunk.length;
    if (this.dropped) return false;
    if (this.expecting) this.continued();
    if (this.bytes > this.limitBytes) {
      this.drop();
      this.owner.onRequestTooLarge();
      return false;
    }
    if (this.isTooSlow()) return this.refuseSlow();
    this.keep(chunk);
    if (this.channel === undefined) return this.pause();
    if (this.channel.writeData(chunk)) return true;
    this.owner.onRequestStalled(true);
    return this.pause();
  }

  /** Whether it drips. Once an answer has begun the two may be a conversation, in which silence is no attack. */
  private isTooSlow(): boolean {
    const tookMs = this.nowMs - this.beganMs;
    if (tookMs <= GRACE_MS || this.owner.headSent) return false;
    const least = this.source.leastBytesPerS;
    return least !== undefined && this.bytes * 1000 < least * tookMs;
  }

  private refuseSlow(): false {
    const least = this.source.leastBytesPerS;
    this.drop();
    this.owner.refuse('request-timeout', `The body came with less than ${least} octets a second.`);
    return false;
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
