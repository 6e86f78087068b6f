import type { ConfigPath, Finding } from './issue.ts';
import { asList, asObject, given, type RawObject } from './raw.ts';

/** What the fields about TLS and the PROXY protocol of one listener must agree on. */
export function listenerSecurityFindings(listener: RawObject, path: ConfigPath): Finding[] {
  return [...clientAuthFindings(asObject(listener.tls), [...path, 'tls']), ...proxyFindings(listener, path)];
}

function clientAuthFindings(tls: RawObject, path: ConfigPath): Finding[] {
  const asks = tls.clientAuth === 'request' || tls.clientAuth === 'require';
  const hasCa = given(tls, ['ca']).length > 0;
  if (asks && !hasCa) {
    const message = `"${String(tls.clientAuth)}" needs "ca": the authorities whose client certificates are good`;
    return [{ path: [...path, 'clientAuth'], message }];
  }
  if (!hasCa || asks) return [];
  return [{ path: [...path, 'ca'], message: 'goes with clientAuth: request or require', isField: true }];
}

/** A PROXY header is believed from trusted proxies alone, so that there must be some. */
function proxyFindings(listener: RawObject, path: ConfigPath): Finding[] {
  const { proxyProtocol, trustedProxies, address } = listener;
  if (proxyProtocol !== 'require' && proxyProtocol !== 'allow') return [];
  const at = [...path, 'proxyProtocol'];
  if (given(listener, ['trustedHops']).length > 0) {
    return [{ path: at, message: 'goes with trustedProxies, which names the balancers, and not with trustedHops' }];
  }
  const isUnix = typeof address === 'string' && address.startsWith('unix:');
  if (isUnix || trustedProxies === 'private' || asList(trustedProxies).length > 0) return [];
  if (trustedProxies !== undefined && !Array.isArray(trustedProxies)) return [];
  return [{ path: at, message: 'is believed from trustedProxies alone: name the balancers there' }];
}
