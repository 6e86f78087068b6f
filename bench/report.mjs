// Medians and spreads over the rounds; the machine; the file that keeps a run.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { here } from './nginx-common.mjs';
import { output } from './processes.mjs';
import { nodeBinary, nodeMajor } from './proxies.mjs';

/** The middle of some numbers. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** One row a case: of each figure the median and, as a part of it, half of what lies between the least and the most. */
export function summarize(cases, runs) {
  return cases.map((kase) => {
    const { name, title, proxy, node, what, count } = kase;
    const own = runs.filter((run) => run.case === name);
    const row = { name, title, kind: proxy?.kind ?? 'none', limits: proxy?.limits === true, rounds: own.length };
    if (proxy !== undefined) row.version = proxy.version();
    if (proxy !== undefined && proxy.kind !== 'native') row.node = nodeMajor(node);
    if (what !== undefined) Object.assign(row, { what, count });
    row.errors = own.reduce((sum, run) => sum + run.errors, 0);
    row.median = {};
    row.spread = {};
    for (const figure of Object.keys(own[0] ?? {})) {
      if (figure === 'case' || figure === 'round' || figure === 'errors') continue;
      const values = own.map((run) => run[figure]).filter((value) => typeof value === 'number');
      if (values.length === 0) continue;
      row.median[figure] = median(values);
      row.spread[figure] = (Math.max(...values) - Math.min(...values)) / 2 / row.median[figure];
    }
    return row;
  });
}

/** What the figures depend on; no name of the machine. */
export function machine() {
  const list = cpus();
  return {
    cpu: list[0]?.model ?? 'unknown',
    cores: list.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    os: `${process.platform} ${release()}`,
    nodes: [...new Set([process.version, output(nodeBinary('26'), ['--version'])])].filter((text) => text !== ''),
  };
}

function commit() {
  const git = (...args) => output('git', ['-C', dirname(here), ...args]);
  const id = git('rev-parse', '--short', 'HEAD');
  if (!/^[0-9a-f]+$/.test(id)) return 'unknown';
  return git('status', '--porcelain', '--', 'src', 'bench/*.mjs') === '' ? id : `${id}, with changes`;
}

/** Writes bench/results/<time>.json and gives its name. */
export function save(run) {
  const date = new Date().toISOString();
  const folder = join(here, 'results');
  mkdirSync(folder, { recursive: true });
  const name = `${date.slice(0, 19).replaceAll(':', '')}.json`;
  const what = { ...run.what, loadAfter: loadavg()[0] };
  writeFileSync(join(folder, name), `${JSON.stringify({ date, commit: commit(), ...run, what }, rounded, 2)}\n`);
  return `bench/results/${name}`;
}

/** Six digits are more than was measured. */
function rounded(_key, value) {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}
