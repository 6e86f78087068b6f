// Redis dies, or stops, under load: what clients see, how long decisions take, what limits admit meanwhile.
// Arguments: names of variants, e.g. `kill-1 pause-2`; without any, all of them.
import { startRedis, type TestRedis } from '../kit/redis.ts';
import { epochMs, sleep } from './kit/clock.ts';
import { EndpointProcess } from './kit/endpoint.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { hasFailed, LoadClient, type LoadResult, quantile, type Sample } from './kit/load.ts';
import { type Buckets, between, countOf, quantileText, type Scrape, shareWithin } from './kit/metrics.ts';
import { Report, round } from './kit/report.ts';

const RATE_PER_S = 1000;
const HOT_LIMIT = 100;
const HOT_WINDOW_MS = 1000;
const DEADLINE_MS = 20;
const BEFORE_MS = 3000;
/** No multiple of the window, so that a window of the outage is half spent when the store returns. */
const AWAY_MS = 3400;
const AFTER_MS = 4000;
/** The breaker is open well before: at once after a kill, after five deadlines in a row after a stop. */
const SETTLED_MS = 400;

const configText = (store: string, endpoint: string): string => `
store: ${store}
limits:
  per-key: { key: header.x-key, rate: 100/s, burst: 100 }
  hot: { key: header.x-key, window: ${HOT_LIMIT}/${HOT_WINDOW_MS}ms }
upstreams: { origin: { endpoints: [${endpoint}] } }
routes:
  - { match: { path: /keys }, limits: [per-key], upstream: origin }
  - { match: { path: /hot }, limits: [hot], upstream: origin }
`;

interface HotDecision {
  readonly ok: boolean;
  readonly mode: string;
  readonly at: number;
}

/** When things happened, ms since the epoch. */
interface Times {
  lostMs: number;
  backMs: number;
}

class Trial {
  readonly fault: 'kill' | 'pause';
  readonly size: number;
  readonly servers: TestRedis[] = [];
  readonly gateways: RunningGateway[] = [];
  readonly times: Times = { lostMs: 0, backMs: 0 };
  load!: LoadResult;
  /** Of each gateway, at four moments: before, settled, before the return, at the end. */
  readonly scrapes: Scrape[][] = [];

  constructor(fault: 'kill' | 'pause', size: number) {
    this.fault = fault;
    this.size = size;
  }

  async run(): Promise<void> {
    const redis = await startRedis();
    this.servers.push(redis);
    const endpoint = await EndpointProcess.start();
    let client: LoadClient | undefined;
    try {
      for (let nth = 0; nth < this.size; nth++) {
        this.gateways.push(await RunningGateway.start(configText(redis.url, endpoint.url)));
      }
      await Promise.all(this.gateways.map((gateway) => gateway.inFleetOf(this.size)));
      client = await this.startLoad();
      await sleep(BEFORE_MS);
      await this.outage(redis);
      await sleep(AFTER_MS);
      this.load = await client.stop();
      await this.scrape();
    } finally {
      await client?.kill();
      for (const gateway of this.gateways) await gateway.stop();
      await endpoint.kill();
      for (const server of this.servers) await server.stop();
    }
  }

  private startLoad(): Promise<LoadClient> {
    const ports = this.gateways.map(({ port }) => port);
    const kinds = [
      { name: 'key', path: '/keys', weight: 7, keys: 997 },
      { name: 'hot', path: '/hot', weight: 3, keys: 1 },
    ];
    return LoadClient.start({ ports, ratePerS: RATE_PER_S, lanes: 128, kinds });
  }

  private async outage(redis: TestRedis): Promise<void> {
    const { times } = this;
    await this.scrape();
    times.lostMs = epochMs();
    if (this.fault === 'kill') await redis.kill();
    else redis.pause();
    await sleep(SETTLED_MS);
    await this.scrape();
    await sleep(AWAY_MS - SETTLED_MS);
    await this.scrape();
    times.backMs = epochMs();
    if (this.fault === 'pause') redis.resume();
    else this.servers.push(await startRedis({ port: redis.port }));
  }

  private async scrape(): Promise<void> {
    this.scrapes.push(await Promise.all(this.gateways.map((gateway) => gateway.metrics())));
  }

  /** Durations of decisions between two of the moments, over all gateways. */
  decisions(from: number, to: number): Buckets {
    const each = this.gateways.map((_, at) => {
      const [earlier, later] = [from, to].map((moment) =>
        this.scrapes[moment]![at]!.histogram('headgate_limit_decision_duration_seconds'),
      );
      return between(earlier!, later!);
    });
    const bounds = [...each[0]!.keys()];
    return new Map(bounds.map((bound) => [bound, each.reduce((sum, buckets) => sum + buckets.get(bound)!, 0)]));
  }

  /** Longest delay of a gateway's event loop up to a moment, beyond the 20 ms it is sampled at. */
  loopDelayMs(moment: number): number {
    const lags = this.scrapes[moment]!.map((scrape) => scrape.sum('nodejs_eventloop_lag_max_seconds') * 1000 - 20);
    return Math.max(0, ...lags);
  }

  hotDecisions(gateway: RunningGateway): HotDecision[] {
    return gateway
      .logged<{ path: string; limits: HotDecision[] }>('access')
      .filter(({ path }) => path === '/hot')
      .map(({ limits }) => limits[0]!)
      .sort((a, b) => a.at - b.at);
  }
}

function judge(trial: Trial): boolean {
  const report = new Report(`redis ${trial.fault}, ${trial.size} gateway${trial.size > 1 ? 's' : ''}`);
  judgeClients(trial, report);
  judgeDecisions(trial, report);
  judgeLimits(trial, report);
  judgeMode(trial, report);
  report.print();
  return process.exitCode === 0;
}

function judgeClients({ load, times }: Trial, report: Report): void {
  const { samples, stallMs } = load;
  const failed = samples.filter(hasFailed);
  const tookMs = samples.map((sample) => sample.tookMs);
  const { lostMs } = times;
  const slowest = slowestOf(samples.filter((sample) => sample.atMs + sample.tookMs >= lostMs));
  const earlier = slowestOf(samples.filter((sample) => sample.atMs + sample.tookMs < lostMs));
  report.note('requests', samples.length);
  report.check('5xx and client errors', failed.length, '= 0', failed.length === 0);
  if (failed.length > 0) report.note('first of them', JSON.stringify(failed[0]));
  report.note('client p50 / p99, ms', `${round(quantile(tookMs, 0.5))} / ${round(quantile(tookMs, 0.99))}`);
  report.check('longest from the loss on, ms', round(slowest.tookMs), '≤ 250', slowest.tookMs <= 250);
  report.note('of which sent, ms after the loss', `${round(slowest.atMs - lostMs)}, ${slowest.kind}`);
  report.note('longest before the loss, ms', round(earlier.tookMs));
  report.note('longest stall of the client itself, ms', round(stallMs));
}

function slowestOf(samples: readonly Sample[]): Sample {
  return samples.reduce((slowest, sample) => (sample.tookMs > slowest.tookMs ? sample : slowest));
}

function judgeDecisions(trial: Trial, report: Report): void {
  const [failing, open] = [trial.decisions(0, 3), trial.decisions(1, 2)];
  const delayMs = Math.max(...[1, 2, 3].map((moment) => trial.loopDelayMs(moment)));
  const boundMs = DEADLINE_MS + 5;
  const raw = shareWithin(failing, boundMs / 1000);
  const lessDelay = shareWithin(failing, (boundMs + delayMs) / 1000);
  report.note('decisions from the loss to the end', countOf(failing));
  report.note('longest loop delay of a gateway, ms', round(delayMs));
  report.note(`of these within ${boundMs} ms, delay included`, `${round(raw * 100, 3)} %`);
  report.note(`slowest in the first ${SETTLED_MS} ms of the loss`, quantileText(trial.decisions(0, 1), 1));
  report.check('decision p99.9 less loop delay', quantileText(failing, 0.999), `≤ ${boundMs} ms`, lessDelay >= 0.999);
  const fast = shareWithin(open, 0.0002);
  report.note('decisions with the breaker open', countOf(open));
  report.check('of these within 0.2 ms', `${round(fast * 100, 2)} %`, '≥ 99 %', fast >= 0.99);
}

function judgeLimits(trial: Trial, report: Report): void {
  const share = Math.floor(HOT_LIMIT / trial.size);
  const { lostMs, backMs } = trial.times;
  // The first window of an outage starts from what was last seen; behind it, as many whole windows as there are.
  const fromMs = lostMs + HOT_WINDOW_MS;
  const windows = Math.floor((backMs - fromMs) / HOT_WINDOW_MS);
  const toMs = fromMs + windows * HOT_WINDOW_MS;
  let [tooClose, admitted] = [0, 0];
  for (const gateway of trial.gateways) {
    const local = trial.hotDecisions(gateway).filter(({ ok, mode }) => ok && mode === 'local');
    for (let at = share; at < local.length; at++) {
      if (local[at]!.at - local[at - share]!.at < HOT_WINDOW_MS * 1000) tooClose++;
    }
    admitted += local.filter(({ at }) => at >= fromMs * 1000 && at < toMs * 1000).length;
  }
  const perWindow = admitted / windows;
  report.check(`local windows above the share of ${share}`, tooClose, '= 0', tooClose === 0);
  report.check(
    'admitted on the hot key by local share, a window',
    round(perWindow),
    `${0.9 * HOT_LIMIT}–${HOT_LIMIT}`,
    perWindow >= 0.9 * HOT_LIMIT && perWindow <= HOT_LIMIT,
  );
  // A store that comes back knows nothing of what was admitted without it.
  const all = trial.gateways.flatMap((gateway) => trial.hotDecisions(gateway).filter(({ ok }) => ok));
  const most = mostInAWindow(all);
  report.check('most on it in any window, edges included', most, `≤ ${2 * HOT_LIMIT}`, most <= 2 * HOT_LIMIT);
}

function mostInAWindow(decisions: readonly HotDecision[]): number {
  const times = decisions.map(({ at }) => at).sort((a, b) => a - b);
  let [most, from] = [0, 0];
  for (let to = 0; to < times.length; to++) {
    while (times[to]! - times[from]! >= HOT_WINDOW_MS * 1000) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

function judgeMode({ load, times }: Trial, report: Report): void {
  const before = load.samples.filter(({ atMs, local }) => local && atMs < times.lostMs - 100);
  const away = load.samples.filter(({ atMs }) => atMs >= times.lostMs + SETTLED_MS && atMs < times.backMs - 50);
  const local = away.filter((sample) => sample.local).length;
  const lastLocal = Math.max(...load.samples.filter((sample) => sample.local).map(({ atMs }) => atMs));
  const backMs = Math.max(0, lastLocal - times.backMs);
  report.note('answers with X-RateLimit-Mode: local before the loss', before.length);
  report.check('share with it while the store was away', `${local} of ${away.length}`, 'all', local === away.length);
  report.check('last one with it after the return, ms', round(backMs), '≤ 1500', backMs <= 1500);
}

const VARIANTS = {
  'kill-1': ['kill', 1],
  'pause-1': ['pause', 1],
  'kill-2': ['kill', 2],
  'pause-2': ['pause', 2],
} as const;
endAfter(120);
const asked = process.argv.slice(2);
let ok = true;
for (const [name, [fault, size]] of Object.entries(VARIANTS)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const trial = new Trial(fault, size);
  await trial.run();
  ok = judge(trial) && ok;
}
process.exitCode = ok ? 0 : 1;
