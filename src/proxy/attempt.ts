// Hot path: one object per attempt.
import type { AttemptFailure } from '../core/retry/safety.ts';
import type { GatewayError } from '../errors.ts';
import type { Fields } from '../http/fields.ts';
import type { ResponseHead } from '../http/head.ts';
import type { ChannelReceiver, TunnelEnd, UpstreamChannel } from '../upstream/channel.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { EndpointPool, PoolWaiter } from '../upstream/pool.ts';
import type { AttemptOutcome, Upstream } from '../upstream/upstream.ts';
import type { Exchange } from './exchange.ts';
import { attemptFailed, attemptResponded, attemptTunnelled } from './forward.ts';
import { guarded } from './guarded.ts';
import { outgoingRequest } from './outgoing.ts';

/** One try of a request on one endpoint: takes a connection, sends the request, hands on what comes back. */
export class Attempt implements PoolWaiter, ChannelReceiver {
  readonly exchange: Exchange;
  readonly upstream: Upstream;
  readonly endpoint: Endpoint;
  readonly startedMs: number;
  /** Whether octets of the request may have reached the endpoint. */
  sent = false;
  /** Whether the connection had served requests before. */
  reused = false;
  private readonly pool: EndpointPool;
  private channel: UpstreamChannel | undefined = undefined;
  /** The time of the read that brought the response head, while it lasts: a small response ends in it too. */
  private readMs: number | undefined = undefined;
  private settled = false;
  /** Whether this attempt stands in the endpoint's metrics. */
  private counted = false;
  private over = false;

  constructor(exchange: Exchange, upstream: Upstream, endpoint: Endpoint, startedMs: number) {
    this.exchange = exchange;
    this.upstream = upstream;
    this.endpoint = endpoint;
    this.pool = exchange.context.poolOf(upstream, endpoint);
    this.startedMs = startedMs;
  }

  start(fresh: boolean): void {
    this.upstream.begin(this.endpoint);
    this.pool.acquire(this, fresh, this.startedMs);
  }

  /** Waits for a turn at a full endpoint: nothing was begun for it. */
  get isQueued(): boolean {
    return this.channel === undefined && this.pool.isQueued(this);
  }

  onChannel(channel: UpstreamChannel): void {
    const { exchange } = this;
    this.channel = channel;
    this.reused = channel.served > 0;
    if (!this.reused) exchange.connectMs = exchange.context.clock.nowMs() - this.startedMs;
    this.sent = true;
    try {
      channel.send(outgoingRequest(exchange, this.upstream, this.endpoint), this);
      if (!this.over) exchange.body?.attach(channel);
    } catch (error) {
      exchange.crash(error);
    }
  }

  onNoChannel(error: GatewayError): void {
    const outcome = error.kind === 'overloaded' ? 'neutral' : 'connect';
    guarded(this.exchange, () => this.failed(error, outcome, 'connect'));
  }

  onInformational(head: ResponseHead): void {
    const { downstream, head: request } = this.exchange;
    if (request.version === 'HTTP/1.0' || (head.status === 100 && !request.expectsContinue)) return;
    downstream.writeInformational(head);
    if (head.status === 100) this.exchange.body?.continued();
  }

  onResponse(head: ResponseHead, bodyLength: number | undefined): void {
    try {
      attemptResponded(this, head, bodyLength);
    } catch (error) {
      this.exchange.crash(error);
    }
  }

  onData(chunk: Uint8Array): boolean {
    if (this.over) return true;
    try {
      return this.exchange.forwardData(chunk);
    } catch (error) {
      this.exchange.crash(error);
      return true;
    }
  }

  onEnd(trailers: Fields | undefined): void {
    if (this.over) return;
    this.over = true;
    const { exchange } = this;
    exchange.upstreamEndMs = this.readMs ?? exchange.context.clock.nowMs();
    exchange.attempt = undefined;
    exchange.body?.drop();
    this.settle('neutral');
    try {
      exchange.forwardEnd(trailers);
    } catch (error) {
      exchange.crash(error);
    }
  }

  onReadEnd(): void {
    this.readMs = undefined;
    if (!this.over) this.exchange.onUpstreamRead();
  }

  onWritable(): void {
    this.exchange.body?.onWritable();
  }

  onTunnel(head: ResponseHead, end: TunnelEnd): void {
    guarded(this.exchange, () => attemptTunnelled(this, head, end));
  }

  onFailure(error: GatewayError, responded: boolean): void {
    const outcome = error.kind === 'upstream-closed' || error.kind === 'upstream-protocol' ? 'reset' : 'timeout';
    // A kept connection that dies before it answers is a race with the endpoint's idle timeout, and nobody's fault.
    const isRace = this.reused && error.kind === 'upstream-closed' && !responded;
    const failure = error.kind === 'upstream-protocol' ? 'protocol' : 'reset';
    if (this.channel?.unsent === true) this.sent = false;
    guarded(this.exchange, () => {
      if (isRace) this.pool.unanswered(this.channel as UpstreamChannel);
      this.failed(error, isRace ? 'neutral' : outcome, failure);
    });
  }

  /** No response head came in time. */
  timedOut(error: GatewayError): void {
    // Without a connection nothing was sent, and in a queue the endpoint is not to blame.
    const outcome = this.isQueued ? 'neutral' : 'timeout';
    const failure = this.channel === undefined ? 'connect' : 'timeout';
    this.letGo();
    this.failed(error, outcome, failure);
  }

  /** The response is not wanted: another attempt is made. The connection lives on where that is cheap. */
  discard(outcome: AttemptOutcome): void {
    this.over = true;
    this.settle(outcome);
    this.exchange.body?.detach();
    this.channel?.discard();
  }

  /** The client is gone, or the request was answered otherwise: the endpoint is neither praised nor blamed. */
  abandon(): void {
    if (this.over) return;
    this.over = true;
    this.settle('neutral');
    this.letGo();
  }

  private letGo(): void {
    if (this.channel === undefined) this.pool.withdraw(this);
    else this.channel.close();
  }

  /** The tunnel that this attempt became is closed. */
  abandonTunnel(): void {
    this.over = true;
    this.settle('neutral');
  }

  resume(): void {
    this.channel?.resume();
  }

  /** Reports the response head to the endpoint's health, before the body has come. */
  reportHead(status: number): void {
    this.readMs = this.exchange.context.clock.nowMs();
    const latencyMs = this.readMs - this.startedMs;
    const outcome = status === 502 || status === 503 || status === 504 ? status : 'success';
    this.upstream.report(this.endpoint, outcome, latencyMs);
    this.count(status, latencyMs);
  }

  /** Once per attempt: its response head, or 0 for one that ended without. */
  private count(status: number, durationMs: number): void {
    if (this.counted) return;
    this.counted = true;
    this.endpoint.metrics.finished(status, durationMs / 1000);
  }

  private failed(error: GatewayError, outcome: AttemptOutcome, failure: AttemptFailure): void {
    if (this.over) return;
    this.over = true;
    this.settle(outcome);
    if (outcome !== 'neutral' || error.kind !== 'overloaded')
      this.count(0, this.exchange.context.clock.nowMs() - this.startedMs);
    this.exchange.body?.detach();
    attemptFailed(this, error, failure);
  }

  private settle(outcome: AttemptOutcome): void {
    if (this.settled) return;
    this.settled = true;
    this.upstream.end(this.endpoint, outcome);
  }
}
