// Clients of every kind for a while: memory and descriptors at the end are those of an early moment, and nothing is left.
// Arguments: --seconds N (default 60) or --minutes N; --save writes bench/results/soak-<time>.json for the page of benchmarks.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCertificates } from '../kit/certificates.ts';
import { freePort, REPOSITORY } from '../kit/cli.ts';
import { get } from '../kit/http-client.ts';
import { startRedis } from '../kit/redis.ts';
import { eventually, sleep } from './kit/clock.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { megabytes, openDescriptors, RssSampler } from './kit/process-status.ts';
import { Program } from './kit/program.ts';
import { Report } from './kit/report.ts';
import type { SoakPeriod, SoakResult, SoakSpec } from './kit/soak.ts';
import type { SoakEndpointSpec } from './programs/soak-endpoint.ts';

const WORKERS = 24;
/** What is early: the fifth period of many. A process that has just begun still grows. */
const EARLY_PERIODS = 5;
const MAX_GROWTH_BYTES = 16 * 1024 * 1024;
/** In less than ten minutes the heap has not settled. */
const MAX_GROWTH_SHORT_BYTES = 40 * 1024 * 1024;
/** Of the 24 clients each may hold two on either side at the moment of counting. */
const MAX_MORE_DESCRIPTORS = 4 * WORKERS;
const KEEP_ALIVE_MS = 5000;
/** The gateway lets an idle connection go a second before the endpoint would. */
const SETTLE_MS = KEEP_ALIVE_MS + 1000;
const SAMPLE_MS = 100;

const headText = (tlsPort: number, cert: string, key: string): string => `
listeners:
  - { address: 127.0.0.1:0 }
  - { address: "127.0.0.1:${tlsPort}", protocols: [http1], tls: { certificates: [{ cert: ${cert}, key: ${key} }] } }
admin: { address: 127.0.0.1:0 }
`;

const configText = (store: string, endpoint: string): string => `
store: ${store}
log: { access: false }
limits:
  per-client: { key: client.ip, rate: 100000/s }
  tight: { key: client.ip, window: 1/1d }
upstreams: { origin: { endpoints: [${endpoint}] } }
routes:
  - match: { path: [/small, /fail, /sink, /bytes/*, /chunked/*, /tunnel] }
    limits: [per-client]
    upstream: origin
  - { match: { path: /limited }, limits: [tight, per-client], upstream: origin }
`;

const GAUGES = ['headgate_connections', 'headgate_http_requests_in_flight', 'headgate_endpoint_in_flight'];

async function nothingLeft(gateway: RunningGateway): Promise<string> {
  const left = async () => {
    const scrape = await gateway.metrics();
    return GAUGES.filter((name) => scrape.sum(name) !== 0).map((name) => `${name} ${scrape.sum(name)}`);
  };
  const none = await eventually(
    'nothing left',
    async () => ((await left()).length === 0 ? 'none' : undefined),
    8000,
  ).catch(() => undefined);
  return none ?? (await left()).join(', ');
}

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** The load for `periods` of `periodMs`; prints a line for each. */
class Soak {
  readonly periods: SoakPeriod[] = [];
  readonly #gateway: RunningGateway;
  readonly #client: Program;
  #done = 0;
  #surprised = 0;

  constructor(gateway: RunningGateway, client: Program) {
    this.#gateway = gateway;
    this.#client = client;
  }

  async run(count: number, periodMs: number): Promise<SoakResult> {
    process.stdout.write('minute     done  surprises  RSS MB  most descriptors\n');
    for (let index = 1; index <= count; index++) {
      await this.#period(Math.round((index * periodMs) / 600) / 100, periodMs);
    }
    this.#client.tell({ stop: true });
    return this.#client.hear<SoakResult>();
  }

  async #period(minute: number, periodMs: number): Promise<void> {
    const { pid } = this.#gateway;
    const sampler = new RssSampler(pid, SAMPLE_MS);
    const startMs = performance.now();
    let descriptors = 0;
    while (performance.now() - startMs < periodMs) {
      descriptors = Math.max(descriptors, openDescriptors(pid));
      await sleep(SAMPLE_MS);
    }
    sampler.stop();
    const rssBytes = sampler.medianBytes(startMs, performance.now());
    this.#client.tell({ stop: false });
    const { counts, surprised } = await this.#client.hear<SoakResult>();
    const done = total(counts) - this.#done;
    this.#add({ minute, done, surprised: surprised - this.#surprised, rssBytes, descriptors });
  }

  #add(period: SoakPeriod): void {
    this.periods.push(period);
    this.#done += period.done;
    this.#surprised += period.surprised;
    const { minute, done, surprised, rssBytes, descriptors } = period;
    const cells = [String(minute).padStart(6), String(done).padStart(9), String(surprised).padStart(11)];
    cells.push(megabytes(rssBytes).toFixed(1).padStart(8), String(descriptors).padStart(18));
    process.stdout.write(`${cells.join('')}\n`);
  }
}

function judge(periods: readonly SoakPeriod[], result: SoakResult, report: Report): void {
  for (const [name, count] of Object.entries(result.counts)) report.note(name, count);
  report.check('did not end as they should', result.surprised, '= 0', result.surprised === 0);
  for (const surprise of result.surprises) report.note('surprise', surprise);
  const early = periods[Math.min(EARLY_PERIODS, Math.ceil(periods.length / 3)) - 1]!;
  const late = periods.at(-1)!;
  const atMost = late.minute >= 10 ? MAX_GROWTH_BYTES : MAX_GROWTH_SHORT_BYTES;
  const between = `minute ${early.minute} → ${late.minute}`;
  report.check(
    `RSS, ${between}, MB`,
    `${megabytes(early.rssBytes)} → ${megabytes(late.rssBytes)}`,
    `+ < ${megabytes(atMost)}`,
    late.rssBytes - early.rssBytes < atMost,
  );
  report.check(
    `most descriptors, ${between}`,
    `${early.descriptors} → ${late.descriptors}`,
    `+ ≤ ${MAX_MORE_DESCRIPTORS}`,
    late.descriptors - early.descriptors <= MAX_MORE_DESCRIPTORS,
  );
}

async function checkErrors(gateway: RunningGateway, report: Report): Promise<void> {
  const bugs = (await gateway.metrics()).sum('headgate_http_requests_total', 'reason="IE"');
  report.check('answers 500 of its own', bugs, '= 0', bugs === 0);
  const errors = gateway.logged<{ level: string; message: string }>('event').filter(({ level }) => level === 'error');
  report.check('errors in the log', errors.length, '= 0', errors.length === 0);
  if (errors.length > 0) report.note('first of them', errors[0]!.message);
}

async function checkLeft(gateway: RunningGateway, idleDescriptors: number, report: Report): Promise<void> {
  const left = await nothingLeft(gateway);
  report.check('gauges that are not 0 afterwards', left, 'none', left === 'none');
  await sleep(SETTLE_MS);
  const settled = openDescriptors(gateway.pid);
  report.check(
    'descriptors when all is idle again',
    `${idleDescriptors} → ${settled}`,
    'no more',
    settled <= idleDescriptors,
  );
}

function save(periods: readonly SoakPeriod[], result: SoakResult, report: Report): void {
  const date = new Date().toISOString();
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: REPOSITORY,
    encoding: 'utf8',
  }).stdout.trim();
  const { checks } = report;
  const saved = { date, commit, node: process.version, minutes: periods, counts: result.counts, checks };
  const folder = join(REPOSITORY, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const name = `soak-${date.slice(0, 19).replaceAll(':', '')}.json`;
  writeFileSync(join(folder, name), `${JSON.stringify(saved, null, 2)}\n`);
  process.stdout.write(`bench/results/${name}\n`);
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    minutes: { type: 'string' },
    save: { type: 'boolean', default: false },
  },
});
const seconds = values.minutes === undefined ? Number(values.seconds) : Number(values.minutes) * 60;
if (!(seconds >= 1)) throw new Error('--seconds or --minutes: a number');
/** A minute each; of a short soak ten. */
const periodMs = Math.min(60_000, seconds * 100);
endAfter(seconds + 90);
const report = new Report(`soak, ${values.minutes === undefined ? `${seconds} s` : `${values.minutes} min`}`);
const folder = mkdtempSync(join(tmpdir(), 'headgate-soak-'));
const certificate = makeCertificates(folder, { name: 'localhost', san: ['localhost', '127.0.0.1'] });
const redis = await startRedis();
const endpoint = new Program('soak-endpoint');
endpoint.tell({ keepAliveMs: KEEP_ALIVE_MS } satisfies SoakEndpointSpec);
const { port } = await endpoint.hear<{ port: number }>();
const tlsPort = await freePort();
const gateway = await RunningGateway.start(
  configText(`{ url: ${redis.url}, timeout: 500ms }`, `http://127.0.0.1:${port}`),
  headText(tlsPort, certificate.certFile, certificate.keyFile),
);
const client = new Program('soak-client');
try {
  await gateway.inFleetOf(1);
  await get(`http://127.0.0.1:${gateway.port}/limited`);
  const idleDescriptors = openDescriptors(gateway.pid);
  client.tell({ port: gateway.port, tlsPort, ca: certificate.ca, workers: WORKERS } satisfies SoakSpec);
  await client.hear();
  const soak = new Soak(gateway, client);
  const result = await soak.run(Math.round((seconds * 1000) / periodMs), periodMs);
  await client.kill();
  judge(soak.periods, result, report);
  await checkLeft(gateway, idleDescriptors, report);
  await checkErrors(gateway, report);
  if (values.save) save(soak.periods, result, report);
} finally {
  await client.kill();
  await gateway.stop();
  await endpoint.kill();
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
}
report.print();
