// One of three endpoints dies under load: no GET fails that could be sent again, and no POST runs twice.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { epochMs, eventually, sleep } from './kit/clock.ts';
import { EndpointProcess } from './kit/endpoint.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { hasFailed, LoadClient, type LoadResult, quantile, type RequestKind, type Sample } from './kit/load.ts';
import { Report, round } from './kit/report.ts';

const RATE_PER_S = 500;
const BEFORE_MS = 3000;
const AFTER_MS = 7000;
/** Slow enough that every endpoint has requests in flight at any moment. */
const DELAY_MS: readonly [number, number] = [2, 40];

const configText = (endpoints: readonly string[]): string => `
upstreams: { origin: { endpoints: [${endpoints.join(', ')}] } }
routes: [{ match: { path: /* }, upstream: origin }]
`;

interface AccessEntry {
  readonly status: number;
  readonly reason: string | null;
  readonly endpoint: string | null;
  readonly attempts: number;
}

interface Trial {
  readonly load: LoadResult;
  readonly killedMs: number;
  readonly deadUrl: string;
  readonly failedInLog: readonly AccessEntry[];
  /** Attempts beyond the first, over all requests. */
  readonly retries: number;
  /** Ids of POSTs in the order of their execution, over all endpoints. */
  readonly executed: readonly string[];
}

async function run(kinds: readonly RequestKind[]): Promise<Trial> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-endpoints-'));
  const files = ['one', 'two', 'three'].map((name) => join(folder, name));
  const endpoints = await Promise.all(
    files.map((idsFile, at) => EndpointProcess.start({ name: `endpoint ${at}`, delayMs: DELAY_MS, idsFile })),
  );
  const gateway = await RunningGateway.start(configText(endpoints.map(({ url }) => url)));
  const client = await LoadClient.start({ ports: [gateway.port], ratePerS: RATE_PER_S, lanes: 96, kinds });
  try {
    await sleep(BEFORE_MS);
    const killedMs = epochMs();
    await endpoints[1]!.kill();
    await sleep(AFTER_MS);
    const load = await client.stop();
    const entries = await eventually('the access log', () => {
      const logged = gateway.logged<AccessEntry>('access');
      return logged.length >= load.samples.length ? logged : undefined;
    });
    return {
      ...{ load, killedMs, deadUrl: endpoints[1]!.url },
      failedInLog: entries.filter(({ status, reason }) => status >= 500 || reason !== null),
      retries: entries.reduce((sum, { attempts }) => sum + attempts - 1, 0),
      executed: files.flatMap((file) => readFileSync(file, 'latin1').split('\n').filter(Boolean)),
    };
  } finally {
    await client.kill();
    await gateway.stop();
    await Promise.all(endpoints.map((endpoint) => endpoint.kill()));
    rmSync(folder, { recursive: true });
  }
}

function describe(report: Report, { load, retries }: Trial): void {
  report.note('requests', load.samples.length);
  report.note('sent again elsewhere', retries);
  report.note('longest at the client, ms', round(Math.max(...load.samples.map(({ tookMs }) => tookMs))));
  const times = load.samples.map(({ tookMs }) => tookMs);
  report.note('client p50 / p99, ms', `${round(quantile(times, 0.5))} / ${round(quantile(times, 0.99))}`);
}

/** The head had come: nobody could have spared the client this one. */
function wasCut(sample: Sample): boolean {
  return sample.error !== undefined && sample.status === 200;
}

async function judgeGet(): Promise<boolean> {
  const trial = await run([
    { name: 'small', path: '/small', weight: 6, keys: 1 },
    { name: 'halves', path: '/halves', weight: 4, keys: 1 },
  ]);
  const report = new Report('endpoint killed, GET');
  describe(report, trial);
  const failed = trial.load.samples.filter(hasFailed);
  const spared = failed.filter((sample) => !wasCut(sample));
  report.note('cut behind their head', failed.length - spared.length);
  report.check('errors with no head forwarded before', spared.length, '= 0', spared.length === 0);
  if (spared.length > 0) report.note('first of them', JSON.stringify(spared[0]));
  report.check('requests sent again', trial.retries, '≥ 1', trial.retries >= 1);
  report.print();
  return spared.length === 0 && trial.retries >= 1;
}

async function judgePost(): Promise<boolean> {
  const trial = await run([{ name: 'post', path: '/orders', method: 'POST', weight: 1, keys: 1 }]);
  const report = new Report('endpoint killed, POST');
  describe(report, trial);
  const failed = trial.load.samples.filter(hasFailed);
  const elsewhere = trial.failedInLog.filter(({ endpoint }) => !trial.deadUrl.endsWith(endpoint ?? 'none'));
  const late = failed.filter(({ atMs }) => atMs > trial.killedMs + 50);
  const early = failed.filter(({ atMs, tookMs }) => atMs + tookMs < trial.killedMs);
  const twice = trial.executed.length - new Set(trial.executed).size;
  const known = new Set(trial.executed);
  const lost = trial.load.samples.filter((sample) => !hasFailed(sample) && !known.has(String(sample.id)));
  report.note('failed', failed.length);
  report.check('executed twice', twice, '= 0', twice === 0);
  report.check('answered 200 but never executed', lost.length, '= 0', lost.length === 0);
  report.check('failed on an endpoint that lives', elsewhere.length, '= 0', elsewhere.length === 0);
  if (elsewhere.length > 0) report.note('first of them', JSON.stringify(elsewhere[0]));
  report.check('failed but sent 50 ms after the kill or later', late.length, '= 0', late.length === 0);
  report.check('failed before the kill', early.length, '= 0', early.length === 0);
  report.print();
  return twice + lost.length + elsewhere.length + late.length + early.length === 0;
}

endAfter(90);
const good = [await judgeGet(), await judgePost()];
process.exitCode = good.every(Boolean) ? 0 : 1;
