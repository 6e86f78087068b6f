// SIGTERM under load behind a balancer that asks /readyz and sends nothing new once it is 503: no request fails, exit code 0.
// WebSockets end one after the other over the grace time, and work until then.
import { get } from '../kit/http-client.ts';
import { epochMs, sleep } from './kit/clock.ts';
import { EndpointProcess } from './kit/endpoint.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { hasFailed, LoadClient, type LoadResult } from './kit/load.ts';
import { Report, round } from './kit/report.ts';
import { SocketEndpoint, Talkers } from './kit/web-sockets.ts';

const BEFORE_MS = 2000;
/** How often the balancer asks; it needs two bad answers. */
const ASK_EVERY_MS = 300;
const DELAY_MS = 2000;
const GRACE_MS = 10_000;
/** Answers take up to so long: some are still to come when the gateway no longer accepts. */
const SLOWEST_MS = 3500;
const SOCKETS = 8;
/** The gateway spreads the ends of tunnels over so much of the grace time, one in each part. */
const PART_MS = (GRACE_MS * 0.9) / SOCKETS;
const TOLERANCE_MS = 300;

const configText = (endpoint: string, sockets: string): string => `
shutdown: { delay: ${DELAY_MS}ms, grace: ${GRACE_MS}ms }
limits: { per-key: { key: header.x-key, rate: 10000/s } }
upstreams: { origin: { endpoints: [${endpoint}] }, sockets: { endpoints: [${sockets}] } }
routes:
  - { match: { path: /socket }, upstream: sockets }
  - { match: { path: /* }, limits: [per-key], upstream: origin }
`;

/** Resolves when the balancer has taken the gateway out. */
async function notReady(gateway: RunningGateway): Promise<void> {
  for (let bad = 0; bad < 2; ) {
    await sleep(ASK_EVERY_MS);
    const status = await get(`${gateway.admin}/readyz`).then(
      (answer) => answer.status,
      () => 0,
    );
    bad = status === 200 ? 0 : bad + 1;
  }
}

function describe(report: Report, name: string, load: LoadResult, termMs: number): void {
  const { samples } = load;
  const failed = samples.filter((sample) => hasFailed(sample) || sample.status !== 200);
  const sentAfter = samples.filter(({ atMs }) => atMs >= termMs).length;
  const across = samples.filter(({ atMs, tookMs }) => atMs < termMs && atMs + tookMs >= termMs).length;
  report.note(`${name}: requests`, samples.length);
  report.note(`${name}: in flight at SIGTERM, sent after it`, `${across}, ${sentAfter}`);
  report.check(`${name}: failed`, failed.length, '= 0', failed.length === 0);
  if (failed.length > 0) report.note(`${name}: first of them`, JSON.stringify(failed[0]));
}

function describeSockets(report: Report, talkers: Talkers, termMs: number): void {
  const { lost, wrong, echoes } = talkers;
  const afterMs = lost.map(({ atMs }) => Math.round(atMs - termMs));
  const inTurn = afterMs.filter((ms, nth) => {
    const early = DELAY_MS + PART_MS * nth - TOLERANCE_MS;
    return ms >= early && ms <= early + PART_MS + 2 * TOLERANCE_MS;
  }).length;
  report.note('WebSockets: messages echoed', echoes);
  report.note('WebSockets: ended after SIGTERM, ms', afterMs.join(', '));
  report.check('WebSockets: echoes that differ', wrong, '= 0', wrong === 0);
  report.check(`WebSockets: ended each in its part of ${PART_MS} ms`, inTurn, `= ${SOCKETS}`, inTurn === SOCKETS);
}

endAfter(60);
const report = new Report('drain');
const quick = await EndpointProcess.start({ delayMs: [0, 5] });
const slow = await EndpointProcess.start({ delayMs: [100, SLOWEST_MS] });
const sockets = await SocketEndpoint.start();
const gateways = await Promise.all(
  [quick, slow].map((endpoint) => RunningGateway.start(configText(endpoint.url, sockets.url))),
);
let talkers: Talkers | undefined;
const clients: LoadClient[] = [];
try {
  const kinds = [{ name: 'get', path: '/x', weight: 3, keys: 7 }];
  const posts = [...kinds, { name: 'post', path: '/y', method: 'POST' as const, weight: 1, keys: 7 }];
  // Each gateway has a balancer that connects anew each time, and one that keeps its connections.
  const specs = gateways.flatMap(({ port }, at) => [
    { ports: [port], ratePerS: at === 0 ? 300 : 60, lanes: at === 0 ? 32 : 256, fresh: true, kinds: posts },
    { ports: [port], ratePerS: at === 0 ? 300 : 60, lanes: at === 0 ? 32 : 256, kinds: posts },
  ]);
  clients.push(...(await Promise.all(specs.map((spec) => LoadClient.start(spec)))));
  talkers = await Talkers.start(`ws://127.0.0.1:${gateways[0]!.port}/socket`, SOCKETS);
  await sleep(BEFORE_MS);
  const termMs = epochMs();
  for (const gateway of gateways) gateway.cli.signal('SIGTERM');
  await Promise.all(gateways.map(notReady));
  report.note('the balancers knew after, ms', round(epochMs() - termMs));
  const loads = await Promise.all(clients.map((client) => client.stop()));
  const exits = await Promise.all(gateways.map((gateway) => gateway.cli.exited(DELAY_MS + GRACE_MS + 5000)));
  const tookMs = epochMs() - termMs;
  const names = ['quick, new connections', 'quick, kept', 'slow, new connections', 'slow, kept'];
  for (const [at, load] of loads.entries()) describe(report, names[at]!, load, termMs);
  describeSockets(report, talkers, termMs);
  report.check('WebSockets left at the endpoint', sockets.open, '= 0', sockets.open === 0);
  const codes = exits.map(({ code, signal }) => code ?? signal).join(', ');
  report.check('exit codes', codes, '0, 0', codes === '0, 0');
  report.check('gone after SIGTERM, ms', round(tookMs), `< ${DELAY_MS + GRACE_MS}`, tookMs < DELAY_MS + GRACE_MS);
} finally {
  talkers?.stop();
  sockets.stop();
  for (const client of clients) await client.kill();
  for (const gateway of gateways) await gateway.stop();
  await quick.kill();
  await slow.kill();
}
report.print();
