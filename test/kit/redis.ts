import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './cli.ts';

/** A real redis-server on a free port of loopback, without persistence, in a folder of its own. */
export interface TestRedis {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Runs one command over a connection of its own and gives the reply: text, number, list, null; an error rejects. */
  command(...args: (string | number)[]): Promise<RedisReply>;
  /** SIGSTOP and SIGCONT: it is there and says nothing. */
  pause(): void;
  resume(): void;
  /** SIGKILL: nothing is saved. Resolves once it is gone. */
  kill(): Promise<void>;
  /** Ends it and removes its folder; also after `kill`. */
  stop(): Promise<void>;
}

export type RedisReply = string | number | null | RedisReply[];

/** Stops a process and waits until it stands still: the signal alone lets it finish what it is about. */
function stopProcess(pid: number): void {
  process.kill(pid, 'SIGSTOP');
  const stat = `/proc/${pid}/stat`;
  // The state follows the name, which is in brackets.
  while (existsSync(stat) && !/\) [TtZX] /.test(readFileSync(stat, 'latin1')));
}

export async function startRedis(options: { port?: number; args?: readonly string[] } = {}): Promise<TestRedis> {
  const port = options.port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), 'headgate-redis-'));
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
  const child = spawn('redis-server', [...args, ...(options.args ?? [])], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const cleanUp = () => child.kill('SIGKILL');
  process.once('exit', cleanUp);
  await readiness(child);
  const end = async () => {
    // No SIGCONT before it: a paused server would answer what waits for it.
    child.kill('SIGKILL');
    await ended;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: child.pid!,
    command: (...words) => runCommand(port, words.map(String)),
    pause: () => stopProcess(child.pid!),
    resume: () => void child.kill('SIGCONT'),
    kill: end,
    stop: async () => {
      await end();
      process.off('exit', cleanUp);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function readiness(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('Ready to accept connections')) resolve();
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`redis-server ended before it was ready:\n${output}`)));
  });
}

function runCommand(port: number, words: readonly string[]): Promise<RedisReply> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('redis closed the connection')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const parsed = parseReply(received, 0);
      if (parsed === undefined) return;
      if (parsed.value instanceof Error) reject(parsed.value);
      else resolve(parsed.value);
      socket.destroy();
    });
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    socket.write(`*${words.length}\r\n${parts.join('')}`);
  });
}

interface Parsed {
  readonly value: RedisReply | Error;
  readonly end: number;
}

/** One RESP2 reply; undefined while it is not there whole. */
function parseReply(buffer: Buffer, from: number): Parsed | undefined {
  const lineEnd = buffer.indexOf('\r\n', from);
  if (lineEnd < 0) return undefined;
  const line = buffer.toString('latin1', from + 1, lineEnd);
  const next = lineEnd + 2;
  switch (buffer[from]) {
    case 0x2b: // +
      return { value: line, end: next };
    case 0x2d: // -
      return { value: new Error(line), end: next };
    case 0x3a: // :
      return { value: Number(line), end: next };
    case 0x24: // $
      return parseBulk(buffer, next, Number(line));
    default:
      return parseList(buffer, next, Number(line));
  }
}

function parseBulk(buffer: Buffer, from: number, length: number): Parsed | undefined {
  if (length < 0) return { value: null, end: from };
  const end = from + length;
  return buffer.length < end + 2 ? undefined : { value: buffer.toString('latin1', from, end), end: end + 2 };
}

function parseList(buffer: Buffer, from: number, length: number): Parsed | undefined {
  const items: RedisReply[] = [];
  for (let at = 0; at < length; at++) {
    const item = parseReply(buffer, from);
    if (item === undefined) return undefined;
    items.push(item.value instanceof Error ? item.value.message : item.value);
    from = item.end;
  }
  return { value: items, end: from };
}
