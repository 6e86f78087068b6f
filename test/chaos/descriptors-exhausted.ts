// The gateway has 128 file descriptors and 300 clients that say nothing: those that are connected are served, nobody is blamed, no
// loop spins, and when the clients are gone all is as before.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { get } from '../kit/http-client.ts';
import { eventually, sleep } from './kit/clock.ts';
import { EndpointProcess } from './kit/endpoint.ts';
import { RunningGateway } from './kit/gateway.ts';
import { endAfter } from './kit/guard.ts';
import { openDescriptors } from './kit/process-status.ts';
import { Report, round } from './kit/report.ts';

const DESCRIPTORS = 128;
const SILENT = 300;
/** Connected before, each with one request at a time. */
const CLIENTS = 24;
/** Of these, so many send at once in the quiet times: so many connections to the endpoint are kept. */
const KEPT = 8;
const ROUNDS = 50;

const configText = (endpoint: string): string => `
upstreams: { origin: { endpoints: [${endpoint}], timeouts: { idle: 60s } } }
routes: [{ match: { path: /* }, upstream: origin }]
`;

/** A keep-alive connection on which requests follow one another. */
class Client {
  readonly #socket: Socket;
  #text = '';
  #answered: ((head: string) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.#text += text;
      this.#take();
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#answered?.('closed'));
  }

  static async open(port: number): Promise<Client> {
    const socket = connect({ host: '127.0.0.1', port });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Client(socket);
  }

  /** Status line and fields of the answer; `closed` where none came. */
  ask(path: string): Promise<string> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: gw.test\r\n\r\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(): void {
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#text.slice(0, end);
    const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#text.length < end + 4 + length) return;
    this.#text = this.#text.slice(end + 4 + length);
    this.#answered?.(head);
  }
}

/** Seconds of CPU that a process has used. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const is = (status: number) => (head: string) => head.startsWith(`HTTP/1.1 ${status}`);

async function askAll(clients: readonly Client[], path: string): Promise<string[]> {
  return Promise.all(clients.map((client) => client.ask(path)));
}

endAfter(60);
if (spawnSync('prlimit', ['--version'], { stdio: 'ignore' }).status !== 0) {
  process.stderr.write('needs prlimit: apt-get install util-linux\n');
  process.exit(1);
}
const report = new Report('descriptors exhausted');
const endpoint = await EndpointProcess.start({ delayMs: [5, 10] });
const gateway = await RunningGateway.start(configText(endpoint.url));
const silent: Socket[] = [];
try {
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => Client.open(gateway.port)));
  const few = clients.slice(0, KEPT);
  await askAll(few, '/warm');
  const before = openDescriptors(gateway.pid);
  spawnSync('prlimit', ['--pid', String(gateway.pid), `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`]);
  let closedOnes = 0;
  for (let n = 0; n < SILENT; n++) {
    const socket = connect({ host: '127.0.0.1', port: gateway.port });
    socket.on('error', () => {}).on('close', () => closedOnes++);
    silent.push(socket);
  }
  await eventually('all descriptors in use', () =>
    openDescriptors(gateway.pid) >= DESCRIPTORS - 2 ? true : undefined,
  );
  await sleep(500);
  report.note('of 300 that say nothing, turned away', closedOnes);

  const quietFrom = cpuSeconds(gateway.pid);
  await sleep(2000);
  const idleShare = (cpuSeconds(gateway.pid) - quietFrom) / 2;
  report.check('share of a core while nothing happens', round(idleShare, 2), '≤ 0.2', idleShare <= 0.2);

  const served: string[] = [];
  for (let round = 0; round < ROUNDS; round++) served.push(...(await askAll(few, '/kept')));
  const failed = served.filter((head) => !is(200)(head));
  report.check(`failed of ${served.length} over kept connections`, failed.length, '= 0', failed.length === 0);

  // More at once than there are connections to the endpoint.
  const burst = await askAll(clients, '/burst');
  const refused = burst.filter(is(503));
  const others = burst.filter((head) => !is(200)(head) && !is(503)(head));
  const named = refused.filter((head) => /proxy-status: .*details="UO"/i.test(head));
  report.note('of a burst that wants more connections, refused with 503', refused.length);
  report.check('of these, not as UO', refused.length - named.length, '= 0', named.length === refused.length);
  report.check('answered otherwise than 200 or 503', others.length, '= 0', others.length === 0);
  if (others.length > 0) report.note('first of them', others[0]!.slice(0, 200));
  const said = gateway.logged<{ message: string; level: string }>('event');
  const lines = said.filter(({ message }) => message === 'no more connections to endpoints').length;
  report.check('lines of the log about it', lines, '1 to 3', lines >= 1 && lines <= 3);

  for (const socket of silent) socket.destroy();
  const metrics = await eventually('the admin API', () => gateway.metrics().catch(() => undefined));
  const ejections = metrics.sum('headgate_ejections_total');
  report.check('ejections of the endpoint', ejections, '= 0', ejections === 0);
  await eventually('descriptors as before', () =>
    openDescriptors(gateway.pid) <= before + CLIENTS ? true : undefined,
  );
  const after = await askAll(clients, '/after');
  report.check('failed afterwards', after.filter((head) => !is(200)(head)).length, '= 0', after.every(is(200)));
  const fresh = await get(`http://127.0.0.1:${gateway.port}/fresh`);
  report.check('a new client’s answer', fresh.status, '= 200', fresh.status === 200);
  for (const client of clients) client.close();
} finally {
  for (const socket of silent) socket.destroy();
  await gateway.stop();
  await endpoint.kill();
}
report.print();
