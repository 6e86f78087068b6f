import { GatewayError } from '../errors.ts';
import { responseVia } from '../http/forwarding.ts';
import { addLine, type ResponseHead } from '../http/head.ts';
import type { TunnelEnd, TunnelPeer } from '../upstream/channel.ts';
import type { Attempt } from './attempt.ts';
import { touchStream } from './deadlines.ts';
import type { Exchange } from './exchange.ts';
import { applyResponseEdits } from './response-edits.ts';

/**
 * Joins client and endpoint after a 101 (RFC 9110 §7.8): octets both ways with back-pressure, half-closes passed on, cut
 * after the route's silence. Its exchange ends when one side is closed; the other is given what is still on its way.
 */
export function openTunnel(exchange: Exchange, attempt: Attempt, head: ResponseHead, upstreamEnd: TunnelEnd): void {
  const reply = exchange.replyHead(101, head.reasonPhrase, head, undefined);
  if (head.connectionNamed !== undefined) reply.drop = new Set([...head.connectionNamed, ...(reply.drop ?? [])]);
  reply.shared = responseVia(head);
  applyResponseEdits(exchange.route, reply);
  addLine(reply, 'Connection', 'Upgrade');
  addLine(reply, 'Upgrade', exchange.head.upgrade as string);
  exchange.status = 101;
  exchange.headSent = true;
  const clientEnd = exchange.downstream.openTunnel(reply);
  new Tunnel(exchange, attempt, clientEnd, upstreamEnd).open();
}

export class Tunnel {
  private readonly exchange: Exchange;
  private readonly attempt: Attempt;
  private readonly client: TunnelEnd;
  private readonly upstream: TunnelEnd;
  private closed = false;
  bytesUp = 0;

  constructor(exchange: Exchange, attempt: Attempt, client: TunnelEnd, upstream: TunnelEnd) {
    this.exchange = exchange;
    this.attempt = attempt;
    this.client = client;
    this.upstream = upstream;
  }

  open(): void {
    const { exchange } = this;
    exchange.tunnel = this;
    exchange.route.metrics.tunnels++;
    exchange.context.tunnels.add(this);
    touchStream(exchange);
    this.client.attach(this.peer(this.client, this.upstream, true));
    this.upstream.attach(this.peer(this.upstream, this.client, false));
  }

  /** Closes both sides at once. */
  destroy(): void {
    this.client.destroy();
    this.upstream.destroy();
    this.finish();
  }

  /** Neither side said anything for too long. */
  timedOut(error: GatewayError): void {
    this.blame(error);
    this.destroy();
  }

  /**
   * The gateway stops: what was heard is still handed over, then both sides see a regular end. Frames are not parsed, so
   * no goodbye of the tunnelled protocol can be said.
   */
  drain(): void {
    this.blame(new GatewayError('gateway-stopped', 'gateway', 'The gateway stopped and closed the tunnel.'));
    this.client.close();
    this.upstream.close();
    this.finish();
  }

  /** The gateway stops and waits no longer. */
  stop(): void {
    this.blame(new GatewayError('gateway-stopped', 'gateway', 'The tunnel was still open when the gateway stopped.'));
    this.destroy();
  }

  /** Why it ended; what is said first stands. */
  private blame(error: GatewayError): void {
    if (this.closed) return;
    this.exchange.reason ??= error.failure.reason;
    this.exchange.reasonDetail ??= error.detail;
  }

  /** What is heard from one side goes to the other. */
  private peer(from: TunnelEnd, to: TunnelEnd, upwards: boolean): TunnelPeer {
    return {
      onData: (chunk, transient) => {
        touchStream(this.exchange);
        if (upwards) this.bytesUp += chunk.length;
        else this.exchange.bytesOut += chunk.length;
        if (!to.write(chunk, transient)) from.pause();
      },
      onWritable: () => to.resume(),
      onEnd: () => to.end(),
      onClose: (failure) => {
        if (failure === undefined) to.close();
        else {
          this.blame(lost(upwards, failure));
          to.reset();
        }
        this.finish();
      },
    };
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.exchange.route.metrics.tunnels--;
    this.exchange.context.tunnels.delete(this);
    this.exchange.upstreamEndMs = this.exchange.context.clock.nowMs();
    this.exchange.attempt = undefined;
    this.attempt.abandonTunnel();
    this.exchange.finish();
  }
}

/** One side went without a regular end. */
function lost(isClient: boolean, failure: string): GatewayError {
  return isClient
    ? new GatewayError('client-closed', 'downstream', `The client broke off the tunnel (${failure}).`)
    : new GatewayError('upstream-closed', 'upstream', `The endpoint broke off the tunnel (${failure}).`);
}
