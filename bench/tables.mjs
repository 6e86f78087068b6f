// How the figures of a suite are shown: the same columns in the terminal and on the page.

const fixed = (digits) => (value) => (value === undefined || Number.isNaN(value) ? '' : value.toFixed(digits));
/** Thousands apart by a narrow space. */
const whole = (value) => (value === undefined ? '' : value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, '\u202f'));
const percent = (value) => (value === undefined ? '' : `±${(value * 100).toFixed(0)}\u00a0%`);
const megabytes = (value) => (value === undefined ? '' : (value / 2 ** 20).toFixed(0));

const name = ['', ({ title }) => title];
const errors = ['errors', ({ errors }) => String(errors)];
const figure = (title, key, show) => [title, ({ median }) => show(median[key])];
const spread = (key) => ['spread', ({ spread }) => percent(spread[key])];

/** Of a row to the row of that name, in one figure. */
const ratio = (title, key, base) => [
  title,
  (row, rows) => {
    const other = rows.find((candidate) => candidate.name === base)?.median[key];
    return other === undefined ? '' : fixed(2)(row.median[key] / other);
  },
];

/** Rows with an access log are held against nginx with one. */
const logs = ({ name: text }) => text.includes('-log');

function cpuToNginx(row, rows) {
  const nginx = rows.find((candidate) => candidate.name === (logs(row) ? 'nginx-log' : 'nginx'));
  return nginx === undefined ? undefined : row.median.cpuUs / nginx.median.cpuUs;
}

/** The fastest Node peer on the same Node; `limits`: that also limits. */
export function bestNodePeer(row, rows, { limits }) {
  return rows
    .filter((peer) => peer.kind === 'node' && peer.rounds > 0 && peer.node === row.node && (!limits || peer.limits))
    .sort((a, b) => b.median.requestsPerSecond - a.median.requestsPerSecond)[0];
}

const toBestNode = (title, { limits }) => [
  title,
  (row, rows) => {
    if (row.kind !== 'own' || logs(row)) return '';
    const best = bestNodePeer(row, rows, { limits });
    return best === undefined ? '' : fixed(2)(row.median.requestsPerSecond / best.median.requestsPerSecond);
  },
];

/** Of each size to the smallest of its kind. */
const toSmallest = (title, key) => [
  title,
  (row, rows) => {
    const first = rows.find(({ what }) => what === row.what);
    return fixed(2)(row.median[key] / first.median[key]);
  },
];

const saturated = [
  name,
  figure('requests/s', 'requestsPerSecond', whole),
  figure('CPU µs/request', 'cpuUs', fixed(1)),
  spread('cpuUs'),
  figure('of it system', 'systemUs', fixed(1)),
  figure('RSS MB', 'rssBytes', megabytes),
];

const COLUMNS = {
  proxy: [
    ...saturated,
    ['CPU / nginx (logging alike)', (row, rows) => fixed(2)(cpuToNginx(row, rows))],
    toBestNode('requests / Node limiter', { limits: true }),
    errors,
  ],
  redis: [
    ...saturated,
    ratio('requests / nginx + Lua', 'requestsPerSecond', 'nginx-lua'),
    toBestNode('requests / Node limiter', { limits: true }),
    figure('bytes a key', 'redisKeyBytes', fixed(0)),
    errors,
  ],
  tls: [
    ...saturated,
    ratio('CPU / nginx', 'cpuUs', 'nginx'),
    toBestNode('requests / node:tls + undici', { limits: false }),
    errors,
  ],
  latency: [
    name,
    figure('requests/s', 'requestsPerSecond', whole),
    figure('p50 ms', 'p50Ms', fixed(3)),
    figure('p90 ms', 'p90Ms', fixed(3)),
    figure('p99 ms', 'p99Ms', fixed(3)),
    spread('p99Ms'),
    figure('p99.9 ms', 'p999Ms', fixed(3)),
    ['p99 added ms', (row, rows) => fixed(3)(added(row, rows))],
    ['added / nginx', (row, rows) => fixed(2)(addedToNginx(row, rows))],
    figure('sent late, p99 ms', 'lateP99Ms', fixed(3)),
    errors,
  ],
  bodies: [
    name,
    figure('MB/s', 'bytesPerSecond', megabytes),
    spread('bytesPerSecond'),
    figure('CPU µs/MB', 'cpuUs', whole),
    ratio('bytes/s / nginx', 'bytesPerSecond', 'nginx'),
    figure('RSS MB', 'rssBytes', megabytes),
    figure('RSS grown by MB', 'grownBytes', megabytes),
    errors,
  ],
  idle: [
    name,
    figure('RSS before, MB', 'emptyBytes', megabytes),
    figure('RSS with 10 000, MB', 'rssBytes', megabytes),
    figure('KB per connection', 'perIdleBytes', (value) => fixed(1)(value / 1024)),
    spread('perIdleBytes'),
    errors,
  ],
  scale: [
    name,
    figure('CPU µs/request', 'cpuUs', fixed(1)),
    spread('cpuUs'),
    figure('of it system', 'systemUs', fixed(1)),
    toSmallest('CPU / smallest', 'cpuUs'),
    figure('RSS MB', 'rssBytes', megabytes),
    errors,
  ],
  start: [name, figure('ms', 'startMs', whole), spread('startMs'), errors],
  workers: [...saturated, ratio('requests / one worker', 'requestsPerSecond', 'headgate-workers-1'), errors],
};

/** What a proxy adds to the 99th percentile, in milliseconds. */
function added(row, rows) {
  const direct = rows.find(({ name: candidate }) => candidate === 'direct')?.median.p99Ms;
  return direct === undefined || row.name === 'direct' ? undefined : row.median.p99Ms - direct;
}

/** The same against what nginx adds. */
export function addedToNginx(row, rows) {
  const nginx = rows.find(({ name: candidate }) => candidate === 'nginx');
  const [own, base] = [added(row, rows), nginx === undefined ? undefined : added(nginx, rows)];
  return own === undefined || base === undefined || base <= 0 ? undefined : own / base;
}

/** Cells as text, the titles first; rows that no round gave are left out, and so are columns without a cell. */
function cells(suiteName, { rows }) {
  const shown = rows.filter(({ rounds }) => rounds > 0);
  const columns = COLUMNS[suiteName].map(([title, cell]) => [title, ...shown.map((row) => cell(row, shown))]);
  const filled = columns.filter(([title, ...column]) => title === '' || column.some((cell) => cell !== ''));
  return Array.from({ length: shown.length + 1 }, (_, line) => filled.map((column) => column[line]));
}

/** A table for the terminal. */
export function terminalTable(suiteName, suite) {
  const lines = cells(suiteName, suite);
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines
    .map((line) => line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join('  '))
    .join('\n');
}

/** The same in Markdown. */
export function markdownTable(suiteName, suite) {
  const [head, ...lines] = cells(suiteName, suite);
  const row = (line) => `| ${line.join(' | ')} |`;
  return [row(head), `|${head.map((_, at) => (at === 0 ? '---' : '---:')).join('|')}|`, ...lines.map(row)].join('\n');
}
