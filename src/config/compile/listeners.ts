import { resolve } from 'node:path';
import { expandBlocks, parseListenAddress } from '../addresses.ts';
import { parseDuration, parseSize } from '../scalars.ts';
import type { Config } from '../schema.ts';
import type { ListenerModel, ListenerTlsModel } from '../snapshot.ts';

type Listener = Config['listeners'][number];

/** `folder`: where relative paths begin. */
export function compileListener(listener: Listener, index: number, folder: string): ListenerModel {
  const { timeouts } = listener;
  return {
    address: parseListenAddress(listener.address)!,
    label: listener.address,
    place: `listeners[${index}]`,
    tls: listener.tls === false ? undefined : compileTls(listener.tls, folder),
    proxyProtocol: listener.proxyProtocol,
    trustedProxies: expandBlocks(listener.trustedProxies),
    trustedHops: listener.trustedHops,
    headersTimeoutMs: parseDuration(timeouts.headers)!,
    idleTimeoutMs: parseDuration(timeouts.idle)!,
    bodyTimeoutMs: parseDuration(timeouts.body)!,
    minBodyRate: listener.minBodyRate === false ? undefined : parseSize(listener.minBodyRate)!,
    maxHeaderBytes: parseSize(listener.maxHeaderBytes)!,
    maxHeaders: listener.maxHeaders,
    maxConnections: listener.maxConnections === false ? undefined : listener.maxConnections,
  };
}

function compileTls(tls: Exclude<Listener['tls'], false>, folder: string): ListenerTlsModel {
  return {
    certificates: tls.certificates.map(({ cert, key }) => ({
      certFile: resolve(folder, cert),
      keyFile: resolve(folder, key),
      label: cert,
    })),
    clientAuth: tls.clientAuth,
    caFile: tls.ca === undefined ? undefined : resolve(folder, tls.ca),
    minVersion: String(tls.minVersion) === '1.3' ? 'TLSv1.3' : 'TLSv1.2',
  };
}
