// npm run profile: where the time of a proxied request goes. Headgate as `npm run bench` runs it, in three fresh processes: under
// Node's CPU profiler, with its garbage collector's trace, and with system calls counted (where strace is there).
//   npm run profile -- [--seconds 5] [--node 26] [--log] [--redis-url redis://…] [--top 25]
import { mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { saturate } from './load.mjs';
import { origin as originCommand } from './origins.mjs';
import { accepts, end, endAll, freePort, has, start, usage } from './processes.mjs';
import { headgate } from './proxies.mjs';
import { machine } from './report.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    node: { type: 'string' },
    log: { type: 'boolean', default: false },
    'redis-url': { type: 'string' },
    top: { type: 'string', default: '25' },
  },
});
const seconds = Number(values.seconds);
const pin = has('taskset') && machine().cores > 1;
const folder = mkdtempSync(join(tmpdir(), 'headgate-profile-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const why = has('wrk') ? headgate.missing({ node: values.node }) : 'wrk is not on PATH';
if (why !== undefined || !(seconds >= 1)) {
  process.stderr.write(`profile: ${why ?? '--seconds: at least 1'}\n`);
  process.exit(2);
}

/** Headgate under load, once warm: `watch` runs the load and may look on. Resolves when Headgate has ended. */
async function underLoad(originPort, nodeArgs, watch = (run) => run()) {
  const own = mkdtempSync(join(folder, 'run-'));
  const [port, adminPort] = [await freePort(), await freePort()];
  const { log, node, 'redis-url': redisUrl } = values;
  const options = { folder: own, port, adminPort, originPort, node, log, redisUrl };
  const { command, stdout } = headgate.make({ ...options, nodeArgs: nodeArgs(own) });
  const file = stdout === 'ignore' ? openSync(join(own, 'stdout'), 'w') : stdout;
  const child = start(command, { core: 0, pin, stdout: file, cwd: own });
  await accepts(port, child);
  const load = (forSeconds) => saturate(`http://127.0.0.1:${port}/`, { seconds: forSeconds, core: 1, pin });
  await load(2);
  const before = usage(child.pid);
  const startMs = performance.now();
  const { requests } = await watch(() => load(seconds), child, own);
  const after = usage(child.pid);
  const tookMs = performance.now() - startMs;
  await end(child);
  const cpuUs = (after.userUs + after.systemUs - before.userUs - before.systemUs) / requests;
  return { requests, tookMs, cpuUs, folder: own };
}

/** Microseconds of self time by function over the last `tookMs`, which is the load; what the process waited is left out. */
function selfTimes({ folder: own, tookMs }) {
  const name = readdirSync(own).find((file) => file.endsWith('.cpuprofile'));
  const { nodes, samples, timeDeltas, endTime } = JSON.parse(readFileSync(join(own, name), 'utf8'));
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const times = new Map();
  let atUs = endTime;
  for (let n = samples.length - 1; n >= 0 && atUs > endTime - tookMs * 1000; n--) {
    const { functionName, url, lineNumber } = byId.get(samples[n]);
    atUs -= timeDeltas[n];
    if (functionName === '(idle)') continue;
    const place = url === '' ? '' : ` ${url.startsWith('node:') ? url : basename(url)}:${lineNumber + 1}`;
    const key = `${functionName === '' ? '(anonymous)' : functionName}${place}`;
    times.set(key, (times.get(key) ?? 0) + timeDeltas[n]);
  }
  return [...times].sort(([, a], [, b]) => b - a);
}

async function functions(originPort) {
  const run = await underLoad(originPort, (own) => ['--cpu-prof', `--cpu-prof-dir=${own}`]);
  const times = selfTimes(run);
  const all = times.reduce((sum, [, us]) => sum + us, 0);
  say(`self time by function, of ${(all / run.requests).toFixed(1)} µs/request sampled on the main thread`);
  for (const [name, us] of times.slice(0, Number(values.top))) row(us / run.requests, us / all, name);
}

/** Allocation: what the young generation gained from the end of one collection to the beginning of the next. */
async function memory(originPort) {
  const run = await underLoad(originPort, () => ['--trace-gc']);
  const text = readFileSync(join(run.folder, values.log ? 'access.log' : 'stdout'), 'utf8');
  // `[pid:0x…]   1234 ms: Scavenge 12.3 (20.1) -> 8.2 (21.1) MB, … 0.51 / 0.00 ms …`
  const line = /^\[\d+:\w+\]\s+(\d+) ms: (.+?) ([\d.]+) \([\d.]+\) -> ([\d.]+) \([\d.]+\) MB.*? ([\d.]+) \/ /gm;
  const all = Array.from(text.matchAll(line), ([, atMs, kind, before, after, tookMs]) => ({
    atMs: Number(atMs),
    kind,
    beforeMb: Number(before),
    afterMb: Number(after),
    tookMs: Number(tookMs),
  }));
  const lastMs = all.at(-1)?.atMs ?? 0;
  const those = all.filter(({ atMs }) => atMs > lastMs - run.tookMs);
  const allocatedMb = those.slice(1).reduce((sum, { beforeMb }, n) => sum + beforeMb - those[n].afterMb, 0);
  const pausedMs = those.reduce((sum, { tookMs }) => sum + tookMs, 0);
  say(`memory: ${((allocatedMb * 2 ** 20) / run.requests).toFixed(0)} bytes allocated per request`);
  const scavenges = those.filter(({ kind }) => kind.startsWith('Scavenge')).length;
  say(
    `collections: ${scavenges} young, ${those.length - scavenges} other; ${((pausedMs * 1000) / run.requests).toFixed(2)} µs/request of pauses`,
  );
  say(`CPU without a profiler: ${run.cpuUs.toFixed(1)} µs/request, all threads`);
}

async function systemCalls(originPort) {
  if (!has('strace')) return say('system calls: strace is not on PATH');
  const run = await underLoad(
    originPort,
    () => [],
    async (load, child, own) => {
      const tracer = start(['strace', '-c', '-f', '-o', join(own, 'strace'), '-p', String(child.pid)], { pin: false });
      // Not before it is attached: it says so.
      for (let tries = 0; tries < 100 && !/attached/.test(tracer.complaint); tries++) await sleep(20);
      const result = await load();
      await end(tracer);
      return result;
    },
  );
  const text = readFileSync(join(run.folder, 'strace'), 'utf8');
  const lines = Array.from(text.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/gm));
  const counts = lines.filter(([, , name]) => name !== 'total').map(([, calls, name]) => [name, calls / run.requests]);
  const shown = counts.filter(([, calls]) => calls > 0.005).sort(([, a], [, b]) => b - a);
  say(`system calls per request: ${shown.map(([name, calls]) => `${name} ${calls.toFixed(2)}`).join(', ')}`);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function say(text) {
  process.stdout.write(`${text}\n`);
}

function row(us, share, name) {
  say(`  ${us.toFixed(2).padStart(6)} µs ${(share * 100).toFixed(1).padStart(5)} %  ${name}`);
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => endAll().finally(() => process.exit(130)));
}

try {
  const originPort = await freePort();
  mkdirSync(join(folder, 'origin'));
  const { command, env } = originCommand({ folder: join(folder, 'origin'), port: originPort });
  await accepts(originPort, start(command, { core: 1, pin, env }));
  await functions(originPort);
  await memory(originPort);
  await systemCalls(originPort);
} finally {
  await endAll();
}
