// npm run bench: what a proxied request costs here, against every peer found on this machine. See README.md beside.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CONNECTIONS } from './load.mjs';
import { atFullLoad } from './measure.mjs';
import { here } from './nginx-common.mjs';
import { origin as originCommand } from './origins.mjs';
import { accepts, end, endAll, freePort, has, start } from './processes.mjs';
import { headgate } from './proxies.mjs';
import { machine, save, summarize } from './report.mjs';
import { SUITES } from './suites.mjs';
import { terminalTable } from './tables.mjs';

const PROXY_CORE = 0;
const LOAD_CORE = 1;

const { values } = parseArgs({
  options: {
    suite: { type: 'string' },
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    rate: { type: 'string' },
    'no-save': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

if (values.help) {
  const lines = SUITES.map(({ name, title, cases }) => {
    return `  ${name.padEnd(8)} ${title}: ${cases.map((kase) => kase.name).join(', ')}`;
  });
  process.stdout.write(`npm run bench -- [--suite proxy,tls] [--only nginx,headgate] [--rounds 3] [--seconds 5] [--rate N] [--no-save]
suites and their cases:\n${lines.join('\n')}\n`);
  process.exit(0);
}
if (!(rounds >= 1 && rounds <= 100 && seconds >= 1 && seconds <= 600)) fail('--rounds 1 to 100, --seconds 1 to 600');
if (values.rate !== undefined && !(Number(values.rate) >= 100)) fail('--rate: requests/s, at least 100');
if (!existsSync('/proc/self/stat')) fail('the benchmark reads CPU time from /proc: it needs Linux');
if (!has('wrk')) fail('wrk is not on PATH (Debian: apt-get install wrk)');

const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

function fail(message) {
  process.stderr.write(`bench: ${message}\n`);
  process.exit(2);
}

function say(message) {
  process.stderr.write(`bench: ${message}\n`);
}

/** The Node peers live in a package of their own, so that the project does not depend on them. */
function installPeers() {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
  const optional = `${process.platform} ${process.arch}` === 'linux x64' ? Object.keys(optionalDependencies) : [];
  const there = (name) => existsSync(join(here, 'node_modules', name));
  if ([...Object.keys(dependencies), ...optional].every(there)) return;
  say('installing the Node peers into bench/node_modules');
  const args = ['ci', '--prefix', here, '--no-audit', '--no-fund', '--loglevel=error'];
  spawnSync('npm', args, { cwd: here, stdio: ['ignore', 'ignore', 'inherit'], timeout: 300_000 });
}

function chosen(what, text, known) {
  if (text === undefined) return () => true;
  const names = text.split(',');
  for (const name of names) if (!known.includes(name)) fail(`no ${what} "${name}"; there are ${known.join(', ')}`);
  return (name) => names.includes(name);
}

const wantsSuite = chosen(
  'suite',
  values.suite,
  SUITES.map(({ name }) => name),
);
const wantsCase = chosen('case', values.only, [
  ...new Set(SUITES.flatMap(({ cases }) => cases.map(({ name }) => name))),
]);

/** Why a suite cannot run here. */
function reason(suite, { folder, pin }) {
  const cores = machine().cores;
  if (suite.minCores !== undefined && (cores < suite.minCores || !pin)) {
    return `${suite.minCores} cores and taskset are needed, so that the load has its own; there are ${cores}`;
  }
  return suite.missing?.() ?? suite.refuses?.(folder);
}

function casesOf(suite) {
  return suite.cases.filter((kase) => {
    if (!wantsCase(kase.name)) return false;
    const why = kase.proxy?.missing(kase);
    if (why !== undefined) say(`${suite.name}: without ${kase.title}: ${why}`);
    return why === undefined;
  });
}

async function startOrigin(suite, common) {
  const port = await freePort();
  const folder = join(common.folder, 'origin');
  mkdirSync(folder, { recursive: true });
  const { command, env } = originCommand({ folder, port, endpoints: suite.originEndpoints });
  const child = start(command, { core: LOAD_CORE, pin: common.pin, env });
  await accepts(port, child);
  return { child, port };
}

async function startRedis({ folder, pin }) {
  const port = await freePort();
  const command = ['redis-server', '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = start(command, { core: LOAD_CORE, pin, cwd: folder });
  await accepts(port, child);
  return { child, url: `redis://127.0.0.1:${port}` };
}

/** A certificate for 127.0.0.1 as one has them now: ECDSA, P-256. */
function makeCertificate(folder) {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost';
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert];
  const { status } = spawnSync('openssl', [...args.split(' '), ...names], { stdio: 'ignore' });
  if (status !== 0) throw new Error('openssl makes no certificate');
  return { cert, key };
}

/** Half of what Headgate does at most: the same for all, so that their delays can be compared. */
async function halfLoad(setup) {
  if (values.rate !== undefined) return Number(values.rate);
  const { requestsPerSecond } = await atFullLoad({ proxy: headgate }, { ...setup, seconds: 2 });
  return Math.round(requestsPerSecond / 200) * 100;
}

async function runSuite(suite, common) {
  const cases = casesOf(suite);
  if (cases.length === 0) return undefined;
  const origin = await startOrigin(suite, common);
  const redis = suite.needsRedis === true ? await startRedis(common) : undefined;
  const setup = {
    ...common,
    seconds,
    proxyCore: PROXY_CORE,
    load: { core: LOAD_CORE, pin: common.pin },
    connections: CONNECTIONS,
    originPort: origin.port,
    redisUrl: redis?.url,
    tls: suite.needsTls === true ? makeCertificate(common.folder) : undefined,
  };
  if (suite.minCores !== undefined) setup.load.core = '2,3';
  try {
    if (suite.needsRate === true) setup.rate = await halfLoad(setup);
    const runs = await allRounds(suite, cases, setup);
    return { rate: setup.rate, rows: summarize(cases, runs), runs };
  } finally {
    await end(origin.child);
    if (redis !== undefined) await end(redis.child);
  }
}

async function allRounds(suite, cases, setup) {
  const runs = [];
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another case, so that none always runs on a machine that others have warmed.
    for (let n = 0; n < cases.length; n++) {
      const kase = cases[(n + round) % cases.length];
      const figures = await suite.measure(kase, setup).catch((error) => say(`${kase.title}: ${error.message}`));
      if (figures === undefined) continue;
      runs.push({ case: kase.name, round, ...figures });
      process.stderr.write(`${suite.name} ${round + 1}/${rounds} ${kase.title}: ${inShort(figures)}\n`);
    }
  }
  return runs;
}

function inShort({ cpuUs, requestsPerSecond, p99Ms, perIdleBytes, startMs }) {
  const parts = [
    requestsPerSecond === undefined ? undefined : `${requestsPerSecond.toFixed(0)}/s`,
    cpuUs === undefined ? undefined : `${cpuUs.toFixed(1)} µs`,
    cpuUs === undefined && p99Ms !== undefined ? `p99 ${p99Ms.toFixed(2)} ms` : undefined,
    perIdleBytes === undefined ? undefined : `${(perIdleBytes / 1024).toFixed(1)} KB each`,
    startMs === undefined ? undefined : `${startMs.toFixed(0)} ms`,
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

async function main() {
  installPeers();
  const host = machine();
  const [busy] = loadavg();
  if (busy > 0.5) say(`this machine is busy (load ${busy.toFixed(1)}): the figures will say little`);
  const pin = has('taskset') && host.cores > 1;
  if (!pin) say('one core or no taskset: nothing is pinned, the figures say little');
  const suites = {};
  try {
    for (const suite of SUITES.filter(({ name }) => wantsSuite(name))) {
      const why = reason(suite, { folder, pin });
      if (why !== undefined) {
        say(`without ${suite.name}: ${why}`);
        suites[suite.name] = { skipped: why };
        continue;
      }
      const found = await runSuite(suite, { folder, pin });
      if (found === undefined) continue;
      suites[suite.name] = found;
      process.stdout.write(`\n${suite.title}\n\n${terminalTable(suite.name, found)}\n\n`);
    }
  } finally {
    await endAll();
  }
  const measured = Object.values(suites).filter(({ rows }) => rows?.some((row) => row.rounds > 0));
  if (measured.length === 0) fail('nothing was measured');
  if (measured.some(({ rows }) => rows.some(({ errors }) => errors > 0))) process.exitCode = 1;
  if (values['no-save']) return;
  const what = { rounds, seconds, pinned: pin, partial: values.only !== undefined, loadBefore: busy };
  process.stdout.write(`${save({ machine: host, what, suites })}\n`);
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => endAll().finally(() => process.exit(130)));
}

await main();
