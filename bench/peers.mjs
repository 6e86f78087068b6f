// What is measured: for each proxy the command that starts it and the configuration for the same work.
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { has, output } from './processes.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const cli = join(root, 'dist/cli/main.js');

const BODY = JSON.stringify({ data: '' }).replace('""', `"${'x'.repeat(512 - 11)}"`);

const version = (program, args, pattern) => pattern.exec(output(program, args))?.[1] ?? 'unknown';
const installed = (name) => JSON.parse(readFileSync(join(here, 'node_modules', name, 'package.json'), 'utf8')).version;
const missing = (program) => (has(program) ? undefined : `${program} is not on PATH`);

const nginxHead = (folder) => `
daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log /dev/null crit;
events { worker_connections 4096; }
`;
const nginxTemp = (folder) =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ');

function nginx({ folder, port, originPort }) {
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `${nginxHead(folder)}
http {
  access_log off; ${nginxTemp(folder)}
  keepalive_requests 1000000000;
  limit_req_zone $binary_remote_addr zone=clients:10m rate=1000000r/s;
  upstream origin { server 127.0.0.1:${originPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      limit_req zone=clients burst=1000000 nodelay;
      proxy_pass http://origin; proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`,
  );
  return { command: ['nginx', '-p', folder, '-e', '/dev/null', '-c', file] };
}

function haproxy({ folder, port, originPort }) {
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
defaults
  mode http
  timeout client 75s
  timeout server 60s
  timeout connect 1s
  option forwardfor
  http-reuse always
frontend in
  bind 127.0.0.1:${port}
  stick-table type ip size 100k expire 60s store http_req_rate(1s)
  http-request track-sc0 src
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 100000000 }
  default_backend origin
backend origin
  server origin 127.0.0.1:${originPort} pool-max-conn 256
`,
  );
  return { command: ['haproxy', '-db', '-f', file] };
}

const node =
  (script) =>
  ({ port, originPort, redisUrl }) => ({
    command: [process.execPath, join(here, 'peers', script)],
    env: {
      PORT: String(port),
      ORIGIN: `http://127.0.0.1:${originPort}`,
      ...(redisUrl === undefined ? {} : { REDIS: redisUrl }),
    },
  });

const headgate =
  (access) =>
  ({ folder, port, originPort, adminPort, redisUrl }) => {
    const file = join(folder, 'headgate.yaml');
    const config = {
      listeners: [{ address: `127.0.0.1:${port}` }],
      admin: { address: `127.0.0.1:${adminPort}` },
      ...(redisUrl === undefined ? {} : { store: { url: redisUrl, timeout: '500ms' } }),
      log: { level: 'warn', access },
      limits: {
        'per-client':
          redisUrl === undefined
            ? { key: 'client.ip', rate: '1000000/s' }
            : { key: 'header.x-key', rate: '1000000/s', consistency: 'strict' },
      },
      upstreams: { origin: { endpoints: [`http://127.0.0.1:${originPort}`] } },
      routes: [{ name: 'all', match: { path: '/*' }, limits: ['per-client'], upstream: 'origin' }],
    };
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(config, null, 2));
    const stdout = access === false ? 'ignore' : openSync(join(folder, 'access.log'), 'w');
    return { command: [process.execPath, cli, 'start', '-c', file], stdout };
  };

const needsBuild = () => (existsSync(cli) ? undefined : 'dist/ is not there: npm run build');
const needsPackages = () => (existsSync(join(here, 'node_modules')) ? undefined : 'bench/node_modules is not there');
const headgateVersion = () => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;

/**
 * `name` as --only takes it; `kind`: node peers are what a Node user would take instead; `limits`: it decides on a limit;
 * `missing()`: why it cannot run here; `make({ folder, port, originPort, adminPort, redisUrl })`: its command.
 */
export const PEERS = [
  {
    name: 'nginx',
    title: 'nginx',
    kind: 'native',
    limits: true,
    version: () => version('nginx', ['-v'], /nginx\/(\S+)/),
    missing: () => missing('nginx'),
    make: nginx,
  },
  {
    name: 'haproxy',
    title: 'HAProxy',
    kind: 'native',
    limits: true,
    version: () => version('haproxy', ['-v'], /version (\S+)/),
    missing: () => missing('haproxy'),
    make: haproxy,
  },
  {
    name: 'node-undici',
    title: 'node:http + undici, nothing else',
    kind: 'node',
    limits: false,
    version: () => `undici ${installed('undici')}`,
    missing: needsPackages,
    make: node('node-undici.mjs'),
  },
  {
    name: 'fastify',
    title: 'Fastify + http-proxy + rate-limit',
    kind: 'node',
    limits: true,
    redis: true,
    version: () => `${installed('fastify')}, ${installed('@fastify/http-proxy')}, ${installed('@fastify/rate-limit')}`,
    missing: needsPackages,
    make: node('fastify.mjs'),
  },
  {
    name: 'headgate',
    title: 'Headgate',
    kind: 'own',
    limits: true,
    redis: true,
    version: headgateVersion,
    missing: needsBuild,
    make: headgate(false),
  },
  {
    name: 'headgate-log',
    title: 'Headgate, access log to a file',
    kind: 'own',
    limits: true,
    version: headgateVersion,
    missing: needsBuild,
    make: headgate('json'),
  },
];

/** The origin: nginx where it is there, else node:http. */
export function origin({ folder, port }) {
  if (!has('nginx')) {
    return { command: [process.execPath, join(here, 'peers/origin.mjs')], env: { PORT: String(port), BODY } };
  }
  const file = join(folder, 'origin.conf');
  writeFileSync(
    file,
    `${nginxHead(folder)}
http {
  access_log off; ${nginxTemp(folder)}
  keepalive_requests 1000000000; keepalive_timeout 600s; default_type application/json;
  server { listen 127.0.0.1:${port}; location / { return 200 '${BODY}'; } }
}
`,
  );
  return { command: ['nginx', '-p', folder, '-e', '/dev/null', '-c', file] };
}
