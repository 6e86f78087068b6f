// Clients of every kind for a while: memory and descriptors at the end are those after a third of the time, and nothing is left.
// Argument: --seconds N (default 60).
import { parseArgs } from 'node:util';
import { get } from '../kit/http-client.ts';
import { startRedis } from '../kit/redis.ts';
import { eventually, sleep } from './kit/clock.ts';
import { EndpointProcess } from './kit/endpoint.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { megabytes, openDescriptors, RssSampler } from './kit/process-status.ts';
import { Program } from './kit/program.ts';
import { Report } from './kit/report.ts';
import type { SoakResult, SoakSpec } from './kit/soak.ts';

const WORKERS = 24;
const MAX_GROWTH_BYTES = 30 * 1024 * 1024;
/** Of the 24 clients each may hold two on either side at the moment of counting. */
const MAX_MORE_DESCRIPTORS = 4 * WORKERS;
const KEEP_ALIVE_MS = 5000;
/** The gateway lets an idle connection go a second before the endpoint would. */
const SETTLE_MS = KEEP_ALIVE_MS + 1000;

const configText = (store: string, endpoint: string): string => `
store: ${store}
log: { access: false }
limits:
  per-client: { key: client.ip, rate: 100000/s }
  tight: { key: client.ip, window: 1/1d }
upstreams: { origin: { endpoints: [${endpoint}] } }
routes:
  - { match: { path: [/small, /slow, /sink, /bytes/*, /tunnel] }, limits: [per-client], upstream: origin }
  - { match: { path: /limited }, limits: [tight, per-client], upstream: origin }
`;

interface Moment {
  readonly rssBytes: number;
  readonly descriptors: number;
}

/** Median memory and most descriptors over a tenth of the time, at least three seconds, from now. */
async function look(gateway: RunningGateway, seconds: number): Promise<Moment> {
  const sampler = new RssSampler(gateway.pid, 50);
  const startMs = performance.now();
  let descriptors = 0;
  while (performance.now() - startMs < Math.max(3000, seconds * 100)) {
    descriptors = Math.max(descriptors, openDescriptors(gateway.pid));
    await sleep(50);
  }
  sampler.stop();
  return { rssBytes: sampler.medianBytes(startMs, performance.now()), descriptors };
}

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

async function soak(gateway: RunningGateway, seconds: number, report: Report): Promise<void> {
  const idle = openDescriptors(gateway.pid);
  const client = new Program('soak-client');
  try {
    client.tell({ port: gateway.port, workers: WORKERS } satisfies SoakSpec);
    await client.hear();
    await sleep((seconds * 1000) / 3);
    const early = await look(gateway, seconds);
    await sleep(Math.max(0, seconds * 1000 * (2 / 3) - 2 * Math.max(3000, seconds * 100)));
    const late = await look(gateway, seconds);
    client.tell({ stop: true });
    describe(await client.hear<SoakResult>(), early, late, report);
  } finally {
    await client.kill();
  }
  const left = await nothingLeft(gateway);
  report.check('gauges that are not 0 afterwards', left, 'none', left === 'none');
  await sleep(SETTLE_MS);
  const settled = openDescriptors(gateway.pid);
  report.check('descriptors when all is idle again', `${idle} → ${settled}`, 'no more', settled <= idle);
}

function describe(result: SoakResult, early: Moment, late: Moment, report: Report): void {
  for (const [name, count] of Object.entries(result.counts)) report.note(name, count);
  report.check('did not end as they should', result.surprised, '= 0', result.surprised === 0);
  for (const surprise of result.surprises) report.note('surprise', surprise);
  const growth = late.rssBytes - early.rssBytes;
  report.check(
    'RSS after a third, at the end, MB',
    `${megabytes(early.rssBytes)} → ${megabytes(late.rssBytes)}`,
    `+ < ${megabytes(MAX_GROWTH_BYTES)}`,
    growth < MAX_GROWTH_BYTES,
  );
  const more = late.descriptors - early.descriptors;
  report.check(
    'most descriptors after a third, at the end',
    `${early.descriptors} → ${late.descriptors}`,
    `+ ≤ ${MAX_MORE_DESCRIPTORS}`,
    more <= MAX_MORE_DESCRIPTORS,
  );
}

async function checkErrors(gateway: RunningGateway, report: Report): Promise<void> {
  const bugs = (await gateway.metrics()).sum('headgate_http_requests_total', 'status="500"');
  report.check('answers 500', bugs, '= 0', bugs === 0);
  const errors = gateway.logged<{ level: string; message: string }>('event').filter(({ level }) => level === 'error');
  report.check('errors in the log', errors.length, '= 0', errors.length === 0);
  if (errors.length > 0) report.note('first of them', errors[0]!.message);
}

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const seconds = Number(values.seconds);
endAfter(seconds + 60);
const report = new Report(`soak, ${seconds} s`);
const redis = await startRedis();
const endpoint = await EndpointProcess.start({ delayMs: [0, 30], keepAliveMs: KEEP_ALIVE_MS });
const gateway = await RunningGateway.start(configText(`{ url: ${redis.url}, timeout: 500ms }`, endpoint.url));
try {
  await gateway.inFleetOf(1);
  await get(`http://127.0.0.1:${gateway.port}/limited`);
  await soak(gateway, seconds, report);
  await checkErrors(gateway, report);
} finally {
  await gateway.stop();
  await endpoint.kill();
  await redis.stop();
}
report.print();
