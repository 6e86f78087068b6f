// Starting, pinning, waiting for, measuring and ending processes; each is known by its pid.
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';

const TICK_US = 1e6 / Number(output('getconf', ['CLK_TCK']) || 100);
const PAGE_BYTES = Number(output('getconf', ['PAGESIZE']) || 4096);

const running = new Set();

/** What a program prints on either stream, or '' when it is not there. */
export function output(program, args) {
  const result = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000 });
  return result.error === undefined ? `${result.stdout}${result.stderr}`.trim() : '';
}

export function has(program) {
  return spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
}

/** Starts `command` on a core, or some (`'0,1'`), where taskset is there. `stdout`: as in spawn's `stdio`. */
export function start(command, { core, env = {}, cwd, stdout = 'ignore', pin = true }) {
  const words = pin ? ['taskset', '-c', String(core), ...command] : command;
  const child = spawn(words[0], words.slice(1), {
    cwd,
    env: { ...process.env, NODE_ENV: 'production', ...env },
    stdio: ['ignore', stdout, 'pipe'],
  });
  child.complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    child.complaint = (child.complaint + text).slice(-2000);
  });
  child.on('error', (error) => {
    child.complaint += error.message;
  });
  return watched(child);
}

/** `endAll` ends it too. */
export function watched(child) {
  running.add(child);
  child.on('exit', () => running.delete(child));
  return child;
}

/** Ends one process by its pid, politely, then for good. */
export function end(child) {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    const force = setTimeout(() => child.kill('SIGKILL'), 2000);
    child.on('exit', () => {
      clearTimeout(force);
      resolve();
    });
    child.kill('SIGTERM');
    // A second signal skips the drain of a gateway that has one.
    child.kill('SIGINT');
  });
}

export async function endAll() {
  await Promise.all([...running].map(end));
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Resolves once `port` accepts; rejects when the process ends or ten seconds pass. */
export async function accepts(port, child) {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null || child.pid === undefined) break;
    if (await tryConnect(port)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`does not listen: ${child.complaint.trim() || 'no word'}`);
}

function tryConnect(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (connected) => {
      socket.destroy();
      resolve(connected);
    };
    socket.on('connect', () => done(true));
    socket.on('error', () => done(false));
  });
}

/** CPU time and memory of a process and all its descendants. Microseconds, bytes. */
export function usage(pid) {
  const processes = new Map();
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name)) {
      const stat = readStat(name);
      if (stat !== undefined) processes.set(Number(name), stat);
    }
  }
  const sum = { userUs: 0, systemUs: 0, rssBytes: 0 };
  const visit = (current) => {
    const stat = processes.get(current);
    if (stat === undefined) return;
    sum.userUs += stat.userTicks * TICK_US;
    sum.systemUs += stat.systemTicks * TICK_US;
    sum.rssBytes += stat.rssPages * PAGE_BYTES;
    for (const [child, { parent }] of processes) if (parent === current) visit(child);
  };
  visit(pid);
  return sum;
}

/** Fields of proc(5) /proc/pid/stat; the second may hold spaces and parentheses. */
function readStat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return {
      parent: Number(fields[1]),
      userTicks: Number(fields[11]),
      systemTicks: Number(fields[12]),
      rssPages: Number(fields[21]),
    };
  } catch {
    return undefined;
  }
}
