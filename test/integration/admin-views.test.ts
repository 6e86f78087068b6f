// What the admin API of a running gateway shows: the whole fleet, and no secret.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FleetView, InstanceView, RouteView } from '../../src/admin/api-types.ts';
import { type createGateway, VERSION } from '../../src/gateway.ts';
import { TestGateway } from '../kit/gateway.ts';
import { get } from '../kit/http-client.ts';
import { startRedis } from '../kit/redis.ts';

type Config = Exclude<Parameters<typeof createGateway>[0], { ok: true }>;

const GUARD_MS = 15_000;

async function view<T>(gateway: TestGateway, path: string): Promise<T> {
  return JSON.parse((await get(gateway.adminUrl(path))).text());
}

/** The fleet as a gateway shows it, once that is so. */
async function fleet(gateway: TestGateway, what: string, holds: (view: FleetView) => boolean): Promise<FleetView> {
  const guardMs = performance.now() + GUARD_MS;
  for (;;) {
    const seen = await view<FleetView>(gateway, '/api/v1/fleet');
    if (holds(seen)) return seen;
    assert.ok(performance.now() < guardMs, `waited in vain for ${what}: ${JSON.stringify(seen)}`);
  }
}

async function start(t: TestContext, config: Config): Promise<TestGateway> {
  const gateway = await TestGateway.start(config);
  t.after(() => gateway.stop());
  return gateway;
}

const self = ({ instances }: FleetView): InstanceView[] => instances.filter((one) => one.self);
const hashOf = (seen: FleetView, id: string) => seen.instances.find((one) => one.id === id)?.configHash;

test('the fleet: every gateway lists all of them, by one id each, with version and configuration', async (t) => {
  const redis = await startRedis();
  t.after(() => redis.stop());
  const config = (body: string): Config => ({
    listeners: [{ address: '127.0.0.1:0' }],
    admin: { address: '127.0.0.1:0' },
    log: { level: 'error', access: false },
    store: { url: redis.url, timeout: '500ms' },
    routes: [{ respond: { status: 200, body } }],
  });
  const one = await start(t, config('a'));
  const two = await start(t, config('b'));
  const [first, second] = await Promise.all(
    [one, two].map((gateway) => fleet(gateway, 'both', ({ size, instances }) => size === 2 && instances.length === 2)),
  );
  const ids = (seen: FleetView) => seen.instances.map(({ id }) => id).sort();
  assert.deepEqual(ids(first!), ids(second!));
  assert.equal(new Set(ids(first!)).size, 2);
  for (const seen of [first!, second!]) {
    assert.equal(self(seen).length, 1);
    assert.ok(seen.instances.every(({ version }) => version === VERSION));
  }
  const { hash } = await view<{ hash: string }>(one, '/api/v1/config');
  const id = self(first!)[0]!.id;
  assert.equal(hashOf(first!, id), hash);
  await fleet(two, 'its hash', (seen) => hashOf(seen, id) === hash);
  await one.gateway.reload(config('c'));
  const { hash: next } = await view<{ hash: string }>(one, '/api/v1/config');
  assert.notEqual(next, hash);
  await fleet(two, 'the reloaded hash', (seen) => hashOf(seen, id) === next);
  await one.stop();
  await fleet(two, 'being alone', ({ size, instances }) => size === 1 && instances.length === 1);
});

test('a gateway with its store in memory is a fleet of itself', async (t) => {
  const gateway = await start(t, { routes: [{ respond: { status: 200 } }] });
  const seen = await view<FleetView>(gateway, '/api/v1/fleet');
  assert.deepEqual([seen.size, seen.store, seen.instances.length], [1, { kind: 'memory', up: true }, 1]);
  assert.deepEqual([seen.instances[0]!.self, seen.instances[0]!.version], [true, VERSION]);
});

test('what comes from a secret source decides, and is shown by no view', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-views-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'secret');
  writeFileSync(file, 'hunter2\n');
  const secret = `\${file:${file}}`;
  const gateway = await start(t, {
    routes: [
      { match: { headers: { 'X-Hook': secret } }, respond: { status: 201 } },
      { match: { query: { hook: secret } }, redirect: { to: `https://other.example/${secret}` } },
    ],
  });
  assert.equal((await get(gateway.url('/'), { 'X-Hook': 'hunter2' })).status, 201);
  assert.equal((await get(gateway.url('/?hook=hunter2'))).get('location'), 'https://other.example/hunter2');
  const routes = await view<RouteView[]>(gateway, '/api/v1/routes');
  assert.deepEqual(routes[0]!.match.headers, [{ name: 'x-hook', value: '***' }]);
  for (const path of ['routes', 'config', 'limits', 'fleet', 'upstreams']) {
    assert.doesNotMatch((await get(gateway.adminUrl(`/api/v1/${path}`))).text(), /hunter/, path);
  }
});
