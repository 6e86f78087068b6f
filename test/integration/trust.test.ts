import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { HeadgateConfig } from '../../src/config/schema.ts';
import type { ExchangeRecord } from '../../src/ports.ts';
import { TestGateway } from '../kit/gateway.ts';
import { RawClient } from '../kit/http-client.ts';
import { RawOrigin } from '../kit/raw-origin.ts';
import { World } from './world.ts';

type Listeners = NonNullable<HeadgateConfig['listeners']>;

async function gatewayWith(
  t: TestContext,
  config: HeadgateConfig,
): Promise<{ gateway: TestGateway; clients: string[] }> {
  const clients: string[] = [];
  const accessLog = () => ({ write: ({ clientIp }: ExchangeRecord) => void clients.push(clientIp) });
  const gateway = await TestGateway.start(config, { accessLog });
  t.after(() => gateway.stop());
  return { gateway, clients };
}

async function ask(client: RawClient, forwardedFor: string): Promise<void> {
  client.send(`GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${forwardedFor}\r\n\r\n`);
  await client.response(client.responses.length + 1);
}

const routes: HeadgateConfig['routes'] = [{ respond: { status: 200 } }];

test('a reload matches listeners by their address: their order in the file moves no trust', async (t) => {
  const first = await World.start(t);
  const free = first.gateway.port();
  await first.gateway.stop();
  const open: Listeners[number] = { address: `127.0.0.1:${free}` };
  const trusting: Listeners[number] = { address: '127.0.0.1:0', trustedProxies: ['127.0.0.0/8'] };
  const { gateway, clients } = await gatewayWith(t, { listeners: [open, trusting], routes });
  await gateway.gateway.reload({
    listeners: [trusting, open],
    routes,
    admin: { address: '127.0.0.1:0' },
    log: { level: 'error', access: false },
  });
  const client = await RawClient.open(free);
  t.after(() => client.destroy());
  await ask(client, '203.0.113.7');
  assert.deepEqual(clients, ['127.0.0.1']);
});

test('a reload of trustedProxies holds for connections that are open already', async (t) => {
  const base = { routes, admin: { address: '127.0.0.1:0' }, log: { level: 'error', access: false } } as const;
  const trusting: Listeners = [{ address: '127.0.0.1:0', trustedProxies: ['127.0.0.0/8'] }];
  const { gateway, clients } = await gatewayWith(t, { ...base, listeners: trusting });
  const client = await RawClient.open(gateway.port());
  t.after(() => client.destroy());
  await ask(client, '203.0.113.7');
  await gateway.gateway.reload({ ...base, listeners: [{ address: '127.0.0.1:0' }] });
  await ask(client, '203.0.113.7');
  await gateway.gateway.reload({ ...base, listeners: trusting });
  await ask(client, '203.0.113.7');
  assert.deepEqual(clients, ['203.0.113.7', '127.0.0.1', '203.0.113.7']);
});

test('behind a unix socket stands one trusted proxy; it has no address to pass on', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'gateway.sock');
  const origin = await RawOrigin.start({});
  t.after(() => origin.stop());
  const { clients } = await gatewayWith(t, {
    listeners: [{ address: `unix:${path}`, trustedProxies: ['10.0.0.0/8'] }],
    routes: [{ upstream: origin.url }],
  });
  const client = await RawClient.open(path);
  t.after(() => client.destroy());
  await ask(client, '198.51.100.1, 203.0.113.7');
  await ask(client, '198.51.100.1, 203.0.113.7, 10.1.2.3');
  assert.deepEqual(clients, ['203.0.113.7', '203.0.113.7']);
  const { message } = await origin.request(1);
  assert.equal(message.get('x-forwarded-for'), '198.51.100.1, 203.0.113.7');
});

test('an untrusted peer cannot claim a port, prefix or client either', async (t) => {
  const world = await World.start(t);
  await world.ask('GET /', [
    'X-Forwarded-Port: 1',
    'X-Forwarded-Prefix: /x',
    'X_Forwarded_Ssl: on',
    'X-Client-IP: 9.9.9.9',
  ]);
  const { message } = await world.origin.request(1);
  for (const name of ['x-forwarded-port', 'x-forwarded-prefix', 'x_forwarded_ssl', 'x-client-ip']) {
    assert.equal(message.get(name), undefined, name);
  }
});

test('a route’s word about response fields is the last, over the gateway’s own too', async (t) => {
  const set = { Date: 'then', Via: 'none', 'X-Request-Id': 'mine', RateLimit: 'hidden' };
  const world = await World.start(t, {
    route: { headers: { response: { set } }, limits: ['one'] },
    config: { limits: { one: { window: '1/1m' } } },
  });
  for (const status of [200, 429]) {
    const message = await world.ask('GET /');
    assert.equal(message.status, status);
    for (const [name, value] of Object.entries(set)) {
      assert.deepEqual(
        message.fields.filter(([line]) => line.toLowerCase() === name.toLowerCase()).map(([, v]) => v),
        [value],
      );
    }
  }
});

test('every attempt is counted once, with its time; one without a response as an error', async (t) => {
  const world = await World.start(t, {
    origins: [(_, connection) => connection.reset(), {}],
    upstream: { balance: 'round-robin' },
  });
  for (let n = 0; n < 4; n++) assert.equal((await world.ask('GET /')).status, 200);
  const text = await (await fetch(world.gateway.adminUrl('/metrics'))).text();
  const count = (origin: number, status: string): number => {
    const endpoint = `127.0.0.1:${world.origins[origin]?.port}`;
    const line = `headgate_upstream_requests_total{upstream="origin",endpoint="${endpoint}",status_class="${status}"} `;
    return Number(text.split(line)[1]?.split('\n')[0] ?? 0);
  };
  assert.equal(count(1, '2xx'), 4);
  assert.equal(count(0, 'error'), world.origins[0]?.requests.length);
  assert.ok(count(0, 'error') >= 1);
});
