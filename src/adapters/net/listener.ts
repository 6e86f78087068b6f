import { createServer, type Server, type Socket } from 'node:net';
import type { ListenAddress, ListenerModel } from '../../config/snapshot.ts';
import type { WheelTimer } from '../../core/timer-wheel.ts';
import { GatewayError } from '../../errors.ts';
import { type ProxyTrust, proxyTrust } from '../../http/client-ip.ts';
import { FieldCode } from '../../http/field-code.ts';
import { ListFields } from '../../http/fields.ts';
import type { RequestHead } from '../../http/head.ts';
import type { HeadError, Http1RequestHead } from '../../http/http1/request-head.ts';
import type { Peer } from '../../http/peer.ts';
import type { ProxySource } from '../../http/proxy-protocol.ts';
import type { ListenerMetrics } from '../../ports.ts';
import type { ProxyContext } from '../../proxy/context.ts';
import { Exchange } from '../../proxy/exchange.ts';
import { guarded } from '../../proxy/guarded.ts';
import { serve } from '../../proxy/pipeline.ts';
import type { Encryption } from './arrival.ts';
import { Arrivals } from './arrivals.ts';
import { ClientConnection } from './client-connection.ts';
import { addressOf, clientOf, isTrusted, peerOf, requestIdOf, settlePeer } from './client-identity.ts';
import { ConnectionCap } from './connection-cap.ts';
import type { ConnectionHost } from './connection-host.ts';

/** The listener could not be opened; the message is one line for people. */
export class ListenError extends Error {}

/** A peer that vanished without a word is noticed by the kernel, also where a timeout is off. */
export const PROBES = { keepAlive: true, keepAliveInitialDelay: 30_000 } as const;
const STOPPED = new GatewayError(
  'gateway-stopped',
  'gateway',
  'The request was in flight longer than the gateway waits at its end.',
);
const NOT_ENCRYPTED: HeadError = { kind: 'bad-request', detail: 'This port speaks TLS: the request came in clear.' };

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
  private readonly arrivals: Arrivals;
  private readonly cap: ConnectionCap;
  private encryption: Encryption | undefined = undefined;
  stopping = false;

  constructor(model: ListenerModel, context: ProxyContext, metrics: ListenerMetrics) {
    this.model = model;
    this.trust = proxyTrust(model.trustedProxies, model.trustedHops);
    this.context = context;
    this.metrics = metrics;
    this.arrivals = new Arrivals(model.label, {
      log: context.log,
      metrics,
      nowMs: () => context.wheel.nowMs,
      arm: ({ timer }, delayMs) => this.arm(timer, delayMs),
      disarm: ({ timer }) => context.wheel.remove(timer),
    });
    this.cap = new ConnectionCap({
      log: context.log,
      metrics,
      nowMs: () => context.wheel.nowMs,
      shed: (connection) => {
        this.release(connection);
        connection.destroy();
      },
    });
    // Half-open, for a client that sent its request and FIN still wants its answer (the default cuts it off).
    this.server = createServer({ allowHalfOpen: true, noDelay: true, ...PROBES }, (socket) => this.accept(socket));
  }

  get label(): string {
    return this.model.label;
  }

  /** Takes a new configuration for the same address; `encryption` where it has TLS, without which nobody is served. */
  reconfigure(model: ListenerModel, encryption: Encryption | undefined): void {
    this.model = model;
    this.encryption = encryption;
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

  /** Takes a connection that another process accepted for this one. */
  adopt(socket: Socket): void {
    // A socket that comes out of a message was made with the default.
    socket.allowHalfOpen = true;
    this.server.emit('connection', socket);
  }

  private accept(socket: Socket): void {
    const { maxConnections, address, tls, proxyProtocol } = this.model;
    const isAtCap = maxConnections !== undefined && this.connections.size + this.arrivals.size >= maxConnections;
    const isFull = isAtCap && !this.cap.makeRoom(this.connections, this.model);
    // A peer that has already gone has no address: it must not pass for a unix socket, which is trusted.
    if (isFull || (address.kind !== 'unix' && socket.remoteAddress === undefined)) {
      socket.destroy();
      return;
    }
    if (tls === undefined && proxyProtocol === false) this.open(socket, addressOf(socket), 'http', undefined);
    else this.receive(socket, addressOf(socket));
  }

  /** What comes before the first request: a PROXY header of a trusted proxy, TLS. */
  private receive(socket: Socket, from: string): void {
    const { tls, proxyProtocol, headersTimeoutMs } = this.model;
    const isProxy = isTrusted(from, this.trust);
    const terms = { proxyHeader: isProxy && proxyProtocol, encryption: tls && this.encryption };
    if (proxyProtocol === 'require' && !isProxy) {
      this.arrivals.failed('proxy', from, `not in ${this.model.place}.trustedProxies`);
      socket.destroy();
    }
    // Never in clear where TLS is meant.
    if (tls !== undefined && terms.encryption === undefined) socket.destroy();
    if (socket.destroyed) return;
    if (terms.proxyHeader === false && tls === undefined) {
      this.open(socket, from, 'http', undefined);
      return;
    }
    this.arrivals.begin(socket, from, terms, headersTimeoutMs, (arrived) => {
      const scheme = arrived.kind === 'ready' && tls !== undefined ? 'https' : 'http';
      const connection = this.open(arrived.socket, from, scheme, arrived.source);
      if (arrived.kind === 'in-clear') connection.onHeadError(NOT_ENCRYPTED);
      arrived.socket.resume();
    });
  }

  private open(
    socket: Socket,
    from: string,
    scheme: Peer['scheme'],
    source: ProxySource | undefined,
  ): ClientConnection {
    const peer = peerOf(from, scheme, source, this.trust, this.model.place);
    const connection = new ClientConnection(socket, peer, this);
    this.connections.add(connection);
    this.metrics.connections++;
    return connection;
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

  get minBodyRate(): number | undefined {
    return this.model.minBodyRate;
  }

  get maxHeaderBytes(): number {
    return this.model.maxHeaderBytes;
  }

  get maxHeaders(): number {
    return this.model.maxHeaders;
  }

  get isSecure(): boolean {
    return this.model.tls !== undefined;
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
    this.arrivals.destroyAll();
    for (const connection of [...this.connections]) connection.closeIfIdle();
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  destroyAll(): void {
    for (const connection of [...this.connections]) {
      const { exchange } = connection;
      // A tunnel was told.
      if (exchange !== undefined && exchange.tunnel === undefined) guarded(exchange, () => exchange.fail(STOPPED));
      connection.destroy();
    }
  }
}

/** Why a listener cannot be opened, in one line for people. */
export function listenMessage(error: NodeJS.ErrnoException, label: string): string {
  if (error.code === 'EADDRINUSE') return `cannot listen on ${label}: the address is in use by another process`;
  if (error.code === 'EACCES') return `cannot listen on ${label}: permission denied (ports below 1024 need privileges)`;
  return `cannot listen on ${label}: ${error.message}`;
}

/** Where a server listens: `host:port` or `unix:/path`. */
export function boundAddress(server: Server, address: ListenAddress): string {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return `unix:${address.kind === 'unix' ? address.path : bound}`;
  return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}
