// Each file of examples/ is loaded, started and asked: one request a route, and those that a window lets through.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { compileConfig } from '../../src/config/compile.ts';
import { formatIssue } from '../../src/config/issue.ts';
import { type LoadedConfig, loadConfigFile } from '../../src/config/load.ts';
import type { InjectRequest } from '../../src/gateway/inject.ts';
import { createGateway, type Gateway } from '../../src/gateway.ts';
import type { LimitModel } from '../../src/limits/limit-model.ts';
import type { Log } from '../../src/ports.ts';
import type { RouteModel } from '../../src/proxy/route-model.ts';
import { makeAuthority, makeCertificates } from '../kit/certificates.ts';
import { REPOSITORY } from '../kit/cli.ts';
import { RawOrigin } from '../kit/raw-origin.ts';
import { startRedis, type TestRedis } from '../kit/redis.ts';
import { turn } from '../kit/wait.ts';

type Config = LoadedConfig['config'];

const folder = join(REPOSITORY, 'examples');
const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {} };
const GUARD_MS = 15_000;

let redis: TestRedis;
let tlsFolder: string | undefined;

/** A folder with the files that examples/tls.yaml names. */
function certificates(): string {
  if (tlsFolder !== undefined) return tlsFolder;
  tlsFolder = mkdtempSync(join(tmpdir(), 'headgate-examples-'));
  makeAuthority(tlsFolder, 'clients-ca');
  for (const name of ['example', 'internal']) makeCertificates(tlsFolder, { name });
  return tlsFolder;
}

before(async () => {
  redis = await startRedis();
});

after(async () => {
  await redis.stop();
  if (tlsFolder !== undefined) rmSync(tlsFolder, { recursive: true });
});

/** The same on free ports, each endpoint played by an origin, and a store that is there. */
async function runnable(t: TestContext, config: Config): Promise<Config> {
  const onFreePort = { address: '127.0.0.1:0' };
  const upstreams: Config['upstreams'] = {};
  for (const [name, upstream] of Object.entries(config.upstreams)) {
    const endpoints = [];
    for (const endpoint of upstream.endpoints) {
      const origin = await RawOrigin.start({
        onRequest: (_, connection) => connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
      });
      t.after(() => origin.stop());
      endpoints.push(typeof endpoint === 'string' ? origin.url : { ...endpoint, url: origin.url });
    }
    upstreams[name] = { ...upstream, endpoints };
  }
  return {
    ...config,
    upstreams,
    listeners: config.listeners.map((listener) => ({ ...listener, ...onFreePort })),
    admin: config.admin === false ? false : { ...config.admin, ...onFreePort },
    store: config.store === 'memory' ? 'memory' : { url: redis.url, prefix: 'headgate', timeout: '500ms' },
  };
}

interface Served {
  readonly gateway: Gateway;
  /** Routes of the requests so far. */
  readonly routes: string[];
}

async function serve(t: TestContext, loaded: LoadedConfig): Promise<Served> {
  const routes: string[] = [];
  const accessLog = () => ({ write: ({ routeName }: { routeName: string }) => void routes.push(routeName) });
  const config = await runnable(t, loaded.config);
  const gateway = createGateway({ ...loaded, config }, { log: QUIET, accessLog });
  await gateway.start();
  t.after(() => gateway.stop({ delayMs: 0, graceMs: 0 }));
  const guardMs = performance.now() + GUARD_MS;
  while (!gateway.fleet.storeUp) {
    assert.ok(performance.now() < guardMs, 'the store is not reached');
    await turn();
  }
  return { gateway, routes };
}

/** A request that the route is the first to take. */
function requestFor({ match }: RouteModel): InjectRequest {
  const path = (match.paths[0] ?? '/any').replaceAll(/[:*][a-z]*/g, 'x');
  return {
    method: match.methods[0] ?? 'GET',
    url: `http://${match.hosts[0] ?? 'example.com'}${path}`,
    headers: { 'x-api-key': 'of a test' },
  };
}

/** How many requests the tightest window of a route lets through; undefined without one. */
function windowOf({ limits }: RouteModel): number | undefined {
  const admits = ({ spec, cost, shadow }: LimitModel) =>
    spec.kind === 'window' && !shadow ? Math.floor(spec.limit / cost) : Number.POSITIVE_INFINITY;
  const least = Math.min(...limits.map(admits));
  return Number.isFinite(least) ? least : undefined;
}

async function checkRoute({ gateway, routes }: Served, route: RouteModel): Promise<void> {
  const request = requestFor(route);
  const { status, headers, body } = await gateway.inject(request);
  assert.equal(routes.at(-1), route.name);
  const { action } = route;
  if (action.kind === 'respond') assert.deepEqual([status, body.toString()], [action.status, action.body]);
  if (action.kind === 'redirect') assert.deepEqual([status, headers.location], [action.status, action.to]);
  if (action.kind === 'upstream') assert.deepEqual([status, body.toString()], [200, 'ok'], route.name);
  for (const { name, shadow } of route.limits) {
    assert.equal(headers['ratelimit-policy']?.includes(`"${name}"`), !shadow, name);
  }
  const admitted = windowOf(route);
  if (admitted === undefined) return;
  for (let nth = 2; nth <= admitted; nth++) {
    assert.notEqual((await gateway.inject(request)).status, 429, `${route.name}: request ${nth} of ${admitted}`);
  }
  const refused = await gateway.inject(request);
  assert.equal(refused.status, 429, route.name);
  assert.ok(Number(refused.headers['retry-after']) >= 1);
}

for (const name of readdirSync(folder).filter((file) => file.endsWith('.yaml'))) {
  test(`examples/${name} loads without a warning, starts, and serves each of its routes as it says`, async (t) => {
    const env = { HEADGATE_ADMIN_TOKEN: 'a-token', TLS_FOLDER: certificates() };
    const loaded = await loadConfigFile(join(folder, name), env);
    assert.deepEqual(loaded.ok ? [] : loaded.errors.map(formatIssue), []);
    assert.ok(loaded.ok);
    assert.deepEqual(loaded.warnings.map(formatIssue), []);
    const { routes } = compileConfig(loaded.config);
    assert.ok(routes.length > 0);
    const served = await serve(t, loaded);
    for (const route of routes) await checkRoute(served, route);
  });
}

test('examples/api-keys.yaml refuses who brings no key', async (t) => {
  const loaded = await loadConfigFile(join(folder, 'api-keys.yaml'), {});
  assert.ok(loaded.ok);
  const { gateway } = await serve(t, loaded);
  assert.equal((await gateway.inject({ url: '/v1/things' })).status, 429);
  assert.equal((await gateway.inject({ url: '/v1/things', headers: { 'x-api-key': 'k' } })).status, 200);
  assert.equal((await gateway.inject({ url: '/ping' })).status, 200);
});
