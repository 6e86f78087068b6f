// Sends requests at a steady rate from a process of its own. Its parent sends a LoadSpec and hears when the first requests
// are due; then `{ stop: true }` and hears a LoadResult.
import { Agent, request } from 'node:http';
import type { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { epochMs } from '../kit/clock.ts';
import type { LoadResult, LoadSpec, RequestKind, Sample } from '../kit/load.ts';

const REQUEST_TIMEOUT_MS = 15_000;
const STALL_RESOLUTION_MS = 5;

const samples: Sample[] = [];
const sockets = new WeakSet<Socket>();
let connectionsOpened = 0;
let connectionsLost = 0;
let stopping = false;
let underWay = 0;
let stopped: () => void = () => {};

process.on('disconnect', () => process.exit());
process.once('message', (spec: LoadSpec) => {
  const stalls = monitorEventLoopDelay({ resolution: STALL_RESOLUTION_MS });
  stalls.enable();
  const startMs = epochMs() + 50;
  for (let lane = 0; lane < spec.lanes; lane++) void runLane(spec, lane, startMs);
  process.send!({ started: true });
  process.once('message', () => {
    stopping = true;
    const report = (): void => {
      const stallMs = Math.max(0, stalls.max / 1e6 - STALL_RESOLUTION_MS);
      process.send!({ samples, connectionsOpened, connectionsLost, stallMs } satisfies LoadResult);
    };
    if (underWay === 0) report();
    else stopped = report;
  });
});

/** Sends this lane's share of the requests, one after the other, each as soon as it is due and the lane is free. */
async function runLane(spec: LoadSpec, lane: number, startMs: number): Promise<void> {
  const mix = spec.kinds.flatMap((kind) => new Array<RequestKind>(kind.weight).fill(kind));
  const agent = new Agent({ keepAlive: spec.fresh !== true, maxSockets: 1 });
  const gateway = lane % spec.ports.length;
  for (let turn = 0; !stopping; turn++) {
    const id = turn * spec.lanes + lane;
    const dueMs = startMs + (id * 1000) / spec.ratePerS;
    const waitMs = dueMs - epochMs();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (stopping) break;
    underWay++;
    samples.push(await send(spec, mix[spread(id) % mix.length]!, id, gateway, agent, dueMs));
    underWay--;
  }
  agent.destroy();
  if (underWay === 0) stopped();
}

/** A mix that does not beat against the number of lanes. */
function spread(id: number): number {
  return Math.imul(id, 0x9e3779b1) >>> 8;
}

function send(
  spec: LoadSpec,
  kind: RequestKind,
  id: number,
  gateway: number,
  agent: Agent,
  dueMs: number,
): Promise<Sample> {
  return new Promise((resolve) => {
    const atMs = epochMs();
    let status = 0;
    let local = false;
    const end = (error?: string): void =>
      resolve({
        ...{ id, kind: kind.name, gateway, atMs, tookMs: epochMs() - atMs, lateMs: atMs - dueMs, status, local },
        ...(error === undefined ? {} : { error }),
      });
    const method = kind.method ?? 'GET';
    const sent = request({
      ...{ host: '127.0.0.1', port: spec.ports[gateway]!, method, agent, path: `${kind.path}?id=${id}` },
      headers: { 'X-Key': `${kind.name}-${id % kind.keys}`, ...(method === 'POST' ? { 'Content-Length': 32 } : {}) },
    });
    sent.setTimeout(REQUEST_TIMEOUT_MS, () => sent.destroy(new Error('no answer in time')));
    sent.on('socket', watch);
    sent.on('error', (error) => end(error.message));
    sent.on('response', (response) => {
      status = response.statusCode!;
      local = response.headers['x-ratelimit-mode'] === 'local';
      response.on('error', (error) => end(error.message));
      response.on('end', () => end());
      response.resume();
    });
    sent.end(method === 'POST' ? 'x'.repeat(32) : undefined);
  });
}

function watch(socket: Socket): void {
  if (sockets.has(socket)) return;
  sockets.add(socket);
  connectionsOpened++;
  const lost = (): void => {
    if (!stopping) connectionsLost++;
  };
  socket.once('close', lost);
}
