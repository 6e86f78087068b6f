// The load: wrk, and what it says.
import { spawn } from 'node:child_process';

export const CONNECTIONS = 64;

/** Runs wrk for `seconds` against `port` and reads its report. */
export function load(port, seconds, { core, pin, script }) {
  const wrk = ['wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency', '--timeout', '5s'];
  if (script !== undefined) wrk.push('-s', script);
  wrk.push(`http://127.0.0.1:${port}/`);
  const words = pin ? ['taskset', '-c', String(core), ...wrk] : wrk;
  return new Promise((resolve, reject) => {
    const child = spawn(words[0], words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more) => {
      text += more;
    });
    const guard = setTimeout(() => child.kill('SIGKILL'), (seconds + 15) * 1000);
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
