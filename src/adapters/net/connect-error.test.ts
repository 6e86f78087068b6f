import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectError } from './connect-error.ts';

const failed = (code: string, syscall?: string) => connectError(Object.assign(new Error(code), { code, syscall }));

test('what the gateway lacks is nobody else’s fault', () => {
  for (const code of ['EADDRNOTAVAIL', 'EMFILE', 'ENFILE', 'ENOBUFS']) {
    const { kind, source, failure, detail } = failed(code, 'connect');
    assert.deepEqual(
      [kind, source, failure.status, failure.blamesEndpoint],
      ['overloaded', 'gateway', 503, false],
      code,
    );
    assert.match(detail, /^The gateway could not open another connection: no .* is left/);
  }
});

test('a connect that failed is told from a handshake and from a certificate', () => {
  const kinds = [
    failed('ECONNREFUSED', 'connect'),
    failed('ENOENT', 'connect'),
    failed('ECONNRESET'),
    failed('ERR_SSL_WRONG_VERSION_NUMBER'),
    failed('CERT_HAS_EXPIRED'),
    failed('ERR_TLS_CERT_ALTNAME_INVALID'),
  ].map(({ kind }) => kind);
  const [refused, broken, flawed] = ['connect-failed', 'tls-failed', 'certificate-refused'];
  assert.deepEqual(kinds, [refused, refused, broken, broken, flawed, flawed]);
});
