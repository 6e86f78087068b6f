import { connect as connectPlain, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { RawClient, type RawClientOptions } from './http-client.ts';

export interface TlsClientOptions extends ConnectionOptions {
  /** Octets before TLS: a PROXY header. */
  readonly preface?: string | Uint8Array;
  readonly client?: RawClientOptions;
}

export interface TlsClient extends RawClient {
  readonly socket: TLSSocket;
  /** The TCP connection below. */
  readonly tcp: Socket;
}

/** A raw client behind a TLS handshake with 127.0.0.1; rejects where there is none. Every certificate is believed without `ca`. */
export async function openTls(port: number, options: TlsClientOptions = {}): Promise<TlsClient> {
  const { preface, client, ...tls } = options;
  const raw = await dial(port);
  if (preface !== undefined) raw.write(preface);
  const verify = tls.ca === undefined ? { rejectUnauthorized: false } : {};
  return new Promise((resolve, reject) => {
    const socket = connect({ socket: raw, servername: 'a.test', ...verify, ...tls });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed before the end of the handshake')));
    socket.once('secureConnect', () => {
      socket.removeAllListeners('error').removeAllListeners('close');
      resolve(Object.assign(RawClient.over(socket, client), { tcp: raw }) as TlsClient);
    });
  });
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectPlain({ host: '127.0.0.1', port, allowHalfOpen: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
