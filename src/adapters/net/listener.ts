import { createServer, type Server, type Socket } from 'node:net';
import type { ListenAddress, ListenerModel } from '../../config/snapshot.ts';
import type { WheelTimer } from '../../core/timer-wheel.ts';
import { type ProxyTrust, proxyTrust } from '../../http/client-ip.ts';
import { FieldCode } from '../../http/field-code.ts';
import { ListFields } from '../../http/fields.ts';
import type { RequestHead } from '../../http/head.ts';
import type { Http1RequestHead } from '../../http/http1/request-head.ts';
import type { Peer } from '../../http/peer.ts';
import type { ListenerMetrics } from '../../ports.ts';
import type { ProxyContext } from '../../proxy/context.ts';
import { Exchange } from '../../proxy/exchange.ts';
import { serve } from '../../proxy/pipeline.ts';
import { ClientConnection } from './client-connection.ts';
import { clientOf, peerOf, requestIdOf, settlePeer } from './client-identity.ts';
import type { ConnectionHost } from './connection-host.ts';

/** The listener could not be opened; the message is one line for people. */
export class ListenError extends Error {}

/** Stands for a request that was never read whole: what is known of it is for the log. */
function refusedHead({ method, path }: Pick<RequestHead, 'method' | 'path'>): RequestHead {
  return Object.assign(new ListFields(), {
    method,
    path,
    query: '',
    target: path,
    authority: '',
    host: '',
    version: 'HTTP/1.1' as const,
    hasBody: false,
    bodyLength: undefined,
    upgrade: undefined,
    expectsContinue: false,
    connectionNamed: undefined,
  });
}

/** A socket that accepts requests: makes a connection of each client and an exchange of each request. */
export class Listener implements ConnectionHost {
  private model: ListenerModel;
  private trust: ProxyTrust;
  private readonly context: ProxyContext;
  private readonly metrics: ListenerMetrics;
  private readonly server: Server;
  private readonly connections = new Set<ClientConnection>();
  stopping = false;

  constructor(model: ListenerModel, context: ProxyContext, metrics: ListenerMetrics) {
    this.model = model;
    this.trust = proxyTrust(model.trustedProxies, model.trustedHops);
    this.context = context;
    this.metrics = metrics;
    // Half-open, for a client that sent its request and FIN still wants its answer (the default cuts it off).
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.accept(socket));
  }

  get label(): string {
    return this.model.label;
  }

  /** Takes a new configuration for the same address. */
  reconfigure(model: ListenerModel): void {
    this.model = model;
    this.trust = proxyTrust(model.trustedProxies, model.trustedHops);
  }

  /** Resolves with the bound address, `host:port` or `unix:/path`. */
  listen(): Promise<string> {
    const { address, label } = this.model;
    return new Promise((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => reject(new ListenError(listenMessage(error, label))));
      const bound = (): void => {
        this.server.removeAllListeners('error');
        this.server.on('error', (error) =>
          this.context.log.error('listener failed', { listener: label, error: error.message }),
        );
        resolve(boundAddress(this.server, address));
      };
      if (address.kind === 'unix') this.server.listen({ path: address.path }, bound);
      else this.server.listen({ host: address.host, port: address.port }, bound);
    });
  }

  private accept(socket: Socket): void {
    const { maxConnections, address } = this.model;
    const isFull = maxConnections !== undefined && this.connections.size >= maxConnections;
    // A peer that has already gone has no address: it must not pass for a unix socket, which is trusted.
    if (isFull || (address.kind !== 'unix' && socket.remoteAddress === undefined)) {
      socket.destroy();
      return;
    }
    const connection = new ClientConnection(socket, peerOf(socket, this.trust, this.model.place), this);
    this.connections.add(connection);
    this.metrics.connections++;
  }

  // What connections ask.

  get headersTimeoutMs(): number {
    return this.model.headersTimeoutMs;
  }

  get idleTimeoutMs(): number {
    return this.model.idleTimeoutMs;
  }

  get bodyTimeoutMs(): number {
    return this.model.bodyTimeoutMs;
  }

  get maxHeaderBytes(): number {
    return this.model.maxHeaderBytes;
  }

  get maxHeaders(): number {
    return this.model.maxHeaders;
  }

  get draining(): boolean {
    return this.context.draining;
  }

  arm(timer: WheelTimer, delayMs: number): void {
    this.context.wheel.arm(timer, this.context.wheel.nowMs + delayMs);
  }

  disarm(timer: WheelTimer): void {
    this.context.wheel.disarm(timer);
  }

  release(connection: ClientConnection, ...timers: WheelTimer[]): void {
    for (const timer of timers) this.context.wheel.remove(timer);
    if (this.connections.delete(connection)) this.metrics.connections--;
  }

  begin(connection: ClientConnection, head: Http1RequestHead): Exchange {
    const { peer } = connection;
    if (peer.settledBy !== this.trust) settlePeer(peer, this.trust, this.model.place);
    if (connection.isRefused) {
      const exchange = new Exchange(
        this.context,
        connection,
        refusedHead(head),
        this.context.newRequestId(),
        peer.address,
      );
      exchange.path = head.path;
      return exchange;
    }
    if (!peer.trusted && head.has(FieldCode.xForwardedFor)) this.warnUntrusted(peer);
    const id = requestIdOf(head, peer) ?? this.context.newRequestId();
    return new Exchange(this.context, connection, head, id, clientOf(head, peer, this.trust));
  }

  serve(exchange: Exchange): void {
    serve(exchange);
  }

  private warnUntrusted(peer: Peer): void {
    this.context.untrustedForwarded(peer.address, peer.listenerPlace);
  }

  // Shutdown.

  /** No new connections; those at rest close, the others when their answer is sent. */
  stopAccepting(): void {
    this.stopping = true;
    this.server.close();
    for (const connection of [...this.connections]) connection.closeIfIdle();
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  destroyAll(): void {
    for (const connection of [...this.connections]) connection.destroy();
  }
}

function listenMessage(error: NodeJS.ErrnoException, label: string): string {
  if (error.code === 'EADDRINUSE') return `cannot listen on ${label}: the address is in use by another process`;
  if (error.code === 'EACCES') return `cannot listen on ${label}: permission denied (ports below 1024 need privileges)`;
  return `cannot listen on ${label}: ${error.message}`;
}

function boundAddress(server: Server, address: ListenAddress): string {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return `unix:${address.kind === 'unix' ? address.path : bound}`;
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}
