// The goals, each with the figure of a run that it is held against.
import { addedToNginx, bestNodePeer } from './tables.mjs';

const byName = (rows, name) => rows.find((row) => row.name === name && row.rounds > 0);
const quotient = (a, b) => (a === undefined || b === undefined ? undefined : a / b);
const times = (value) => `${value.toFixed(2)} ×`;
const amount = (unit, digits = 0) => {
  return (value) => `${value.toFixed(digits)} ${unit}`;
};

/** A goal of Headgate against the row `base`, in one figure. */
const against = (figure, base) => (row, rows) => quotient(row.median[figure], byName(rows, base)?.median[figure]);

const againstNodePeer = (limits) => (row, rows) =>
  quotient(row.median.requestsPerSecond, bestNodePeer(row, rows, { limits })?.median.requestsPerSecond);

/**
 * For every Node that Headgate was measured on: `most` or `least` is the bound (`on26`: another one there), `value` the
 * figure of the row.
 */
const ON_EVERY_NODE = [
  {
    suite: 'proxy',
    what: 'CPU per request against nginx, logs off',
    value: against('cpuUs', 'nginx'),
    most: 1.25,
    on26: 1.15,
    show: times,
  },
  {
    suite: 'proxy',
    what: 'requests/s against the best Node peer with a limiter',
    value: againstNodePeer(true),
    least: 3,
    show: times,
  },
  {
    suite: 'redis',
    what: 'every decision in Redis: requests/s against nginx + lua-resty-redis',
    value: against('requestsPerSecond', 'nginx-lua'),
    least: 1.5,
    show: times,
  },
  {
    suite: 'redis',
    what: 'every decision in Redis: requests/s against Fastify',
    value: againstNodePeer(true),
    least: 4,
    show: times,
  },
  {
    suite: 'tls',
    what: 'TLS: requests/s against node:tls + undici',
    value: againstNodePeer(false),
    least: 1.5,
    show: times,
  },
  { suite: 'latency', what: 'p99 added at half load, against nginx', value: addedToNginx, most: 1.5, show: times },
  {
    suite: 'bodies',
    what: '1 MB bodies: bytes/s against nginx',
    value: against('bytesPerSecond', 'nginx'),
    least: 0.7,
    show: times,
  },
  {
    suite: 'idle',
    what: 'an idle keep-alive connection',
    value: ({ median }) => median.perIdleBytes / 1024,
    most: 5,
    show: amount('KB', 1),
  },
  {
    suite: 'idle',
    what: '10 000 idle connections, RSS in all',
    value: ({ median }) => median.rssBytes / 2 ** 20,
    most: 120,
    show: amount('MB'),
  },
  {
    suite: 'start',
    what: 'start to first answer',
    value: ({ median }) => median.startMs,
    most: 300,
    show: amount('ms'),
  },
  {
    suite: 'redis',
    what: 'a limiter key in Redis (MEMORY USAGE)',
    value: ({ median }) => median.redisKeyBytes,
    most: 120,
    show: amount('bytes'),
    once: true,
  },
];

/** Of two rows of one suite. */
const grows = (what, from, to) => ({
  suite: 'scale',
  what: `${what}: request cost`,
  value: (rows) => quotient(byName(rows, to)?.median.cpuUs, byName(rows, from)?.median.cpuUs),
  most: 1.1,
  show: times,
});

const OF_A_SUITE = [
  grows('10 → 10 000 routes', 'headgate-routes-10', 'headgate-routes-10000'),
  grows('2 → 2 000 endpoints', 'headgate-endpoints-2', 'headgate-endpoints-2000'),
  grows('10 → 1 000 000 limiter keys', 'headgate-keys-10', 'headgate-keys-1000000'),
  {
    suite: 'scale',
    what: 'a limiter key in memory (RSS)',
    value: (rows) => {
      const [few, many] = ['headgate-keys-10', 'headgate-keys-1000000'].map(
        (name) => byName(rows, name)?.median.rssBytes,
      );
      return few === undefined || many === undefined ? undefined : (many - few) / 1e6;
    },
    most: 150,
    show: amount('bytes'),
  },
  {
    suite: 'workers',
    what: 'two workers against one: requests/s',
    value: (rows) =>
      quotient(
        byName(rows, 'headgate-workers-2')?.median.requestsPerSecond,
        byName(rows, 'headgate-workers-1')?.median.requestsPerSecond,
      ),
    least: 1.8,
    show: times,
  },
];

function verdict(goal, value) {
  const bound = goal.most ?? goal.least;
  const text = {
    suite: goal.suite,
    what: goal.what,
    goal: `${goal.most === undefined ? '≥' : '≤'} ${goal.show(bound)}`,
  };
  if (value === undefined || Number.isNaN(value)) return text;
  return { ...text, measured: goal.show(value), met: goal.most === undefined ? value >= bound : value <= bound };
}

/** `suites`: by name, with rows where it was measured. What was not measured has no `measured`. */
export function verdicts(suites) {
  const perNode = ON_EVERY_NODE.flatMap((goal) => {
    const rows = suites[goal.suite]?.rows ?? [];
    const own = ['headgate', 'headgate-26'].map((name) => byName(rows, name)).filter((row) => row !== undefined);
    if (own.length === 0) return [verdict(goal, undefined)];
    return (goal.once === true ? own.slice(0, 1) : own).map((row) => {
      const bounds = row.node === '26' && goal.on26 !== undefined ? { most: goal.on26 } : {};
      const what = goal.once === true ? goal.what : `${goal.what}, Node ${row.node}`;
      return verdict({ ...goal, ...bounds, what }, goal.value(row, rows));
    });
  });
  return [...perNode, ...OF_A_SUITE.map((goal) => verdict(goal, goal.value(suites[goal.suite]?.rows ?? [])))];
}
