// What is measured: suites of cases, each a proxy with its options and a way to measure it.
import { spawnSync } from 'node:child_process';
import { atConstantRate, atFullLoad, toFirstAnswer, withIdleConnections } from './measure.mjs';
import { has } from './processes.mjs';
import { fastify, haproxy, headgate, headgateRefuses, nginx, nginxWithLua, nodeMajor, nodeUndici } from './proxies.mjs';

/**
 * `more`: `node` ('26': another Node than the one that runs this), `as` (what the name ends with), `title` (what the title
 * ends with), `options` of the proxy's configuration, and what the way of measuring takes.
 */
function kase(proxy, { as, title, ...more } = {}) {
  const ownNode = proxy.kind !== 'native';
  const name = [proxy.id, as, more.node].filter((part) => part !== undefined).join('-');
  const words = [proxy.title, title, ownNode ? `Node ${nodeMajor(more.node)}` : undefined];
  return { name, title: words.filter((word) => word !== undefined).join(', '), proxy, ...more };
}

/** On this Node and, where it is another one, on 26. */
function onBothNodes(proxy, more = {}) {
  const here = kase(proxy, more);
  return nodeMajor() === '26' ? [here] : [here, kase(proxy, { ...more, node: '26' })];
}

const logs = { as: 'log', title: 'access log to a file', options: { log: true } };

const proxying = {
  name: 'proxy',
  title: 'A proxied request',
  measure: atFullLoad,
  cases: [
    kase(nginx),
    kase(haproxy),
    ...onBothNodes(nodeUndici),
    ...onBothNodes(fastify),
    ...onBothNodes(headgate),
    kase(nginx, logs),
    ...onBothNodes(headgate, logs),
  ],
};

const keys = { script: 'requests.lua', args: ['keys', 1000, 'random'] };

/** Bytes of a limiter key as Redis counts them. */
async function redisKeySize({ redisUrl }) {
  const { Redis } = await import('ioredis');
  const redis = new Redis(redisUrl);
  try {
    const found = await redis.keys('*:per-client:*');
    const sizes = await Promise.all(found.slice(0, 200).map((key) => redis.memory('USAGE', key)));
    return sizes.length === 0 ? {} : { redisKeyBytes: sizes.reduce((sum, size) => sum + size, 0) / sizes.length };
  } finally {
    redis.disconnect();
  }
}

const redis = {
  name: 'redis',
  title: 'Every decision in Redis',
  measure: atFullLoad,
  needsRedis: true,
  missing: () => (has('redis-server') ? undefined : 'redis-server is not on PATH'),
  cases: [
    kase(nginxWithLua, keys),
    ...onBothNodes(fastify, keys),
    ...onBothNodes(headgate, { ...keys, also: redisKeySize }),
  ],
};

const probeTls = { listeners: [{ address: '127.0.0.1:0', tls: { certificates: [{ cert: 'x', key: 'x' }] } }] };

const tls = {
  name: 'tls',
  title: 'TLS on the client side',
  measure: atFullLoad,
  needsTls: true,
  missing: () => (has('openssl') ? undefined : 'openssl is not on PATH'),
  refuses: (folder) => headgateRefuses(probeTls, folder),
  cases: [
    kase(nginx, { tls: true }),
    ...onBothNodes({ ...nodeUndici, title: 'node:tls + undici, nothing else' }, { tls: true }),
    ...onBothNodes(headgate, { tls: true }),
  ],
};

const latency = {
  name: 'latency',
  title: 'Delay at half load',
  measure: atConstantRate,
  needsRate: true,
  cases: [{ name: 'direct', title: 'no proxy' }, kase(nginx), kase(haproxy), ...onBothNodes(headgate)],
};

const large = { path: '/large', connections: 16, rssBefore: true };

const bodies = {
  name: 'bodies',
  title: '1 MB bodies',
  measure: atFullLoad,
  cases: [kase(nginx, large), kase(nodeUndici, large), ...onBothNodes(headgate, large)],
};

const idle = {
  name: 'idle',
  title: '10 000 idle connections',
  measure: withIdleConnections,
  missing: () => (openFiles() >= 12_000 ? undefined : 'fewer than 12 000 open files are allowed (ulimit -n)'),
  cases: [
    kase(nginx, { idle: 10_000, options: { connections: 16_384 } }),
    kase(nodeUndici, { idle: 10_000 }),
    ...onBothNodes(headgate, { idle: 10_000 }),
  ],
};

function openFiles() {
  const text = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout.trim();
  return text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
}

/** A case whose name and title end with the size, as `what-count`. */
function sized(what, count, more) {
  const title = `${count.toLocaleString('en').replaceAll(',', '\u00a0')} ${what}`;
  // Each route and endpoint has work that is done once: it is not what is measured.
  return { ...kase(headgate, { as: `${what}-${count}`, title, warmSeconds: 4, ...more }), what, count };
}

const differing = (what, count) => ({ script: 'requests.lua', args: [what, count, 'random'] });

const scale = {
  name: 'scale',
  title: 'Ten, and many',
  measure: atFullLoad,
  originEndpoints: 2000,
  missing: () => (has('nginx') ? undefined : 'nginx is not on PATH: it is the origin with 2 000 addresses'),
  cases: [
    sized('routes', 10, { ...differing('routes', 10), options: { routes: 10 } }),
    sized('routes', 10_000, { ...differing('routes', 10_000), options: { routes: 10_000 } }),
    sized('keys', 10, { ...differing('keys', 10), options: { keyed: true } }),
    sized('keys', 1_000_000, { ...differing('keys', 1_000_000), fill: 1_000_000, options: { keyed: true } }),
    sized('endpoints', 2, { ...differing('none', 1), options: { endpoints: 2 } }),
    sized('endpoints', 2000, { ...differing('none', 1), options: { endpoints: 2000 } }),
  ],
};

const startUp = {
  name: 'start',
  title: 'Start to first answer',
  measure: toFirstAnswer,
  cases: [kase(nginx), kase(fastify), ...onBothNodes(headgate)],
};

const workers = {
  name: 'workers',
  title: 'Two workers against one',
  measure: atFullLoad,
  minCores: 4,
  refuses: (folder) => headgateRefuses({ workers: 2 }, folder),
  cases: [1, 2].map((count) =>
    kase(headgate, { as: `workers-${count}`, title: `workers: ${count}`, cores: '0,1', options: { workers: count } }),
  ),
};

export const SUITES = [proxying, redis, tls, latency, bodies, idle, scale, startUp, workers];
