// A client of every kind, in a process of its own: its parent sends a SoakSpec; then every `{ stop: false }` is answered with a
// SoakResult at once, and `{ stop: true }` when all that was under way has ended.
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { WebSocket } from 'ws';
import type { SoakResult, SoakSpec } from '../kit/soak.ts';

const LARGE_BYTES = 2 * 1024 * 1024;
const PAUSE_MS = 3;
const GUARD_MS = 10_000;

const counts: Record<string, number> = {};
const surprises: string[] = [];
let surprised = 0;
let spec: SoakSpec;
let stopping = false;

/** Kept connections, so that they are used again; fewer than the workers, so that some are new. */
let agent: Agent;
let tlsAgent: TlsAgent;

process.on('disconnect', () => process.exit());
process.once('message', (first: SoakSpec) => {
  spec = first;
  agent = new Agent({ keepAlive: true, maxFreeSockets: spec.workers / 2 });
  tlsAgent = new TlsAgent({ keepAlive: true, maxFreeSockets: spec.workers / 4, ca: spec.ca });
  const workers = Array.from({ length: spec.workers }, () => work());
  process.send!({ started: true });
  process.on('message', async ({ stop }: { stop: boolean }) => {
    if (stop) {
      stopping = true;
      await Promise.all(workers);
    }
    process.send!({ counts, surprises, surprised } satisfies SoakResult);
  });
});

/** Kinds of behaviour and how many of a hundred. */
const MIX: readonly [name: string, parts: number, act: () => Promise<void>][] = [
  ['small', 35, () => expectAnswer({ path: '/small' }, 200)],
  ['small, TLS', 10, () => expectAnswer({ path: '/small' }, 200, { secure: true })],
  ['small, TLS, new connection', 3, () => expectAnswer({ path: '/small' }, 200, { secure: true, fresh: true })],
  ['endpoint answers 500', 5, () => expectAnswer({ path: '/fail' }, 500)],
  ['not found', 4, () => expectAnswer({ path: '/nowhere' }, 404)],
  ['limited', 5, () => expectAnswer({ path: '/limited' }, 429)],
  ['large download', 4, () => expectAnswer({ path: `/bytes/${LARGE_BYTES}` }, 200, { bytes: LARGE_BYTES })],
  ['large download, TLS', 2, () => download(true)],
  ['chunked download', 4, () => expectAnswer({ path: `/chunked/${LARGE_BYTES}` }, 200, { bytes: LARGE_BYTES })],
  ['large upload', 4, () => expectAnswer({ path: '/sink', method: 'POST' }, 200, { sends: 'length' })],
  ['chunked upload', 4, () => expectAnswer({ path: '/sink', method: 'POST' }, 200, { sends: 'chunked' })],
  ['chunked upload, TLS', 2, () => expectAnswer({ path: '/sink', method: 'POST' }, 200, TLS_UPLOAD)],
  ['left before the answer', 2, () => aborted('GET /small HTTP/1.1\r\nHost: x\r\n\r\n', 0)],
  ['left inside the answer', 1, () => aborted(`GET /bytes/${LARGE_BYTES} HTTP/1.1\r\nHost: x\r\n\r\n`, 50_000)],
  [
    'left inside the answer, TLS',
    1,
    () => aborted(`GET /bytes/${LARGE_BYTES} HTTP/1.1\r\nHost: x\r\n\r\n`, 50_000, true),
  ],
  ['left inside the body', 1, () => aborted('POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nabc', 0)],
  ['garbage', 2, () => raw('\u0016\u0003\u0001 no http\r\n\r\n', /^HTTP\/1\.1 400 /)],
  ['half-closed', 2, () => raw('GET /small HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 200 /)],
  ['WebSocket', 4, () => webSocket((socket) => socket.close(1000))],
  ['WebSocket, TLS', 2, () => webSocket((socket) => socket.close(1000), true)],
  ['WebSocket, then left', 3, () => webSocket((socket) => socket.terminate())],
];
for (const [name] of MIX) counts[name] = 0;
const TURNS = MIX.flatMap(([name, parts, act]) => new Array<[string, () => Promise<void>]>(parts).fill([name, act]));
const TLS_UPLOAD = { secure: true, sends: 'chunked' } as const;

const download = (secure: boolean): Promise<void> =>
  expectAnswer({ path: `/bytes/${LARGE_BYTES}` }, 200, { bytes: LARGE_BYTES, secure });

async function work(): Promise<void> {
  while (!stopping) {
    const [name, act] = TURNS[Math.floor(Math.random() * TURNS.length)]!;
    await act().catch((error: Error) => {
      surprised++;
      if (surprises.length < 5) surprises.push(`${name}: ${error.message}`);
    });
    counts[name]!++;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

interface Expected {
  /** Octets of the body; default: any. */
  readonly bytes?: number;
  /** LARGE_BYTES go up, with their length or in chunks. */
  readonly sends?: 'length' | 'chunked';
  readonly secure?: boolean;
  readonly fresh?: boolean;
}

function expectAnswer(options: RequestOptions, status: number, expected: Expected = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const onResponse = (response: IncomingMessage): void => {
      let received = 0;
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      response.on('end', () => {
        if (response.statusCode === status && (expected.bytes ?? received) === received) resolve();
        else reject(new Error(`${response.statusCode} with ${received} bytes`));
      });
    };
    const where = { host: '127.0.0.1', ...options };
    const sent =
      expected.secure === true
        ? tlsRequest(
            { ...where, port: spec.tlsPort, agent: expected.fresh ? false : tlsAgent, ca: spec.ca },
            onResponse,
          )
        : request({ ...where, port: spec.port, agent }, onResponse);
    sent.setTimeout(GUARD_MS, () => sent.destroy(new Error('no answer in time')));
    sent.on('error', reject);
    if (expected.sends === 'length') sent.setHeader('Content-Length', LARGE_BYTES);
    if (expected.sends === 'chunked') sent.write(Buffer.alloc(LARGE_BYTES / 2, 'u'));
    if (expected.sends === 'chunked') sent.end(Buffer.alloc(LARGE_BYTES / 2, 'v'));
    else sent.end(expected.sends === 'length' ? Buffer.alloc(LARGE_BYTES, 'u') : undefined);
  });
}

/** Sends, reads some bytes, waits a moment and resets. */
function aborted(bytes: string, reads: number, secure = false): Promise<void> {
  return new Promise((resolve, reject) => {
    const tcp = connect(secure ? spec.tlsPort : spec.port, '127.0.0.1');
    const socket: Socket = secure ? tlsConnect({ socket: tcp, host: '127.0.0.1', ca: spec.ca }) : tcp;
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      socket.write(bytes);
      if (reads === 0) setTimeout(() => tcp.resetAndDestroy(), Math.random() * 20);
    });
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (reads > 0 && received >= reads) tcp.resetAndDestroy();
    });
    socket.on('error', reject);
    tcp.on('close', () => resolve());
  });
}

/** Sends, half-closes, and reads to the end. */
function raw(bytes: string, expected: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const where = { port: spec.port, host: '127.0.0.1', allowHalfOpen: true };
    const socket = connect(where, () => socket.end(bytes, 'latin1'));
    let text = '';
    socket.setTimeout(GUARD_MS, () => socket.destroy(new Error('no answer in time')));
    socket.setEncoding('latin1').on('data', (more) => {
      text += more;
    });
    socket.on('error', reject);
    socket.on('end', () => (expected.test(text) ? resolve() : reject(new Error(`answered ${text.slice(0, 60)}`))));
  });
}

const MESSAGES = ['small', 'm'.repeat(1000), 'l'.repeat(70_000)];

/** Opens a WebSocket, has some messages echoed, then leaves as told. */
function webSocket(leave: (socket: WebSocket) => void, secure = false): Promise<void> {
  return new Promise((resolve, reject) => {
    const url = secure ? `wss://127.0.0.1:${spec.tlsPort}/tunnel` : `ws://127.0.0.1:${spec.port}/tunnel`;
    const socket = new WebSocket(url, { ca: spec.ca, handshakeTimeout: GUARD_MS });
    let echoed = 0;
    socket.on('open', () => socket.send(MESSAGES[0]!));
    socket.on('message', (message) => {
      if (String(message) !== MESSAGES[echoed]) reject(new Error('another message came back'));
      if (++echoed < MESSAGES.length) socket.send(MESSAGES[echoed]!);
      else leave(socket);
    });
    socket.on('error', reject);
    socket.on('close', () => (echoed >= MESSAGES.length ? resolve() : reject(new Error(`${echoed} echoes`))));
  });
}
