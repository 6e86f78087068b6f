// Which figures are drawn: `{ suite, file, alt, svg }` each.
import { barChart, lineChart } from './svg.mjs';

const shown = (suite) => (suite?.rows ?? []).filter(({ rounds }) => rounds > 0);
const own = ({ kind }) => kind === 'own';
/** Node's version stands in the table; the charts keep it where Headgate ran on both. */
const label = ({ title }) =>
  title
    .replace(', nothing else', '')
    .replace('access log to a file', 'with log')
    .replace('Fastify + http-proxy + rate-limit', 'Fastify + rate-limit');
const thousands = (value) => value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, '\u202f');

function bars(suite, file, { title, axis, legend, parts, value, order }) {
  const rows = [...shown(suite.found)].sort(order).map((row) => ({
    label: label(row),
    own: own(row),
    parts: parts(row.median),
    value: value(row.median),
  }));
  if (rows.length === 0) return [];
  return [{ suite: suite.name, file, alt: title, svg: barChart({ title, axis, legend, rows }) }];
}

const cpu = {
  title: 'CPU time per proxied request',
  axis: 'µs of CPU per request (less is better)',
  legend: ['in the kernel', 'of its own'],
  parts: ({ systemUs, userUs }) => [systemUs, userUs],
  value: ({ cpuUs }) => cpuUs.toFixed(1),
  order: (a, b) => a.median.cpuUs - b.median.cpuUs,
};

const throughput = (title) => ({
  title,
  axis: 'requests per second (more is better)',
  parts: ({ requestsPerSecond }) => [requestsPerSecond],
  value: ({ requestsPerSecond }) => thousands(requestsPerSecond),
  order: (a, b) => b.median.requestsPerSecond - a.median.requestsPerSecond,
});

const latency = {
  title: 'Latency at half load',
  axis: 'ms from when a request was due to its answer (less is better)',
  legend: ['median', '99th percentile'],
  parts: ({ p50Ms, p99Ms }) => [p50Ms, p99Ms - p50Ms],
  value: ({ p99Ms }) => p99Ms.toFixed(2),
  order: (a, b) => a.median.p99Ms - b.median.p99Ms,
};

/** CPU per request against nginx, run by run. */
function history(runs) {
  const points = (name) =>
    [...runs].reverse().flatMap(({ suites }) => {
      const rows = shown(suites.proxy);
      const [row, nginx] = [name, 'nginx'].map((wanted) => rows.find((candidate) => candidate.name === wanted));
      return row === undefined || nginx === undefined ? [] : [row.median.cpuUs / nginx.median.cpuUs];
    });
  const lines = [
    ['headgate', 'Node 20'],
    ['headgate-26', 'Node 26'],
  ]
    .map(([name, title]) => ({ name: title, points: points(name).map((value, index) => [index + 1, value]) }))
    .filter((line) => line.points.length > 1);
  if (lines.length === 0) return [];
  const title = 'CPU per request against nginx, run by run';
  const bound = { at: 1, name: 'nginx' };
  const chart = { title, xAxis: 'run of the benchmark', yAxis: 'ratio', lines, bound, counted: true };
  return [{ suite: 'history', file: 'history.svg', alt: title, svg: lineChart(chart) }];
}

function soakCharts(soak) {
  if (soak === undefined || soak.minutes.length < 2) return [];
  const line = (name, value) => [{ name, points: soak.minutes.map((minute) => [minute.minute, value(minute)]) }];
  const memory = 'Resident memory under mixed load';
  const descriptors = 'Open descriptors under mixed load';
  return [
    {
      suite: 'soak',
      file: 'soak-memory.svg',
      alt: memory,
      svg: lineChart({
        title: memory,
        xAxis: 'minutes',
        yAxis: 'MB, median of the minute',
        lines: line('RSS', ({ rssBytes }) => rssBytes / 2 ** 20),
      }),
    },
    {
      suite: 'soak',
      file: 'soak-descriptors.svg',
      alt: descriptors,
      svg: lineChart({
        title: descriptors,
        xAxis: 'minutes',
        yAxis: 'most in the minute',
        lines: line('open', (minute) => minute.descriptors),
      }),
    },
  ];
}

export function charts({ suites, runs, soak }) {
  const suite = (name) => ({ name, found: suites[name] });
  return [
    ...bars(suite('proxy'), 'cpu.svg', cpu),
    ...bars(suite('proxy'), 'requests.svg', throughput('Requests per second on one core')),
    ...bars(suite('latency'), 'latency.svg', latency),
    ...bars(suite('tls'), 'tls.svg', throughput('TLS: requests per second on one core')),
    ...bars(suite('redis'), 'redis.svg', throughput('Every decision in Redis: requests per second on one core')),
    ...history(runs),
    ...soakCharts(soak),
  ];
}
