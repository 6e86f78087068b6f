// A client of every kind, in a process of its own: its parent sends a SoakSpec, later `{ stop: true }`, and hears a SoakResult.
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { SoakResult, SoakSpec } from '../kit/soak.ts';

const LARGE_BYTES = 2 * 1024 * 1024;
const PAUSE_MS = 3;
const GUARD_MS = 10_000;

const counts: Record<string, number> = {};
const surprises: string[] = [];
let port = 0;
let stopping = false;

process.on('disconnect', () => process.exit());
process.once('message', (spec: SoakSpec) => {
  port = spec.port;
  const workers = Array.from({ length: spec.workers }, () => work());
  process.send!({ started: true });
  process.once('message', async () => {
    stopping = true;
    await Promise.all(workers);
    process.send!({ counts, surprises: surprises.slice(0, 5), surprised: surprises.length } satisfies SoakResult);
  });
});

/** Kinds of behaviour and how many of a hundred. */
const MIX: readonly [name: string, parts: number, act: () => Promise<void>][] = [
  ['small', 54, () => expectStatus({ path: '/small' }, 200)],
  ['not found', 5, () => expectStatus({ path: '/nowhere' }, 404)],
  ['limited', 8, () => expectStatus({ path: '/limited' }, 429)],
  ['large download', 6, () => expectStatus({ path: `/bytes/${LARGE_BYTES}` }, 200, LARGE_BYTES)],
  ['large upload', 6, () => expectStatus({ path: '/sink', method: 'POST' }, 200, undefined, LARGE_BYTES)],
  ['left before the answer', 5, () => aborted('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n', 0)],
  ['left inside the answer', 4, () => aborted(`GET /bytes/${LARGE_BYTES} HTTP/1.1\r\nHost: x\r\n\r\n`, 50_000)],
  ['left inside the body', 4, () => aborted('POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nabc', 0)],
  ['garbage', 2, () => raw('\u0016\u0003\u0001 no http\r\n\r\n', /^HTTP\/1\.1 400 /)],
  ['half-closed', 2, () => raw('GET /small HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 200 /)],
  ['upgraded', 4, () => upgraded(() => {})],
  ['upgraded, then reset', 2, () => upgraded((socket) => socket.resetAndDestroy())],
  ['upgraded, then left', 1, () => upgraded((socket) => socket.destroy())],
];
const TURNS = MIX.flatMap(([name, parts, act]) => new Array<[string, () => Promise<void>]>(parts).fill([name, act]));

async function work(): Promise<void> {
  while (!stopping) {
    const [name, act] = TURNS[Math.floor(Math.random() * TURNS.length)]!;
    await act().catch((error: Error) => surprises.push(`${name}: ${error.message}`));
    counts[name] = (counts[name] ?? 0) + 1;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

function expectStatus(options: RequestOptions, status: number, bytes?: number, sends = 0): Promise<void> {
  return new Promise((resolve, reject) => {
    const onResponse = (response: IncomingMessage): void => {
      let received = 0;
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      response.on('end', () => {
        if (response.statusCode === status && (bytes === undefined || bytes === received)) resolve();
        else reject(new Error(`${response.statusCode} with ${received} bytes`));
      });
    };
    const sent = request({ host: '127.0.0.1', port, ...options }, onResponse);
    sent.setTimeout(GUARD_MS, () => sent.destroy(new Error('no answer in time')));
    sent.on('error', reject);
    if (sends > 0) sent.setHeader('Content-Length', sends);
    sent.end(sends > 0 ? Buffer.alloc(sends, 'u') : undefined);
  });
}

/** Sends, reads some bytes, waits a moment and resets. */
function aborted(bytes: string, reads: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(bytes);
      if (reads === 0) setTimeout(() => socket.resetAndDestroy(), Math.random() * 20);
    });
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (reads > 0 && received >= reads) socket.resetAndDestroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
}

/** Sends, half-closes, and reads to the end. */
function raw(bytes: string, expected: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.end(bytes, 'latin1'));
    let text = '';
    socket.setTimeout(GUARD_MS, () => socket.destroy(new Error('no answer in time')));
    socket.setEncoding('latin1').on('data', (more) => {
      text += more;
    });
    socket.on('error', reject);
    socket.on('end', () => (expected.test(text) ? resolve() : reject(new Error(`answered ${text.slice(0, 60)}`))));
  });
}

const MESSAGES = 3;

/** Upgrades, has some messages echoed, then leaves as told; `FIN` where it does nothing itself. */
function upgraded(leave: (socket: Socket) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { Connection: 'Upgrade', Upgrade: 'websocket' };
    const sent = request({ host: '127.0.0.1', port, path: '/tunnel', headers, agent: false });
    sent.setTimeout(GUARD_MS, () => sent.destroy(new Error('no answer in time')));
    sent.on('error', reject);
    sent.on('response', (response) => reject(new Error(`not upgraded: ${response.statusCode}`)));
    sent.on('upgrade', (_response, socket) => {
      let echoed = 0;
      socket.on('error', () => {});
      socket.on('close', () => (echoed >= MESSAGES ? resolve() : reject(new Error(`${echoed} echoes`))));
      socket.on('data', () => {
        if (++echoed < MESSAGES) socket.write(`message ${echoed}`);
        else {
          leave(socket as Socket);
          if (!socket.destroyed) socket.end();
        }
      });
      socket.write('message 0');
    });
    sent.end();
  });
}
