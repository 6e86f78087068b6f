// 200 MB in each direction, also to and from a slow reader: the gateway's memory stays flat and every byte arrives.
import { createHash } from 'node:crypto';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { sleep } from './kit/clock.ts';
import { EndpointProcess } from './kit/endpoint.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { patternChunk, patternSha1 } from './kit/pattern.ts';
import { megabytes, RssSampler, rssBytes } from './kit/process-status.ts';
import { Report, round } from './kit/report.ts';

const MEGABYTE = 1024 * 1024;
const BODY_BYTES = 200 * MEGABYTE;
const WARM_UP_BYTES = 40 * MEGABYTE;
const MAX_GROWTH_BYTES = 40 * MEGABYTE;
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

const EXPECTED_SHA1 = patternSha1(BODY_BYTES);
endAfter(120);
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
} finally {
  await gateway.stop();
  await endpoint.kill();
}
report.print();
