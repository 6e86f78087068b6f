// npm run bench: what a proxied request costs here, against every peer found on this machine. See README.md beside.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CONNECTIONS, load } from './load.mjs';
import { origin as originCommand, PEERS } from './peers.mjs';
import { accepts, end, endAll, freePort, has, start, usage } from './processes.mjs';
import { machine, summarize, table } from './report.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const PROXY_CORE = 0;
const LOAD_CORE = 1;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string' },
    redis: { type: 'boolean', default: false },
    'no-save': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

if (values.help) {
  process.stdout.write(`npm run bench -- [--rounds 3] [--seconds 5] [--only nginx,headgate] [--redis] [--no-save]
peers: ${PEERS.map(({ name }) => name).join(', ')}\n`);
  process.exit(0);
}
if (!(rounds >= 1 && rounds <= 100 && seconds >= 1 && seconds <= 600)) fail('--rounds 1 to 100, --seconds 1 to 600');
if (!existsSync('/proc/self/stat')) fail('the benchmark reads CPU time from /proc: it needs Linux');
if (!has('wrk')) fail('wrk is not on PATH (Debian: apt-get install wrk)');
if (values.redis && !has('redis-server')) fail('--redis needs redis-server on PATH');

function fail(message) {
  process.stderr.write(`bench: ${message}\n`);
  process.exit(2);
}

/** The Node peers live in a package of their own, so that the project does not depend on them. */
function installPeers() {
  if (existsSync(join(here, 'node_modules'))) return;
  process.stderr.write('bench: installing the Node peers into bench/node_modules\n');
  const args = ['ci', '--prefix', here, '--no-audit', '--no-fund', '--loglevel=error'];
  spawnSync('npm', args, { cwd: here, stdio: ['ignore', 'ignore', 'inherit'], timeout: 180_000 });
}

function choose() {
  const wanted = values.only?.split(',');
  for (const name of wanted ?? []) {
    if (!PEERS.some((peer) => peer.name === name)) fail(`no peer "${name}"`);
  }
  const chosen = PEERS.filter(({ name }) => wanted === undefined || wanted.includes(name)).filter(
    ({ redis }) => !values.redis || redis === true,
  );
  if (chosen.some(({ kind }) => kind === 'node')) installPeers();
  return chosen.filter((peer) => {
    const why = peer.missing();
    if (why !== undefined) process.stderr.write(`bench: without ${peer.title}: ${why}\n`);
    return why === undefined;
  });
}

/** A fresh process of one peer: warmed up for a second, then measured. */
async function measure(peer, { folder, originPort, pin, redisUrl }) {
  const port = await freePort();
  const adminPort = await freePort();
  const work = join(folder, 'peer');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  const { command, env, stdout } = peer.make({ folder: work, port, adminPort, originPort, redisUrl });
  const child = start(command, { core: PROXY_CORE, pin, env, stdout, cwd: work });
  try {
    await accepts(port, child);
    const script = redisUrl === undefined ? undefined : join(here, 'peers/keys.lua');
    await load(port, 1, { core: LOAD_CORE, pin, script });
    const before = usage(child.pid);
    const result = await load(port, seconds, { core: LOAD_CORE, pin, script });
    const after = usage(child.pid);
    const userUs = (after.userUs - before.userUs) / result.requests;
    const systemUs = (after.systemUs - before.systemUs) / result.requests;
    return { peer: peer.name, ...result, userUs, systemUs, cpuUs: userUs + systemUs, rssBytes: after.rssBytes };
  } finally {
    await end(child);
  }
}

async function startRedis(folder, pin) {
  const port = await freePort();
  const command = ['redis-server', '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = start(command, { core: LOAD_CORE, pin, cwd: folder });
  await accepts(port, child);
  return `redis://127.0.0.1:${port}`;
}

async function main() {
  const peers = choose();
  if (peers.length === 0) fail('nothing to measure');
  const pin = has('taskset') && machine().cores > 1;
  if (!pin) process.stderr.write('bench: one core or no taskset: nothing is pinned, the figures say little\n');
  const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
  const runs = [];
  try {
    const originPort = await freePort();
    mkdirSync(join(folder, 'origin'));
    const { command, env } = originCommand({ folder: join(folder, 'origin'), port: originPort });
    await accepts(originPort, start(command, { core: LOAD_CORE, pin, env }));
    const redisUrl = values.redis ? await startRedis(folder, pin) : undefined;
    for (let round = 0; round < rounds; round++) {
      // Each round begins with another peer, so that none always runs on a machine that others have warmed.
      for (let n = 0; n < peers.length; n++) {
        const peer = peers[(n + round) % peers.length];
        const run = await measure(peer, { folder, originPort, pin, redisUrl }).catch((error) => {
          process.stderr.write(`bench: ${peer.title}: ${error.message}\n`);
        });
        if (run === undefined) continue;
        runs.push({ round, ...run });
        process.stderr.write(
          `round ${round + 1} ${peer.name}: ${run.requestsPerSecond.toFixed(0)}/s, ${run.cpuUs.toFixed(1)} µs\n`,
        );
      }
    }
  } finally {
    await endAll();
    rmSync(folder, { recursive: true, force: true });
  }
  report(peers, runs, pin);
}

function report(peers, runs, pin) {
  const { rows, bestNode } = summarize(peers, runs);
  const what = {
    connections: CONNECTIONS,
    bodyBytes: 512,
    seconds,
    rounds,
    pinned: pin,
    mode: values.redis ? 'redis' : 'memory',
  };
  const host = machine();
  process.stdout.write(`\n${host.cpu}, ${host.cores} cores, Node ${host.node}; ${CONNECTIONS} connections, `);
  process.stdout.write(
    `${rounds} × ${seconds} s, medians${values.redis ? ', every decision in Redis' : ''}\n\n${table(rows)}\n`,
  );
  if (rows.some(({ errors }) => errors > 0)) process.exitCode = 1;
  if (runs.length === 0) fail('no run succeeded');
  if (values['no-save']) return;
  const versions = Object.fromEntries(peers.map((peer) => [peer.name, peer.version()]));
  const date = new Date().toISOString();
  const folder = join(here, 'results');
  mkdirSync(folder, { recursive: true });
  const suffix = values.redis ? '-redis' : '';
  const file = join(folder, `${date.slice(0, 19).replaceAll(':', '')}${suffix}.json`);
  writeFileSync(file, `${JSON.stringify({ date, machine: host, versions, what, bestNode, rows, runs }, null, 2)}\n`);
  process.stdout.write(`\nbench/results/${file.slice(folder.length + 1)}\n`);
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => endAll().finally(() => process.exit(130)));
}

await main();
