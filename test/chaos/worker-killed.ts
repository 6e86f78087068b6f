// Two workers under load, one of them killed: what it had in flight fails, nothing else does, and a new one is there soon.
import { workersOf } from '../kit/children.ts';
import { epochMs, eventually, sleep } from './kit/clock.ts';
import { EndpointProcess } from './kit/endpoint.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { hasFailed, LoadClient, type Sample } from './kit/load.ts';
import { Report, round } from './kit/report.ts';

const RATE_PER_S = 2000;
const LANES = 64;
const LIMIT = 4000;
/** A client may write to a connection in the moment before it hears of its end. */
const UNHEARD_MS = 50;

/** The limit is larger than what is sent before the kill, and smaller than all that is sent. */
const config = (endpoint: string): string => `
workers: 2
limits: { all: { window: ${LIMIT}/1h } }
upstreams: { app: { endpoints: [${endpoint}] } }
routes: [{ limits: [all], upstream: app }]
log: { access: false }
`;

async function run(fresh: boolean): Promise<boolean> {
  const endpoint = await EndpointProcess.start({ delayMs: [5, 10] });
  const gateway = await RunningGateway.start(config(endpoint.url));
  const kind = { name: 'get', path: '/', weight: 1, keys: 1 };
  const load = await LoadClient.start({
    ports: [gateway.port],
    ratePerS: RATE_PER_S,
    lanes: LANES,
    kinds: [kind],
    fresh,
  });
  await sleep(1000);
  const counted = (await gateway.metrics()).sum('headgate_http_requests_total');
  const before = workersOf(gateway.pid);
  const killedMs = epochMs();
  process.kill(before[0]!, 'SIGKILL');
  const backMs = await eventually('two workers', async () => {
    const scrape = await gateway.metrics();
    const isBack = scrape.sum('headgate_worker_restarts_total') === 1 && scrape.sum('headgate_workers') === 2;
    return isBack ? epochMs() - killedMs : undefined;
  });
  await sleep(1500);
  const { samples, stallMs } = await load.stop();
  const later = await gateway.metrics();
  const report = new Report(`worker killed, ${fresh ? 'a connection each' : 'kept connections'}`);
  const failed = samples.filter(hasFailed);
  const isInFlight = ({ atMs, tookMs }: Sample): boolean =>
    atMs < killedMs + UNHEARD_MS + stallMs && atMs + tookMs > killedMs - UNHEARD_MS;
  const others = failed.filter((sample) => !isInFlight(sample));
  const admitted = samples.filter(({ status }) => status === 200).length;
  const slowest = Math.max(...samples.map(({ tookMs }) => tookMs));
  report.note('requests', samples.length);
  report.note('failed', failed.length);
  report.check('failed but not in flight at the kill', others.length, '= 0', others.length === 0);
  if (others.length > 0) report.note('first of them', JSON.stringify(others[0]));
  report.check('in flight, and failed', failed.length, `≤ ${LANES}`, failed.length <= LANES);
  report.check('back to two workers, ms', round(backMs), '≤ 1000', backMs <= 1000);
  report.note('slowest answer, ms', round(slowest));
  // Those in flight at the kill were admitted, and nobody heard of it.
  const least = Math.min(LIMIT, samples.length) - LANES;
  const isExact = admitted <= LIMIT && admitted >= least;
  report.check('admitted of the limit', admitted, `${least} to ${LIMIT}`, isExact);
  const total = later.sum('headgate_http_requests_total');
  report.check('requests counted after the kill', total, `≥ ${counted} before`, total >= counted);
  report.print();
  await gateway.stop();
  await endpoint.kill();
  return others.length === 0 && backMs <= 1000 && isExact && total >= counted;
}

endAfter(90);
const good = [await run(false), await run(true)];
process.exitCode = good.every(Boolean) ? 0 : 1;
