import { connect, type Socket } from 'node:net';
import tls from 'node:tls';
import type { EndpointAddress, TcpAddress, TlsSettings } from '../../upstream/endpoint-address.ts';

/** Reads land in one buffer; the callback says how many octets, and answers whether to go on. */
export interface SharedRead {
  readonly buffer: Uint8Array;
  readonly callback: (bytes: number) => boolean;
}

const KEEP_ALIVE_MS = 30_000;
/** Sessions that are kept for one upstream; an older one costs a full handshake when it is wanted after all. */
const MAX_SESSIONS = 1000;

const contexts = new WeakMap<TlsSettings, tls.SecureContext>();
const sessions = new WeakMap<TlsSettings, Map<string, Buffer>>();

/** Begins to connect. `connectedEvent` says when requests may be sent; Nagle is off, and probes notice a peer that vanished. */
export function openSocket(address: EndpointAddress, onread: SharedRead): Socket {
  if (address.kind === 'tcp' && address.tls !== undefined) {
    const options = { ...tlsOptions(address), host: address.host, port: address.port, allowHalfOpen: true, onread };
    return watched(tls.connect(options), address);
  }
  const target = address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
  const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, allowHalfOpen: true };
  return connect({ ...target, ...options, onread });
}

export function connectedEvent(address: EndpointAddress): 'connect' | 'secureConnect' {
  return address.kind === 'tcp' && address.tls !== undefined ? 'secureConnect' : 'connect';
}

/** What `tls.connect` and `https.request` are to do for an endpoint, its last session included. */
export function tlsOptions(address: TcpAddress): tls.ConnectionOptions {
  const { servername, settings } = address.tls!;
  const session = sessions.get(settings)?.get(placeOf(address));
  return {
    secureContext: contextOf(settings),
    servername,
    rejectUnauthorized: settings.verify,
    ALPNProtocols: ['http/1.1'],
    ...(session === undefined ? {} : { session }),
  };
}

function watched(socket: tls.TLSSocket, address: TcpAddress): Socket {
  // The options of `net.connect` do not reach the socket below.
  socket.once('connect', () => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
  });
  socket.on('session', (session) => remember(address, session));
  // A session that was refused is not offered again.
  socket.once('error', () => sessions.get(address.tls!.settings)?.delete(placeOf(address)));
  return socket;
}

/**
 * A resumed session is not verified again: it is kept under the settings it was verified with, and under the name.
 * The newest ticket replaces the one before.
 */
function remember(address: TcpAddress, session: Buffer): void {
  const { settings } = address.tls!;
  let kept = sessions.get(settings);
  if (kept === undefined) {
    kept = new Map();
    sessions.set(settings, kept);
  }
  const place = placeOf(address);
  kept.delete(place);
  kept.set(place, session);
  const [oldest] = kept.keys();
  if (kept.size > MAX_SESSIONS && oldest !== undefined) kept.delete(oldest);
}

function placeOf({ host, port, tls: endpointTls }: TcpAddress): string {
  return `${endpointTls!.servername} ${host} ${port}`;
}

/** Made once for all endpoints of an upstream. The texts were checked when the configuration was loaded. */
function contextOf(settings: TlsSettings): tls.SecureContext {
  let context = contexts.get(settings);
  if (context === undefined) {
    const { ca, cert, key } = settings;
    context = tls.createSecureContext({ ca, cert, key, minVersion: 'TLSv1.2' });
    contexts.set(settings, context);
  }
  return context;
}
