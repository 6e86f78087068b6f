// The long fuzz: `npm run fuzz -- [--seconds 60] [--count n] [--seed n] [--only name]`. An input is a number: the seed that
// makes it. Prints the seed to begin with, the count, the time and what was found; exits 1 when anything was.
import { parseArgs } from 'node:util';
import { pathTarget } from './path-target.ts';
import { requestTarget } from './request-target.ts';
import { responseTarget } from './response-target.ts';
import type { FuzzTarget } from './target.ts';

const USAGE = 'usage: npm run fuzz -- [--seconds n] [--count n] [--seed n] [--only request|response|path]';
/** After so many findings it stops: one cause has many. */
const MOST_FINDINGS = 20;
/** Inputs between two looks at the clock. */
const BATCH = 1000;
const REPORT_MS = 30_000;

interface Options {
  readonly seconds: number;
  readonly count: number;
  readonly seed: number;
  readonly targets: readonly FuzzTarget[];
}

function options(): Options | undefined {
  const all = [requestTarget(), responseTarget(), pathTarget()];
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { seconds: text, count: text, seed: text, only: text } });
  const count = Number(values.count ?? Number.POSITIVE_INFINITY);
  // Without either it runs for a minute.
  const seconds = Number(values.seconds ?? (values.count === undefined ? 60 : Number.POSITIVE_INFINITY));
  const seed = Number(values.seed ?? Math.floor(Math.random() * 0x1_0000_0000));
  const targets = all.filter(({ name }) => values.only === undefined || name === values.only);
  const isGood = count >= 1 && seconds > 0 && Number.isInteger(seed) && targets.length > 0;
  return isGood ? { seconds, count, seed, targets } : undefined;
}

/** What is wrong with one input: what the target says, or what was thrown. */
function outcome(target: FuzzTarget, seed: number): string | undefined {
  try {
    return target.run(seed);
  } catch (error) {
    return `threw ${(error as Error).stack}`;
  }
}

function report(target: FuzzTarget, seed: number, problem: string): void {
  console.log(`FOUND ${target.name}: ${problem.slice(0, 2000)}`);
  console.log(`  input: ${JSON.stringify(target.input(seed)).slice(0, 4000)}`);
  console.log(`  again: npm run fuzz -- --only ${target.name} --seed ${seed} --count 1`);
}

/** Turns from target to target by their shares; returns how many inputs were tried on each. */
function run({ seconds, count, seed, targets }: Options): { tried: Map<string, number>; findings: number } {
  const tried = new Map(targets.map(({ name }) => [name, 0]));
  const startedMs = performance.now();
  const turns = targets.flatMap((target) =>
    new Array<FuzzTarget>(targets.length === 1 ? 1 : target.share).fill(target),
  );
  let reportedMs = startedMs;
  let findings = 0;
  let done = 0;
  for (let turn = 0; done < count; turn++) {
    const target = turns[turn % turns.length] as FuzzTarget;
    const first = seed + (tried.get(target.name) as number);
    const batch = Math.min(BATCH, count - done);
    for (let next = first; next < first + batch; next++) {
      const problem = outcome(target, next);
      if (problem === undefined) continue;
      report(target, next, problem);
      if (++findings === MOST_FINDINGS) return { tried, findings };
    }
    done += batch;
    tried.set(target.name, (tried.get(target.name) as number) + batch);
    const nowMs = performance.now();
    if (nowMs - startedMs > seconds * 1000) break;
    if (nowMs - reportedMs > REPORT_MS) {
      reportedMs = nowMs;
      console.log(`${done} inputs, ${((done / (nowMs - startedMs)) * 1000).toFixed(0)}/s, ${findings} findings`);
    }
  }
  return { tried, findings };
}

const chosen = options();
if (chosen === undefined) {
  console.error(USAGE);
  process.exit(2);
}
console.log(`seed ${chosen.seed}, Node ${process.versions.node}, llhttp ${process.versions.llhttp}`);
const startedMs = performance.now();
const { tried, findings } = run(chosen);
const tookS = (performance.now() - startedMs) / 1000;
const total = [...tried.values()].reduce((sum, one) => sum + one, 0);
const parts = [...tried].map(([name, inputs]) => `${name} ${inputs}`).join(', ');
console.log(
  `${total} inputs (${parts}) in ${tookS.toFixed(1)} s, ${(total / tookS).toFixed(0)}/s: ${findings} findings`,
);
process.exitCode = findings > 0 ? 1 : 0;
