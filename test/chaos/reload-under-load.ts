// 50 reloads in 20 s under load, every fifth of a broken file: no request fails, no connection ends, a bad file changes nothing.
// WebSockets talk on, also while the route that they came by is gone.
import { get } from '../kit/http-client.ts';
import { eventually, sleep } from './kit/clock.ts';
import { EndpointProcess } from './kit/endpoint.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { hasFailed, LoadClient, type LoadResult, quantile } from './kit/load.ts';
import { Report, round } from './kit/report.ts';
import { SocketEndpoint, Talkers } from './kit/web-sockets.ts';

const RELOADS = 50;
const EVERY_MS = 400;
const RATE_PER_S = 800;
const LANES = 64;
const SPENT_LIMIT = 3;
const SOCKETS = 8;
const isBroken = (version: number): boolean => version % 5 === 0;

/**
 * Version n has n routes of its own and sends the load to one endpoint or the other. The last of the endpoints is for
 * WebSockets; every third version has no route to it.
 */
function configText(version: number, endpoints: readonly string[]): string {
  const added = Array.from({ length: version }, (_, at) => {
    const nth = at + 1;
    return `  - { match: { path: /added/${nth} }, respond: { status: 200, body: "version ${version}" } }`;
  });
  return `
limits:
  spent: { window: ${SPENT_LIMIT}/1h }
  plenty: { key: client.ip, rate: 100000/s }
upstreams: { origin: { endpoints: [${endpoints[version % 2]}] } }
routes:
${version % 3 === 2 ? '' : `  - { match: { path: /socket }, upstream: "${endpoints.at(-1)}" }`}
  - { match: { path: /spent }, limits: [spent], respond: { status: 200 } }
  - { match: { path: /load/* }, limits: [plenty], upstream: origin }
${added.join('\n')}
`;
}

/** Three mistakes, each on a line of its own. */
const brokenText = (version: number, endpoints: readonly string[]): string =>
  `${configText(version, endpoints)}  - { match: { path: no-slash }, upstream: origin }
  - { match: { path: /x }, upstream: missing }
  - { match: { path: /y }, upstreem: origin }
`;
const MISTAKES = 3;

interface LogEvent {
  readonly message: string;
}

interface Seen {
  applied: number;
  refused: number;
  /** Lines with file, line and column in what a broken file logged. */
  readonly complaints: number[];
  readonly wrong: string[];
}

async function version(gateway: RunningGateway): Promise<string> {
  return (await gateway.json<{ hash: string }>('config')).hash;
}

function url(gateway: RunningGateway, path: string): string {
  return `http://127.0.0.1:${gateway.port}${path}`;
}

/** The events of one reload, once it has said how it ended. */
async function reload(gateway: RunningGateway, known: number): Promise<LogEvent[]> {
  gateway.cli.signal('SIGHUP');
  return eventually('the end of a reload', () => {
    const events = gateway.logged<LogEvent>('event').slice(known);
    return events.some(({ message }) => /^(configuration reloaded|reload failed)/.test(message)) ? events : undefined;
  });
}

async function applyGood(gateway: RunningGateway, nth: number, endpoints: readonly string[], seen: Seen) {
  gateway.write(configText(nth, endpoints));
  const events = await reload(gateway, gateway.logged('event').length);
  if (!events.some(({ message }) => message === 'configuration reloaded'))
    seen.wrong.push(`version ${nth} was refused`);
  else seen.applied++;
  const answer = await get(url(gateway, `/added/${nth}`));
  if (answer.text() !== `version ${nth}`) seen.wrong.push(`version ${nth} is not in force: ${answer.status}`);
}

async function applyBroken(gateway: RunningGateway, nth: number, endpoints: readonly string[], seen: Seen) {
  const before = await version(gateway);
  gateway.write(brokenText(nth, endpoints));
  const events = await reload(gateway, gateway.logged('event').length);
  if (events.some(({ message }) => message === 'configuration reloaded')) seen.wrong.push(`broken ${nth} was applied`);
  else seen.refused++;
  seen.complaints.push(events.filter(({ message }) => /headgate\.yaml:\d+:\d+/.test(message)).length);
  if ((await version(gateway)) !== before) seen.wrong.push(`broken ${nth} changed the configuration`);
  const answer = await get(url(gateway, `/added/${nth}`));
  if (answer.status !== 404) seen.wrong.push(`broken ${nth} added a route: ${answer.status}`);
}

async function reloadAll(gateway: RunningGateway, endpoints: readonly string[], seen: Seen): Promise<void> {
  const startMs = performance.now();
  for (let nth = 1; nth <= RELOADS; nth++) {
    await (isBroken(nth) ? applyBroken : applyGood)(gateway, nth, endpoints, seen);
    const spent = await get(url(gateway, '/spent'));
    if (spent.status !== 429) seen.wrong.push(`reload ${nth} gave back what a limit had spent`);
    await sleep(Math.max(0, startMs + nth * EVERY_MS - performance.now()));
  }
}

function judge(load: LoadResult, seen: Seen, talkers: Talkers): void {
  const report = new Report('reload under load');
  const failed = load.samples.filter((sample) => hasFailed(sample) || sample.status !== 200);
  const times = load.samples.map(({ tookMs }) => tookMs);
  const broken = Array.from({ length: RELOADS }, (_, at) => at + 1).filter(isBroken).length;
  report.note('requests', load.samples.length);
  report.note('client p50 / p99, ms', `${round(quantile(times, 0.5))} / ${round(quantile(times, 0.99))}`);
  report.note('longest at the client, ms', round(Math.max(...times)));
  report.check('failed requests', failed.length, '= 0', failed.length === 0);
  if (failed.length > 0) report.note('first of them', JSON.stringify(failed[0]));
  report.check('connections opened', load.connectionsOpened, `= ${LANES}`, load.connectionsOpened === LANES);
  report.check('connections lost', load.connectionsLost, '= 0', load.connectionsLost === 0);
  report.note('WebSockets: messages echoed', talkers.echoes);
  report.check('WebSockets: echoes that differ', talkers.wrong, '= 0', talkers.wrong === 0);
  report.check('WebSockets: open at the end', talkers.open, `= ${SOCKETS}`, talkers.open === SOCKETS);
  report.check('reloads in force', seen.applied, `= ${RELOADS - broken}`, seen.applied === RELOADS - broken);
  report.check('broken files refused', seen.refused, `= ${broken}`, seen.refused === broken);
  const complete = seen.complaints.filter((count) => count === MISTAKES).length;
  report.check(
    `of these with all ${MISTAKES} mistakes at line and column`,
    complete,
    `= ${broken}`,
    complete === broken,
  );
  report.check('surprises', seen.wrong.length, '= 0', seen.wrong.length === 0);
  for (const wrong of seen.wrong.slice(0, 3)) report.note('surprise', wrong);
  report.print();
}

endAfter(90);
const endpoints = [await EndpointProcess.start({ name: 'even' }), await EndpointProcess.start({ name: 'odd' })];
const sockets = await SocketEndpoint.start();
const urls = [...endpoints.map((endpoint) => endpoint.url), sockets.url];
const gateway = await RunningGateway.start(configText(0, urls));
const seen: Seen = { applied: 0, refused: 0, complaints: [], wrong: [] };
let client: LoadClient | undefined;
let talkers: Talkers | undefined;
try {
  for (let request = 0; request < SPENT_LIMIT; request++) await get(url(gateway, '/spent'));
  const kinds = [{ name: 'load', path: '/load/x', weight: 1, keys: 1 }];
  client = await LoadClient.start({ ports: [gateway.port], ratePerS: RATE_PER_S, lanes: LANES, kinds });
  talkers = await Talkers.start(`ws://127.0.0.1:${gateway.port}/socket`, SOCKETS);
  await sleep(500);
  await reloadAll(gateway, urls, seen);
  judge(await client.stop(), seen, talkers);
} finally {
  talkers?.stop();
  sockets.stop();
  await client?.kill();
  await gateway.stop();
  for (const endpoint of endpoints) await endpoint.kill();
}
