// The ways to measure: each takes a case of a suite in a fresh process and gives its figures.
import { mkdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { LoadProgram, saturate } from './load.mjs';
import { LARGE_BYTES } from './origins.mjs';
import { accepts, end, freePort, start, usage } from './processes.mjs';

/** Starts the proxy of a case, hands it to `use`, ends it. `setup`: see run.mjs. */
async function withProxy(kase, setup, use) {
  const folder = join(setup.folder, 'proxy');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const [port, adminPort] = [await freePort(), await freePort()];
  const { originPort, redisUrl, tls } = setup;
  const options = { folder, port, adminPort, originPort, redisUrl, node: kase.node, ...kase.options };
  if (kase.tls === true) options.tls = tls;
  const { command, env, stdout } = kase.proxy.make(options);
  const startedMs = performance.now();
  const child = start(command, { core: kase.cores ?? setup.proxyCore, pin: setup.pin, env, stdout, cwd: folder });
  try {
    return await use({ child, port, startedMs });
  } finally {
    await end(child);
  }
}

const url = (kase, port) => `${kase.tls === true ? 'https' : 'http'}://127.0.0.1:${port}${kase.path ?? '/'}`;

/** As fast as it goes: requests/s, CPU time per request, memory. */
export function atFullLoad(kase, setup) {
  return withProxy(kase, setup, async ({ child, port }) => {
    await accepts(port, child);
    const load = (seconds, args = kase.args) =>
      saturate(url(kase, port), { ...setup.load, script: kase.script, connections: kase.connections, seconds, args });
    const warm = await load(kase.warmSeconds ?? 1);
    if (kase.fill !== undefined) await fill(kase, warm, load);
    const before = usage(child.pid);
    const result = await load(setup.seconds);
    const after = usage(child.pid);
    if (result.requests === 0) throw new Error('answered nothing');
    const userUs = (after.userUs - before.userUs) / result.requests;
    const systemUs = (after.systemUs - before.systemUs) / result.requests;
    const figures = { ...result, userUs, systemUs, cpuUs: userUs + systemUs, rssBytes: after.rssBytes };
    if (kase.path === '/large') figures.bytesPerSecond = result.requestsPerSecond * LARGE_BYTES;
    if (kase.rssBefore === true) figures.grownBytes = after.rssBytes - before.rssBytes;
    return kase.also === undefined ? figures : { ...figures, ...(await kase.also(setup)) };
  });
}

/** Every one of `kase.fill` keys once, before anything is measured. */
async function fill(kase, { requestsPerSecond }, load) {
  const [what, count] = kase.args;
  const { requests } = await load(Math.ceil((kase.fill / requestsPerSecond) * 1.3) + 1, [what, count, 'all']);
  if (requests < kase.fill) throw new Error(`only ${requests} of ${kase.fill} ${what} were reached`);
}

/** A constant rate, below what it can: latency from the moment a request was due. */
export async function atConstantRate(kase, setup) {
  const program = new LoadProgram('open-loop.mjs', setup.load);
  try {
    const origin = await program.ask({ origin: true });
    const spec = { rate: setup.rate, seconds: setup.seconds, connections: setup.connections };
    if (kase.proxy === undefined) return await program.ask({ ...spec, port: origin.port });
    return await withProxy(kase, { ...setup, originPort: origin.port }, async ({ child, port }) => {
      await accepts(port, child);
      return program.ask({ ...spec, port });
    });
  } finally {
    program.end();
  }
}

const SETTLE_MS = 2000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Idle keep-alive connections, each of which had one request answered. */
export function withIdleConnections(kase, setup) {
  return withProxy(kase, setup, async ({ child, port }) => {
    await accepts(port, child);
    await saturate(url(kase, port), { ...setup.load, seconds: 1 });
    await sleep(SETTLE_MS);
    const before = usage(child.pid);
    const program = new LoadProgram('idle-client.mjs', setup.load);
    try {
      await program.ask({ port, connections: kase.idle });
      await sleep(SETTLE_MS);
      const { rssBytes } = usage(child.pid);
      const { open } = await program.ask({ count: true });
      const perIdleBytes = (rssBytes - before.rssBytes) / kase.idle;
      return { rssBytes, perIdleBytes, emptyBytes: before.rssBytes, errors: kase.idle - open };
    } finally {
      program.end();
    }
  });
}

/** From the start of the process to the first answer of the origin through it. */
export function toFirstAnswer(kase, setup) {
  return withProxy(kase, setup, async ({ child, port, startedMs }) => {
    for (;;) {
      if (await answers(port)) return { startMs: performance.now() - startedMs, errors: 0 };
      if (child.exitCode !== null) throw new Error(`ended: ${child.complaint}`);
      if (performance.now() - startedMs > 10_000) throw new Error('no answer within 10 s');
      await sleep(1);
    }
  });
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: bench\r\n\r\n'));
    const done = (good) => {
      socket.destroy();
      resolve(good);
    };
    socket.on('data', (chunk) => done(chunk.latin1Slice(0, 12) === 'HTTP/1.1 200'));
    socket.on('error', () => done(false));
    socket.on('close', () => done(false));
  });
}
