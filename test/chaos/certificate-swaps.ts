// 50 swaps of a certificate under TLS load, each file written in its turn: no handshake and no request fails.
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { type Certificates, makeCertificates } from '../kit/certificates.ts';
import { eventually, sleep } from './kit/clock.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { Report } from './kit/report.ts';
import { HttpsLoad, type HttpsTarget, tlsHead, tlsPort } from './kit/tls.ts';

const SWAPS = 50;
const LANES = 24;
/** Of one lane, between two requests. */
const EVERY_MS = 40;
/** Every fifth pair stands half written for longer than the gateway waits for a burst of changes to end. */
const HALF_WRITTEN_MS = 400;
const isSlow = (nth: number): boolean => nth % 5 === 0;

const CONFIG = 'log: { access: false }\nroutes: [{ match: { path: /load }, respond: { body: ok } }]\n';

/** Serial number of the certificate that is shown now. */
function shownSerial({ port, ca, servername }: HttpsTarget): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, ca, servername, path: '/load', agent: false });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
      response.on('end', () => resolve(serialNumber));
      response.resume();
    });
    sent.end();
  });
}

const serialOf = ({ cert }: Certificates): string => new X509Certificate(cert).serialNumber;

async function swap(target: HttpsTarget, files: { cert: string; key: string }, next: Certificates, slow: boolean) {
  writeFileSync(files.cert, next.cert);
  if (slow) await sleep(HALF_WRITTEN_MS);
  writeFileSync(files.key, next.key);
  await eventually('the new certificate', async () =>
    (await shownSerial(target)) === serialOf(next) ? true : undefined,
  );
}

endAfter(180);
const folder = mkdtempSync(join(tmpdir(), 'headgate-swaps-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const servername = 'swap.test';
const pairs = (['ecdsa', 'rsa', 'ecdsa'] as const).map((keyType, at) =>
  makeCertificates(folder, { name: `pair-${at}`, san: [servername], keyType }),
) as [Certificates, Certificates, Certificates];
const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
writeFileSync(files.cert, pairs[0].cert);
writeFileSync(files.key, pairs[0].key);
const head = tlsHead(`tls: { certificates: [{ cert: ${files.cert}, key: ${files.key} }] }`);
const gateway = await RunningGateway.start(CONFIG, head);
const target = { port: await tlsPort(gateway), ca: pairs[0].ca, servername };
const load = new HttpsLoad(target, LANES, EVERY_MS);
for (let nth = 1; nth <= SWAPS; nth++) await swap(target, files, pairs[nth % 3]!, isSlow(nth));
await load.stop();
const metrics = await gateway.metrics();
await gateway.stop();

const report = new Report('certificate swaps');
const taken = metrics.sum('headgate_certificate_reloads_total', 'outcome="success"');
const refused = metrics.sum('headgate_certificate_reloads_total', 'outcome="failure"');
const handshakes = metrics.sum('headgate_tls_handshake_failures_total');
const halves = Array.from({ length: SWAPS }, (_, at) => at + 1).filter(isSlow).length;
report.note('requests', load.requests);
report.check('failed requests', load.failures.length, '= 0', load.failures.length === 0);
if (load.failures.length > 0) report.note('first of them', load.failures[0]!);
report.check('failed handshakes, as the gateway counts', handshakes, '= 0', handshakes === 0);
report.check('certificates taken', taken, `= ${SWAPS}`, taken === SWAPS);
report.check('half written pairs refused', refused, `≥ ${halves}`, refused >= halves);
report.print();
