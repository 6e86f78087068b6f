// The load: wrk as fast as it goes, a constant rate (programs/open-loop.mjs), idle connections (programs/idle-client.mjs).
import { fork, spawn } from 'node:child_process';
import { join } from 'node:path';
import { here } from './nginx-common.mjs';
import { watched } from './processes.mjs';

export const CONNECTIONS = 64;

/**
 * Runs wrk against a URL and reads its report: each connection sends the next request when the answer is there (a closed
 * loop), so its latencies tell of saturation only.
 */
export function saturate(url, { seconds, connections = CONNECTIONS, script, args = [], core, pin }) {
  const wrk = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '--timeout', '5s'];
  if (script !== undefined) wrk.push('-s', join(here, 'peers', script));
  wrk.push(url);
  if (args.length > 0) wrk.push('--', ...args.map(String));
  const words = pin ? ['taskset', '-c', String(core), ...wrk] : wrk;
  return new Promise((resolve, reject) => {
    const child = watched(spawn(words[0], words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] }));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more) => {
      text += more;
    });
    const guard = setTimeout(() => child.kill('SIGKILL'), (seconds + 30) * 1000);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(guard);
      if (code === 0) resolve(read(text));
      else reject(new Error(`wrk ended with ${code}\n${text}`));
    });
  });
}

function read(text) {
  const [, count, time, unit] = /(\d+) requests in ([\d.]+)(ms|s|m)/.exec(text) ?? [];
  const seconds = Number(time) * { ms: 0.001, s: 1, m: 60 }[unit];
  const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  const socketErrors = (/Socket errors: (.*)/.exec(text)?.[1] ?? '')
    .split(',')
    .reduce((sum, part) => sum + Number(/\d+/.exec(part)?.[0] ?? 0), 0);
  return {
    requests: Number(count),
    requestsPerSecond: Number(count) / seconds,
    errors: bad + socketErrors,
    p50Ms: milliseconds(/\s50%\s+([\d.]+)(us|ms|s)/.exec(text)),
    p99Ms: milliseconds(/\s99%\s+([\d.]+)(us|ms|s)/.exec(text)),
  };
}

function milliseconds(parts) {
  return parts === null ? undefined : Number(parts[1]) * { us: 0.001, ms: 1, s: 1000 }[parts[2]];
}

/** A load program in a process of its own on `core`: told what to do, it answers each message with one. */
export class LoadProgram {
  #child;
  #waiting;

  constructor(name, { core, pin }) {
    const file = join(here, 'programs', name);
    const execPath = pin ? 'taskset' : process.execPath;
    const execArgv = pin ? ['-c', String(core), process.execPath] : [];
    this.#child = fork(file, [], { execPath, execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#child.on('message', (message) => this.#waiting?.resolve(message));
    this.#child.on('exit', (code) => this.#waiting?.reject(new Error(`${name} ended with ${code}`)));
    this.#child.on('error', (error) => this.#waiting?.reject(error));
  }

  ask(message) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#child.send(message);
    }).finally(() => {
      this.#waiting = undefined;
    });
  }

  end() {
    this.#child.kill('SIGKILL');
  }
}
