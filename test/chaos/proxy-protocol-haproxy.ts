// HTTPS clients behind HAProxy in TCP mode, which says by the PROXY protocol who they are: each is limited by its own address.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificates } from '../kit/certificates.ts';
import { freePort } from '../kit/cli.ts';
import { eventually } from './kit/clock.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter, endsWithThis } from './kit/guard.ts';
import { Report } from './kit/report.ts';
import { httpsStatus, tlsHead, tlsPort } from './kit/tls.ts';

const ADMITTED = 5;
const ASKED = 8;
/** Addresses of clients: HAProxy itself comes from 127.0.0.1. */
const CLIENTS = ['127.0.0.11', '127.0.0.12', '127.0.0.13'];

const CONFIG = `
limits: { per-client: { key: client.ip, window: ${ADMITTED}/1h } }
routes: [{ match: { path: /limited/* }, limits: [per-client], respond: { body: ok } }]
`;

/** One port for each version of the protocol; HAProxy also checks the gateway by it every 100 ms. */
const haproxyConfig = (ports: Readonly<Record<string, number>>, gateway: number): string => `
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
${Object.entries(ports)
  .map(
    ([option, port]) =>
      `listen ${option}\n  bind 127.0.0.1:${port}\n  server gateway 127.0.0.1:${gateway} ${option} check inter 100ms\n`,
  )
  .join('')}`;

async function startHaproxy(folder: string, ports: Readonly<Record<string, number>>, gateway: number): Promise<void> {
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, haproxyConfig(ports, gateway));
  const child = spawn('haproxy', ['-db', '-q', '-f', file], { stdio: ['ignore', 'inherit', 'inherit'] });
  endsWithThis(child);
  for (const port of Object.values(ports)) await eventually('HAProxy', () => accepts(port));
}

function accepts(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(undefined));
  });
}

endAfter(60);
if (spawnSync('haproxy', ['-v'], { stdio: 'ignore' }).status !== 0) {
  process.stderr.write('haproxy is not here: install it ("apt install haproxy") and run this again\n');
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'headgate-haproxy-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const servername = 'proxied.test';
const { certFile, keyFile, ca } = makeCertificates(folder, { name: servername });
const head = tlsHead(
  `proxyProtocol: require, trustedProxies: [127.0.0.1], tls: { certificates: [{ cert: ${certFile}, key: ${keyFile} }] }`,
);
const gateway = await RunningGateway.start(CONFIG, head);
const ports = { 'send-proxy': await freePort(), 'send-proxy-v2': await freePort() };
await startHaproxy(folder, ports, await tlsPort(gateway));

const report = new Report('PROXY protocol through HAProxy');
for (const [option, port] of Object.entries(ports)) {
  for (const [at, localAddress] of CLIENTS.entries()) {
    // Each version has its own clients, for a limit does not forget between them.
    const address = localAddress.replace('0.0.1', `0.${option === 'send-proxy' ? 0 : 1}.1`);
    const statuses: number[] = [];
    for (let n = 0; n < ASKED; n++) {
      statuses.push(await httpsStatus({ port, ca, servername, localAddress: address }, `/limited/${at}`));
    }
    const [good, refused] = [200, 429].map((status) => statuses.filter((one) => one === status).length);
    const holds = good === ADMITTED && refused === ASKED - ADMITTED;
    report.check(
      `${option}, ${address}: 200 / 429`,
      `${good} / ${refused}`,
      `${ADMITTED} / ${ASKED - ADMITTED}`,
      holds,
    );
  }
}
const expected = ASKED * CLIENTS.length * Object.keys(ports).length;
const lines = await eventually('the access log', () => {
  const all = gateway.logged<{ client: string }>('access');
  return all.length >= expected ? all : undefined;
});
const strangers = lines.filter(({ client }) => !client.startsWith('127.0.0.1') && !client.startsWith('127.0.1.1'));
report.check(
  'requests logged under the address of HAProxy',
  lines.filter(({ client }) => client === '127.0.0.1').length,
  '= 0',
  lines.every(({ client }) => client !== '127.0.0.1'),
);
report.check('or under another', strangers.length, '= 0', strangers.length === 0);
const metrics = await gateway.metrics();
const failures =
  metrics.sum('headgate_proxy_header_failures_total') + metrics.sum('headgate_tls_handshake_failures_total');
report.check("connections refused, HAProxy's own checks included", failures, '= 0', failures === 0);
await gateway.stop();
report.print();
process.exit();
