// Runs every script in turn and sums up. Argument: --soak-seconds N (default 60).
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { REPOSITORY } from '../kit/cli.ts';
import { endsWithThis } from './kit/guard.ts';

interface Outcome {
  readonly script: string;
  readonly ok: boolean;
  readonly results: readonly {
    readonly what: string;
    readonly value: string;
    readonly bound: string;
    readonly ok: boolean;
  }[];
}

/** The outcomes a script printed; one that ends badly without saying why is broken too. Each bounds its own time. */
function run(name: string, args: readonly string[]): Promise<Outcome[]> {
  return new Promise((resolve) => {
    const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
    const stdio: ('ignore' | 'pipe' | 'inherit')[] = ['ignore', 'pipe', 'inherit'];
    const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], { cwd: REPOSITORY, stdio });
    endsWithThis(child);
    let text = '';
    child.stdout!.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      process.stdout.write(more.replace(/^\{"script".*\n/gm, ''));
    });
    child.on('close', (code, signal) => {
      const outcomes = Array.from(text.matchAll(/^\{"script".*$/gm), ([line]) => JSON.parse(line) as Outcome);
      if (code !== 0 && outcomes.every(({ ok }) => ok)) {
        outcomes.push({ script: `${name}: ended with ${code ?? signal}`, ok: false, results: [] });
      }
      resolve(outcomes);
    });
  });
}

const { values } = parseArgs({ options: { 'soak-seconds': { type: 'string', default: '60' } } });
const soakSeconds = values['soak-seconds'];
const outcomes = [
  ...(await run('redis-killed', [])),
  ...(await run('endpoint-killed', [])),
  ...(await run('worker-killed', [])),
  ...(await run('big-bodies', [])),
  ...(await run('keepalive-race', ['--requests', '4000'])),
  ...(await run('slow-clients', [])),
  ...(await run('idle-connections', [])),
  ...(await run('reload-under-load', [])),
  ...(await run('certificate-swaps', [])),
  ...(await run('proxy-protocol-haproxy', [])),
  ...(await run('drain', [])),
  ...(await run('descriptors-exhausted', [])),
  ...(await run('soak', ['--seconds', soakSeconds])),
];
const width = Math.max(...outcomes.map(({ script }) => script.length));
process.stdout.write('\n');
for (const { script, ok, results } of outcomes) {
  const broken = results.filter((result) => !result.ok).map(({ what, value, bound }) => `${what}: ${value} (${bound})`);
  const bounds = results.filter(({ bound }) => bound !== '').length;
  process.stdout.write(
    `${script.padEnd(width)}  ${ok ? `holds (${bounds} bounds)` : `BROKEN  ${broken.join('; ')}`}\n`,
  );
}
const ok = outcomes.every((outcome) => outcome.ok);
process.stdout.write(`${JSON.stringify({ script: 'all', ok, outcomes })}\n`);
process.exitCode = ok ? 0 : 1;
