// 1 GB in each direction, also from a sender and to a reader that rest, and to one that takes 1 KB a second: the gateway's
// memory stays flat and every byte arrives. Argument: --megabytes N (default 1024).
import { createHash } from 'node:crypto';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import { sleep } from './kit/clock.ts';
import { EndpointProcess } from './kit/endpoint.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { patternChunk, patternSha1 } from './kit/pattern.ts';
import { megabytes, RssSampler, rssBytes } from './kit/process-status.ts';
import { Report, round } from './kit/report.ts';

const MEGABYTE = 1024 * 1024;
const { values } = parseArgs({ options: { megabytes: { type: 'string', default: '1024' } } });
const BODY_BYTES = Number(values.megabytes) * MEGABYTE;
const WARM_UP_BYTES = 200 * MEGABYTE;
const MAX_GROWTH_BYTES = 30 * MEGABYTE;
/** The slowest reader takes so much a second, so long, and is not cut for it: the answer moves, however slowly. */
const SLOWEST_BYTES = 1024;
const SLOWEST_S = 20;
/** A slow reader rests this long after every part of the body. */
const REST_MS = 400;
const PARTS = 8;

const configText = (endpoint: string): string => `
upstreams: { origin: { endpoints: [${endpoint}] } }
routes: [{ match: { path: /* }, upstream: origin, bodyLimit: false }]
`;

interface Transfer {
  readonly bytes: number;
  readonly sha1: string;
}

/** Streams a pattern up, with back-pressure; the sender rests now and then where `rests`. */
function upload(port: number, length: number, rests: boolean): Promise<Transfer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method: 'POST', path: '/sink', agent: false });
    sent.setHeader('Content-Length', length);
    sent.on('error', reject);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      response.on('end', () => resolve(JSON.parse(text)));
    });
    void writePattern(sent, length, rests);
  });
}

async function writePattern(sent: ClientRequest, length: number, rests: boolean): Promise<void> {
  const part = length / PARTS;
  for (let index = 0, done = 0; done < length; index++) {
    const chunk = patternChunk(index).subarray(0, length - done);
    const flowing = sent.write(chunk);
    if (!flowing) await new Promise((resolve) => sent.once('drain', resolve));
    if (rests && Math.floor(done / part) !== Math.floor((done + chunk.length) / part)) await sleep(REST_MS);
    done += chunk.length;
  }
  sent.end();
}

function download(port: number, length: number, rests: boolean): Promise<Transfer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path: `/bytes/${length}`, agent: false }, (response) => {
      response.on('error', reject);
      readPattern(response, length, rests, resolve);
    });
    sent.on('error', reject);
    sent.end();
  });
}

function readPattern(
  response: IncomingMessage,
  length: number,
  rests: boolean,
  done: (transfer: Transfer) => void,
): void {
  const hash = createHash('sha1');
  const part = length / PARTS;
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    const isPartOver = Math.floor(bytes / part) !== Math.floor((bytes + chunk.length) / part);
    bytes += chunk.length;
    if (!rests || !isPartOver) return;
    response.pause();
    setTimeout(() => response.resume(), REST_MS);
  });
  response.on('end', () => done({ bytes, sha1: hash.digest('hex') }));
}

type Move = (port: number, length: number, rests: boolean) => Promise<Transfer>;

async function measure(report: Report, gateway: RunningGateway, name: string, move: Move, rests: boolean) {
  const before = rssBytes(gateway.pid);
  const sampler = new RssSampler(gateway.pid);
  const startMs = performance.now();
  const transfer = await move(gateway.port, BODY_BYTES, rests);
  const seconds = (performance.now() - startMs) / 1000;
  sampler.stop();
  const growth = sampler.peakBytes() - before;
  const isWhole = transfer.bytes === BODY_BYTES && transfer.sha1 === EXPECTED_SHA1;
  report.check(`${name}: bytes and hash`, `${megabytes(transfer.bytes)} MB`, 'all, unchanged', isWhole);
  report.check(
    `${name}: growth of RSS over ${megabytes(before)} MB`,
    `${megabytes(growth)} MB`,
    `< ${megabytes(MAX_GROWTH_BYTES)} MB`,
    growth < MAX_GROWTH_BYTES,
  );
  if (!rests) report.note(`${name}: MB/s`, round(BODY_BYTES / MEGABYTE / seconds));
}

/** A client that takes 1 KB a second: neither it nor its endpoint is cut, and nothing piles up for it. */
async function measureSlowest(report: Report, gateway: RunningGateway): Promise<void> {
  const before = rssBytes(gateway.pid);
  const sampler = new RssSampler(gateway.pid);
  const socket = connect({ port: gateway.port, host: '127.0.0.1' });
  let isCut = false;
  let taken = 0;
  for (const event of ['error', 'end', 'close']) {
    socket.on(event, () => {
      isCut = true;
    });
  }
  socket.write(`GET /bytes/${BODY_BYTES} HTTP/1.1\r\nHost: gateway\r\n\r\n`);
  for (let second = 0; second < SLOWEST_S; second++) {
    await sleep(1000);
    taken += socket.read(SLOWEST_BYTES)?.length ?? 0;
  }
  sampler.stop();
  const growth = sampler.peakBytes() - before;
  const name = 'download at 1 KB a second';
  report.check(
    `${name}: taken, and not cut`,
    isCut ? 'cut' : taken,
    `≥ ${SLOWEST_S / 2} KB`,
    !isCut && taken >= 10_240,
  );
  report.check(
    `${name}: growth of RSS over ${megabytes(before)} MB`,
    `${megabytes(growth)} MB`,
    `< ${megabytes(MAX_GROWTH_BYTES)} MB`,
    growth < MAX_GROWTH_BYTES,
  );
  socket.on('error', () => {});
  socket.resetAndDestroy();
}

const EXPECTED_SHA1 = patternSha1(BODY_BYTES);
endAfter(300);
const report = new Report('big bodies');
const endpoint = await EndpointProcess.start();
const gateway = await RunningGateway.start(configText(endpoint.url));
try {
  await upload(gateway.port, WARM_UP_BYTES, false);
  await download(gateway.port, WARM_UP_BYTES, false);
  await measure(report, gateway, 'upload', upload, false);
  await measure(report, gateway, 'download', download, false);
  await measure(report, gateway, 'upload with rests', upload, true);
  await measure(report, gateway, 'download by a slow reader', download, true);
  await measureSlowest(report, gateway);
} finally {
  await gateway.stop();
  await endpoint.kill();
}
report.print();
