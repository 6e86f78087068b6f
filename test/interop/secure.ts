import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { WorldOptions } from '../integration/world.ts';
import { type Certificates, makeCertificates } from '../kit/certificates.ts';

/** For 127.0.0.1, of an authority of their own. */
export function loopbackCertificates(t: TestContext): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-interop-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return makeCertificates(folder, { name: 'loopback', san: ['127.0.0.1'] });
}

/** A gateway that shows these certificates to clients and trusts their authority at endpoints. */
export function securely(tls: Certificates | undefined): WorldOptions {
  if (tls === undefined) return {};
  const certificates = [{ cert: tls.certFile, key: tls.keyFile }];
  return { listener: { tls: { certificates } }, upstream: { tls: { ca: tls.caFile, verify: true } } };
}
