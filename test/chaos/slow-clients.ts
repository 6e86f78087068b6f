// A thousand slow clients of three kinds (Debian's slowhttptest): heads that never end, bodies that drip, answers that are
// hardly read. Others are served meanwhile, memory stays, and the gateway's own timeouts end every one of them.
// Argument: --connections N (default 1000).
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { sleep } from './kit/clock.ts';
import { EndpointProcess } from './kit/endpoint.ts';
import { RunningGateway } from './kit/gateway.ts';
import { descriptorsFor, endAfter, endsWithThis } from './kit/guard.ts';
import { IdleClient } from './kit/idle.ts';
import { hasFailed, LoadClient, quantile } from './kit/load.ts';
import { megabytes, pinned, RssSampler, rssBytes } from './kit/process-status.ts';
import { Report, round } from './kit/report.ts';

const KILOBYTE = 1024;
/** What a connection may cost that is in its head or body; and one whose answer waits for it, both buffers full. */
const MAX_BYTES_EACH = 30 * KILOBYTE;
const MAX_BYTES_EACH_READER = 256 * KILOBYTE;
const PROBES_PER_S = 50;
const LANES = 10;
/** The attack counts as one when this share of it stood at the same time. */
const LEAST_SHARE = 0.9;
/** Two cores carry everything here, the attackers too. */
const MAX_PROBE_MS = 1000;

interface Attack {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  /** The gateway ends the last of them so long after it came. */
  readonly withinS: number;
  readonly maxBytesEach: number;
}

const ATTACKS: readonly Attack[] = [
  {
    name: 'slow heads',
    path: '/small',
    args: ['-H', '-i', '2', '-x', '24', '-t', 'GET'],
    withinS: 16,
    maxBytesEach: MAX_BYTES_EACH,
  },
  {
    // Each gap is shorter than timeouts.body: what ends these is minBodyRate.
    name: 'slow bodies',
    path: '/sink',
    args: ['-B', '-i', '3', '-s', '8192', '-x', '10', '-t', 'POST'],
    withinS: 40,
    maxBytesEach: MAX_BYTES_EACH,
  },
  {
    name: 'slow readers',
    path: `/bytes/${KILOBYTE * KILOBYTE}`,
    args: ['-X', '-w', '64', '-y', '256', '-n', '1', '-z', '5', '-t', 'GET'],
    withinS: 30,
    maxBytesEach: MAX_BYTES_EACH_READER,
  },
];

/**
 * Nothing is shortened but what would keep a slow reader for minutes: an answer that stands still, and one that the kernel
 * took whole, so that to the gateway its client is at rest.
 */
const HEAD = 'listeners: [{ address: 127.0.0.1:0, timeouts: { idle: 10s } }]\nadmin: { address: 127.0.0.1:0 }\n';
const configText = (endpoint: string, probed: string): string => `
log: { access: false }
upstreams: { origin: { endpoints: [${endpoint}], maxConnections: 5000 } }
routes:
  - { match: { path: /probe }, upstream: "${probed}" }
  - { upstream: origin, timeout: { response: 60s, stream: 10s } }
`;

const RAMP_S = 3;

/** Starts the attacker, which tries for as long as it is given; ended by its pid. */
function attack({ path, args, withinS }: Attack, port: number, connections: number): ChildProcess {
  const rate = String(Math.ceil(connections / RAMP_S));
  const lasts = ['-l', String(2 * withinS), '-p', '5', '-v', '1'];
  const all = ['slowhttptest', ...args, ...lasts, '-c', String(connections), '-r', rate];
  const [program, ...rest] = pinned(1, [...all, '-u', `http://127.0.0.1:${port}${path}`]);
  const child = spawn(program!, rest, { stdio: 'ignore' });
  endsWithThis(child);
  return child;
}

interface Siege {
  /** Most connections at a time, the probes' included. */
  readonly most: number;
  /** Until only the probes' were left, as the gateway counts. */
  readonly seconds: number;
}

/** Until the gateway has ended all connections but the probes', or long past the time for that. */
async function endure(gateway: RunningGateway, withinS: number, connections: number): Promise<Siege> {
  const startMs = performance.now();
  for (let most = 0; ; ) {
    await sleep(250);
    const open = (await gateway.metrics()).sum('headgate_connections');
    most = Math.max(most, open);
    const seconds = (performance.now() - startMs) / 1000;
    const isOver = most >= connections * LEAST_SHARE && open <= LANES;
    if (isOver || seconds > 2 * withinS) return { most, seconds };
  }
}

async function judge(report: Report, kind: Attack, gateway: RunningGateway, connections: number): Promise<void> {
  const load = await LoadClient.start({
    ports: [gateway.port],
    ratePerS: PROBES_PER_S,
    lanes: LANES,
    kinds: [{ name: 'probe', path: '/probe', weight: 1, keys: 1 }],
  });
  await sleep(1000);
  const before = rssBytes(gateway.pid);
  const sampler = new RssSampler(gateway.pid, 50);
  const attacker = attack(kind, gateway.port, connections);
  const { most, seconds } = await endure(gateway, kind.withinS, connections);
  attacker.kill('SIGKILL');
  sampler.stop();
  const { samples } = await load.stop();
  const failed = samples.filter(hasFailed);
  const times = samples.map(({ tookMs }) => tookMs);
  const growth = sampler.peakBytes() - before;
  const { name, maxBytesEach, withinS } = kind;
  const most100 = Math.round(maxBytesEach / KILOBYTE);
  const least = connections * LEAST_SHARE;
  report.check(`${name}: open at a time`, most, `≥ ${least}`, most >= least);
  report.check(`${name}: all ended after, s`, round(seconds), `≤ ${withinS}`, seconds <= withinS);
  report.check(`${name}: probes that failed of ${samples.length}`, failed.length, '= 0', failed.length === 0);
  const longest = Math.max(...times);
  report.note(`${name}: probe p99, ms`, round(quantile(times, 0.99)));
  report.check(`${name}: longest probe, ms`, round(longest), `≤ ${MAX_PROBE_MS}`, longest <= MAX_PROBE_MS);
  report.check(
    `${name}: RSS over ${megabytes(before)} MB, KB each`,
    round(growth / connections / KILOBYTE),
    `≤ ${most100}`,
    growth <= maxBytesEach * connections,
  );
}

const { values } = parseArgs({ options: { connections: { type: 'string', default: '1000' } } });
const connections = Number(values.connections);
if (spawnSync('slowhttptest', ['-h'], { stdio: 'ignore' }).error !== undefined) {
  process.stderr.write('slowhttptest is not there: apt-get install slowhttptest\n');
  process.exit(1);
}
descriptorsFor(2 * connections + 200);
endAfter(180);
const report = new Report(`slow clients, ${connections}`);
const endpoint = await EndpointProcess.start();
const probed = await EndpointProcess.start();
const gateway = await RunningGateway.start(configText(endpoint.url, probed.url), HEAD);
try {
  await IdleClient.warmUp(gateway.port);
  for (const kind of ATTACKS) await judge(report, kind, gateway, connections);
} finally {
  await gateway.stop();
  await Promise.all([endpoint.kill(), probed.kill()]);
}
report.print();
