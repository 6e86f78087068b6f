// Medians, ratios, the table and the JSON file.
import { cpus, release, totalmem } from 'node:os';

function median(values) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const FIGURES = ['requestsPerSecond', 'cpuUs', 'userUs', 'systemUs', 'rssBytes', 'p50Ms', 'p99Ms'];

/** One row per peer: medians over the rounds and ratios to nginx and to the best Node peer with a limiter. */
export function summarize(peers, rounds) {
  const rows = peers.map((peer) => {
    const runs = rounds.filter((run) => run.peer === peer.name);
    const row = { name: peer.name, title: peer.title, kind: peer.kind, limits: peer.limits, rounds: runs.length };
    for (const figure of FIGURES) row[figure] = median(runs.map((run) => run[figure]));
    row.errors = runs.reduce((sum, run) => sum + run.errors, 0);
    return row;
  });
  const nginx = rows.find((row) => row.name === 'nginx' && row.rounds > 0);
  const best = rows
    .filter((row) => row.kind === 'node' && row.limits && row.rounds > 0)
    .sort((a, b) => b.requestsPerSecond - a.requestsPerSecond)[0];
  for (const row of rows) {
    if (row.rounds === 0) continue;
    row.cpuToNginx = nginx === undefined ? undefined : row.cpuUs / nginx.cpuUs;
    row.requestsToNginx = nginx === undefined ? undefined : row.requestsPerSecond / nginx.requestsPerSecond;
    row.requestsToBestNode = best === undefined ? undefined : row.requestsPerSecond / best.requestsPerSecond;
  }
  return { rows, bestNode: best?.name };
}

const COLUMNS = [
  ['proxy', (row) => row.title],
  ['requests/s', (row) => fixed(row.requestsPerSecond, 0)],
  ['CPU µs/request', (row) => fixed(row.cpuUs, 1)],
  ['of it system', (row) => fixed(row.systemUs, 1)],
  ['RSS MB', (row) => fixed(row.rssBytes / 2 ** 20, 0)],
  ['p99 ms', (row) => fixed(row.p99Ms, 2)],
  ['CPU / nginx', (row) => fixed(row.cpuToNginx, 2)],
  ['requests / best Node limiter', (row) => fixed(row.requestsToBestNode, 2)],
  ['errors', (row) => String(row.errors)],
];

function fixed(value, digits) {
  return value === undefined || Number.isNaN(value) ? '' : value.toFixed(digits);
}

/** A Markdown table. */
export function table(rows) {
  const lines = [COLUMNS.map(([title]) => title), ...rows.map((row) => COLUMNS.map(([, cell]) => cell(row)))];
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const format = (line) => {
    const cells = line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at])));
    return `| ${cells.join(' | ')} |`;
  };
  const rule = `|${widths.map((width, at) => (at === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [format(lines[0]), rule, ...lines.slice(1).map(format)].join('\n');
}

export function machine() {
  const list = cpus();
  return {
    cpu: list[0]?.model ?? 'unknown',
    cores: list.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    os: `${process.platform} ${release()}`,
    node: process.version,
  };
}
