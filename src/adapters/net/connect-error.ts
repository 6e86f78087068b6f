import { GatewayError } from '../../errors.ts';

/** The gateway itself lacks something: no endpoint is to blame. */
const LOCAL: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'no local port is left',
  EMFILE: 'no file descriptor is left for this process',
  ENFILE: 'no file descriptor is left on this machine',
  ENOBUFS: 'no memory is left for sockets',
};

/** What OpenSSL and Node say of a certificate that they do not accept. */
const CERTIFICATE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet',
  CERT_REVOKED: 'is revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is self-signed and not in the upstream’s "ca"',
  SELF_SIGNED_CERT_IN_CHAIN: 'was issued by an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT: 'was issued by an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'was issued by an authority that is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'was issued by an authority that is not trusted here, or came without its intermediates',
  CERT_UNTRUSTED: 'is not trusted here',
  CERT_REJECTED: 'is not trusted here',
  CERT_SIGNATURE_FAILURE: 'has a wrong signature',
  INVALID_CA: 'was issued by a certificate that is no authority',
  INVALID_PURPOSE: 'is not meant for a server',
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another name',
};

/** Why no connection came about, for a client to see: no address stands in it. `cause` is the code. */
export function connectError(error: NodeJS.ErrnoException): GatewayError {
  const code = error.code ?? error.message;
  const lack = LOCAL[code];
  if (lack !== undefined) {
    return new GatewayError('overloaded', 'gateway', `The gateway could not open another connection: ${lack}.`, code);
  }
  const flaw = CERTIFICATE[code];
  if (flaw !== undefined) {
    return new GatewayError('certificate-refused', 'upstream', `The certificate of the endpoint ${flaw}.`, code);
  }
  // All that is behind the system's own connect is the handshake.
  if (error.syscall !== 'connect') {
    return new GatewayError('tls-failed', 'upstream', `The TLS handshake with the endpoint failed (${code}).`, code);
  }
  return new GatewayError('connect-failed', 'upstream', `No connection to the endpoint (${code}).`, code);
}
