// An endpoint closes idle connections after exactly 1 000 ms and says so nowhere, while 100 lanes send GET and POST in turn,
// each about 1 000 ms apart: once the first close was learned nothing fails, and no POST ever runs twice.
// Argument: --requests N (default 20000, half of them POST; a hundred take a second).
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { epochMs, sleep } from './kit/clock.ts';
import { ClosingEndpoint, type ClosingResult } from './kit/closing.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { Report } from './kit/report.ts';

const IDLE_MS = 1000;
/** One way to the endpoint: what is sent in so long before a close is known reaches a connection that is closed. */
const WAY_MS = 10;
const LANES = 100;
/** Lanes keep step, so that as many connections lie idle for as long as the endpoint keeps them; each is off by up to so much. */
const JITTER_MS = 25;
/** The close takes so long to be known at the gateway. */
const LEARNING_MS = 100;
const ANSWER_GUARD_MS = 10_000;

const configText = (endpoint: string): string => `
log: { access: false }
upstreams: { origin: { endpoints: [${endpoint}] } }
routes: [{ upstream: origin }]
`;

interface Sample {
  readonly method: 'GET' | 'POST';
  readonly target: string;
  readonly sentMs: number;
  /** 0: no answer. */
  readonly status: number;
}

function send(port: number, agent: Agent, method: Sample['method'], target: string): Promise<Sample> {
  return new Promise((resolve) => {
    const sentMs = epochMs();
    const end = (status: number): void => resolve({ method, target, sentMs, status });
    const headers = method === 'POST' ? { 'Content-Length': 5 } : {};
    const sent = request({ host: '127.0.0.1', port, method, path: target, agent, headers }, (response) => {
      response.on('error', () => end(0));
      response.on('end', () => end(response.statusCode!));
      response.resume();
    });
    sent.setTimeout(ANSWER_GUARD_MS, () => sent.destroy(new Error('no answer in time')));
    sent.on('error', () => end(0));
    sent.end(method === 'POST' ? 'hello' : undefined);
  });
}

async function runLane(port: number, lane: number, rounds: number, startMs: number): Promise<Sample[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    const dueMs = startMs + round * IDLE_MS + (Math.random() * 2 - 1) * JITTER_MS;
    await sleep(Math.max(0, dueMs - epochMs()));
    const method = (lane + round) % 2 === 0 ? 'GET' : 'POST';
    samples.push(await send(port, agent, method, `/${lane}/${round}`));
  }
  agent.destroy();
  return samples;
}

function judge(report: Report, samples: readonly Sample[], result: ClosingResult): void {
  const learnedMs = (result.firstCloseMs ?? Number.POSITIVE_INFINITY) + LEARNING_MS;
  const failed = samples.filter(({ status }) => status !== 200);
  const late = failed.filter(({ sentMs }) => sentMs > learnedMs);
  const posts = result.executed.filter(([name]) => name.startsWith('POST'));
  const twice = posts.filter(([, times]) => times > 1).length;
  const known = new Set(result.executed.map(([name]) => name));
  const lost = samples.filter(({ status, method, target }) => status === 200 && !known.has(`${method} ${target}`));
  report.note('GET / POST', `${samples.length - countOf(samples, 'POST')} / ${countOf(samples, 'POST')}`);
  report.note('connections of the endpoint', result.connections);
  report.note('failed before the first close was learned', failed.length - late.length);
  const isTried = result.firstCloseMs !== undefined;
  report.check('the endpoint closed idle connections', isTried ? 'yes' : 'no', 'yes', isTried);
  report.check('GET failed afterwards', countOf(late, 'GET'), '= 0', countOf(late, 'GET') === 0);
  report.check('POST failed afterwards', countOf(late, 'POST'), '= 0', countOf(late, 'POST') === 0);
  report.check('POST executed twice', twice, '= 0', twice === 0);
  report.check('answered 200 but never executed', lost.length, '= 0', lost.length === 0);
  if (late.length > 0) report.note('first of them', JSON.stringify(late[0]));
}

function countOf(samples: readonly Sample[], method: Sample['method']): number {
  return samples.filter((sample) => sample.method === method).length;
}

const { values } = parseArgs({ options: { requests: { type: 'string', default: '20000' } } });
const rounds = Math.ceil(Number(values.requests) / LANES);
endAfter(rounds * (IDLE_MS / 1000) + 60);
const report = new Report('keep-alive race');
const endpoint = await ClosingEndpoint.start({ idleMs: IDLE_MS, wayMs: WAY_MS });
const gateway = await RunningGateway.start(configText(endpoint.url));
try {
  const startMs = epochMs() + 500;
  const lanes = Array.from({ length: LANES }, (_, lane) => runLane(gateway.port, lane, rounds, startMs));
  const samples = (await Promise.all(lanes)).flat();
  judge(report, samples, await endpoint.result());
} finally {
  await gateway.stop();
  await endpoint.kill();
}
report.print();
