import { createHash, constants as cryptoConstants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { ListenerTlsModel } from '../../config/snapshot.ts';
import { readAskedName } from './client-hello.ts';
import type { Credentials } from './credentials.ts';
import { type Credential, ServedNames } from './served-names.ts';

/** The encrypted socket, or why there is none. */
type Handshaken = (outcome: Socket | Error) => void;

/**
 * TLS 1.2: forward secrecy and authenticated encryption only. AES stands first, for most processors have instructions
 * for it; a client that puts ChaCha20 first, because its has none, gets that. TLS 1.3 has nothing else.
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** In every OpenSSL of Node, though not in its types. */
const { SSL_OP_NO_RENEGOTIATION, SSL_OP_PRIORITIZE_CHACHA } = cryptoConstants as unknown as Record<string, number>;

/** Protocols that a client may agree on (ALPN, RFC 7301); one that names others only is refused with an alert. */
const PROTOCOLS = ['http/1.1'];

/**
 * Takes TLS off the accepted sockets of one listener. Certificates are swapped under it: connections that are open, and
 * handshakes under way, go on with what they began with. Sessions are resumed by tickets, whose keys outlast every swap.
 */
export class TlsTerminator {
  private readonly tls: ListenerTlsModel;
  private readonly ticketKeys: Buffer;
  private names!: ServedNames;
  /** One for each set of certificates. They never listen: they are handed their sockets. */
  private servers!: Map<readonly Credential[], Server>;
  private readonly waiting = new WeakMap<Socket, Handshaken>();

  /** `ticketKeys`: 48 secret octets, the same for all that shall resume each other's sessions. */
  constructor(tls: ListenerTlsModel, credentials: Credentials, ticketKeys: Buffer) {
    this.tls = tls;
    this.ticketKeys = ticketKeys;
    this.use(credentials);
  }

  /** Handshakes that begin from here on see these certificates. */
  use({ credentials, ca }: Credentials): void {
    const common = this.options(ca);
    this.names = new ServedNames(credentials);
    this.servers = new Map(Array.from(this.names.all, (served) => [served, this.serverFor(served, common)]));
  }

  /** Whether the name that the client asks for can be told from what it has sent so far, or need not be. */
  isReady(hello: Uint8Array): boolean {
    return this.servers.size === 1 || readAskedName(hello).kind !== 'partial';
  }

  /**
   * Calls `done` once, and not before it returns. `hello` is what the client has sent so far, which the socket reads again.
   *
   * The name is read here and not by Node (`SNICallback`): that replaces the default's certificate of one kind of key
   * alone, so that a client which prefers the other kind would be shown a certificate of another name.
   */
  secure(raw: Socket, hello: Uint8Array, done: Handshaken): void {
    const asked = this.servers.size === 1 ? undefined : readAskedName(hello);
    const served = asked?.kind === 'name' ? this.names.pick(asked.name) : this.names.fallback;
    this.waiting.set(raw, done);
    this.servers.get(served)?.emit('connection', raw);
  }

  /** What is the same whatever the certificates. */
  private options(ca: string | undefined): TlsOptions {
    const { clientAuth, minVersion } = this.tls;
    return {
      ciphers: CIPHERS,
      honorCipherOrder: true,
      minVersion,
      secureOptions: (SSL_OP_NO_RENEGOTIATION as number) | (SSL_OP_PRIORITIZE_CHACHA as number),
      ALPNProtocols: PROTOCOLS,
      requestCert: clientAuth !== 'none',
      rejectUnauthorized: clientAuth === 'require',
      // Without authorities nobody is verified: those that come with Node need not be read.
      ca: ca ?? [],
      ticketKeys: this.ticketKeys,
      // A session that began when other client certificates were good is not resumed.
      sessionIdContext: createHash('sha256').update(`${clientAuth} ${ca}`).digest('hex').slice(0, 32),
    };
  }

  private serverFor(served: readonly Credential[], common: TlsOptions): Server {
    const server = createServer({ ...common, cert: served.map(({ cert }) => cert), key: served.map(({ key }) => key) });
    server.on('secureConnection', (socket) => this.settle(socket, this.judge(socket)));
    server.on('tlsClientError', (error, socket) => this.settle(socket, refusal(socket) ?? error));
    return server;
  }

  private settle(socket: TLSSocket, outcome: Socket | Error): void {
    const raw = rawOf(socket);
    const done = this.waiting.get(raw);
    this.waiting.delete(raw);
    // It may have been given up meanwhile, and then nobody else listens.
    socket.on('error', () => socket.destroy());
    if (outcome instanceof Error || done === undefined) socket.destroy();
    // A reset is the TCP socket's to send.
    socket.resetAndDestroy = () => {
      raw.resetAndDestroy();
      return socket;
    };
    done?.(outcome);
  }

  /** `request`: none is fine, a bad one is not. */
  private judge(socket: TLSSocket): Socket | Error {
    if (this.tls.clientAuth !== 'request' || socket.getPeerX509Certificate() === undefined) return socket;
    return refusal(socket) ?? socket;
  }
}

/** Why the client's certificate is not good. */
function refusal({ authorized, authorizationError }: TLSSocket): Error | undefined {
  // Typed as an Error, a code in fact.
  const code = authorizationError as unknown as string | null | undefined;
  if (authorized || code === null || code === undefined) return undefined;
  return new Error(`client certificate: ${code}`);
}

/** The socket under an encrypted one: `tls.Server` names it nowhere else. */
function rawOf(socket: TLSSocket): Socket {
  return (socket as unknown as { _parent: Socket })._parent;
}
