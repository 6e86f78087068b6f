// 10 000 keep-alive connections that each had an answer and then rest: what they cost, and that others are served meanwhile.
// Argument: --connections N (default 10000).
import { parseArgs } from 'node:util';
import { get } from '../kit/http-client.ts';
import { sleep } from './kit/clock.ts';
import { EndpointProcess } from './kit/endpoint.ts';
import { RunningGateway } from './kit/gateway.ts';
import { descriptorsFor, endAfter } from './kit/guard.ts';
import { IdleClient } from './kit/idle.ts';
import { megabytes, rssBytes } from './kit/process-status.ts';
import { Report, round } from './kit/report.ts';

const MEGABYTE = 1024 * 1024;
const MAX_RSS_BYTES = 120 * MEGABYTE;
const AT_A_TIME = 50;
/** Long enough for garbage to be collected as it would be in life. */
const SETTLE_MS = 10_000;
const REQUESTS = 200;

const configText = (endpoint: string): string => `
log: { access: false }
limits: { per-client: { key: client.ip, rate: 100000/s } }
upstreams: { origin: { endpoints: [${endpoint}] } }
routes: [{ limits: [per-client], upstream: origin }]
`;

/** How long each of some requests took while the others rest, milliseconds. */
async function probe(gateway: RunningGateway): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < REQUESTS; n++) {
    const startMs = performance.now();
    const { status } = await get(`http://127.0.0.1:${gateway.port}/small`);
    if (status !== 200) throw new Error(`answered ${status}`);
    times.push(performance.now() - startMs);
  }
  return times;
}

const { values } = parseArgs({ options: { connections: { type: 'string', default: '10000' } } });
const connections = Number(values.connections);
descriptorsFor(connections + 200);
endAfter(120);
const report = new Report(`idle connections, ${connections}`);
const endpoint = await EndpointProcess.start();
const gateway = await RunningGateway.start(configText(endpoint.url));
const client = new IdleClient();
try {
  await IdleClient.warmUp(gateway.port);
  await sleep(SETTLE_MS);
  const before = rssBytes(gateway.pid);
  const startMs = performance.now();
  await client.open({ port: gateway.port, connections, atATime: AT_A_TIME });
  const seconds = (performance.now() - startMs) / 1000;
  await sleep(SETTLE_MS);
  const after = rssBytes(gateway.pid);
  const times = await probe(gateway);
  const open = await client.stillOpen();
  report.note('connections a second while they came', round(connections / seconds, 0));
  report.note('KB for each', round((after - before) / connections / 1024));
  report.note('RSS before, MB', megabytes(before));
  report.check('RSS with all of them, MB', megabytes(after), '≤ 120', after <= MAX_RSS_BYTES);
  report.check('still open', open, `= ${connections}`, open === connections);
  report.note('requests beside them: longest, ms', round(Math.max(...times)));
  const gauge = (await gateway.metrics()).sum('headgate_connections');
  report.check('headgate_connections', gauge, `= ${connections}`, gauge === connections);
} finally {
  await client.kill();
  await gateway.stop();
  await endpoint.kill();
}
report.print();
