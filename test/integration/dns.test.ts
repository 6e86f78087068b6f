import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemResolver } from '../../src/adapters/dns/system-resolver.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { DnsServer } from '../kit/dns-server.ts';
import { RawOrigin, reply } from '../kit/raw-origin.ts';
import { all, eventually, World, type WorldOptions } from './world.ts';

/** A name server, and a resolver that asks it alone. */
async function names(t: TestContext) {
  const server = await DnsServer.start();
  t.after(() => server.stop());
  const folder = mkdtempSync(join(tmpdir(), 'headgate-names-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const hostsFile = join(folder, 'hosts');
  writeFileSync(hostsFile, '');
  const clock = new FakeClock();
  const events: string[] = [];
  const said = (message: string, fields?: Record<string, unknown>): void => {
    events.push(`${message} ${JSON.stringify(fields)}`);
  };
  const log = { debug: said, info: said, warn: said, error: said };
  const resolver = systemResolver({ timers: clock, servers: [server.address], hostsFile });
  return { server, clock, events, overrides: { clock, log, resolver } };
}

/** Origins on one port and several addresses of loopback, each answering with its address. */
async function originsOn(t: TestContext, ...hosts: string[]): Promise<RawOrigin[]> {
  const origins: RawOrigin[] = [];
  for (const host of hosts) {
    const origin = await RawOrigin.start({
      host,
      ...(origins[0] === undefined ? {} : { port: origins[0].port }),
      onRequest: (_, connection) => connection.send(reply(200, [], host)),
    });
    t.after(() => origin.stop());
    origins.push(origin);
  }
  return origins;
}

function worldOf(t: TestContext, port: number, overrides: WorldOptions['overrides'], more: WorldOptions = {}) {
  return World.start(t, { origins: [], endpoints: [`http://app.test:${port}`], overrides: overrides!, ...more });
}

test('a name is asked for before anybody needs it, and its addresses share the load', async (t) => {
  const { server, overrides } = await names(t);
  const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
  const origins = await originsOn(t, ...hosts);
  // Each request on a connection of its own.
  for (const origin of origins) origin.script({ closeAfter: 1 });
  server.set('app.test', { A: { addresses: hosts, ttlS: 60 } });
  const world = await worldOf(t, origins[0]!.port, overrides);
  await server.until('the first question', () => server.questions[0]);
  for (let n = 1; n <= 3; n++) {
    const origin = origins[hosts.indexOf((await world.ask('GET /')).text())]!;
    await origin.untilClosed(origin.connections[0]!);
  }
  assert.deepEqual(
    origins.map(({ requests }) => requests.length),
    [1, 1, 1],
  );
  assert.deepEqual([...server.questions].sort(), ['A app.test', 'AAAA app.test']);
});

test('a name that does not resolve stops neither start nor other routes, and heals by itself', async (t) => {
  const { server, clock, events, overrides } = await names(t);
  const [one] = await originsOn(t, '127.0.0.1');
  server.set('app.test', { A: 'SERVFAIL', AAAA: 'SERVFAIL' });
  const routes = [{ match: { path: '/own' }, respond: { status: 200 } }];
  const world = await worldOf(t, one!.port, overrides, { routes, route: { retry: false } });
  assert.equal((await world.ask('GET /own')).status, 200);
  await eventually('the failure', async () => events.find((event) => event.startsWith('a name does not resolve')));
  const refused = await world.ask('GET /');
  assert.equal(refused.status, 502);
  assert.deepEqual(all(refused, 'proxy-status'), ['headgate; error=dns_error; details="UF"']);
  assert.match(JSON.parse(refused.text()).detail, /does not resolve \(ESERVFAIL\)/);
  server.set('app.test', { A: { addresses: ['127.0.0.1'], ttlS: 60 } });
  await clock.advance(1000);
  await eventually('the recovery', async () => events.find((event) => event.startsWith('a name resolves again')));
  assert.equal((await world.ask('GET /')).status, 200);
});

test('a moved name is followed, what runs is finished, and idle connections to where it was are closed', async (t) => {
  const { server, clock, events, overrides } = await names(t);
  const [before, after] = await originsOn(t, '127.0.0.1', '127.0.0.2');
  let answer = (): void => {};
  before!.script(({ message }, connection) => {
    const send = (): void => connection.send(reply(200, [], 'before'));
    if (message.target === '/held') answer = send;
    else send();
  });
  server.set('app.test', { A: { addresses: ['127.0.0.1'], ttlS: 10 } });
  const world = await worldOf(t, before!.port, overrides, { upstream: { timeouts: { idle: '60s' } } });
  const held = world.ask('GET /held');
  await before!.request();
  assert.equal((await world.ask('GET /')).text(), 'before');
  server.set('app.test', { A: { addresses: ['127.0.0.2'], ttlS: 10 } });
  await clock.advance(9000);
  await eventually('the move', async () => events.find((event) => event.startsWith('the addresses of a name changed')));
  await before!.untilClosed(before!.connections[1]!);
  assert.equal((await world.ask('GET /')).text(), '127.0.0.2');
  assert.equal(before!.connections[0]!.closed, false);
  answer();
  assert.equal((await held).text(), 'before');
  await before!.untilClosed(before!.connections[0]!);
  assert.equal(after!.requests.length, 1);
});

test('the last good answer outlives its name server', async (t) => {
  const { server, clock, events, overrides } = await names(t);
  const [one] = await originsOn(t, '127.0.0.1');
  server.set('app.test', { A: { addresses: ['127.0.0.1'], ttlS: 1 } });
  const world = await worldOf(t, one!.port, overrides);
  assert.equal((await world.ask('GET /')).status, 200);
  for (const answer of ['NXDOMAIN', 'SERVFAIL'] as const) {
    server.set('app.test', { A: answer, AAAA: answer });
    const asked = server.questions.length;
    // Time passes until it is due: a query that runs takes its real time.
    await eventually('another question', async () => {
      await clock.advance(1000);
      return server.questions.length > asked ? true : undefined;
    });
    assert.equal((await world.ask('GET /')).status, 200);
  }
  await eventually('the failure', async () => events.find((event) => event.startsWith('a name does not resolve')));
});

test('health checks go where requests go', async (t) => {
  const { server, clock, overrides } = await names(t);
  const [one] = await originsOn(t, '127.0.0.2');
  server.set('app.test', { A: { addresses: ['127.0.0.2'], ttlS: 60 } });
  await worldOf(t, one!.port, overrides, { upstream: { healthCheck: { path: '/healthz' } } });
  await clock.advance(1000);
  const probe = await one!.request();
  assert.deepEqual([probe.message.target, probe.message.get('host')], ['/healthz', `app.test:${one!.port}`]);
});

test('localhost is what the system says it is', async (t) => {
  const { server, overrides } = await names(t);
  const [one] = await originsOn(t, '127.0.0.1');
  const world = await World.start(t, { origins: [], endpoints: [`http://localhost:${one!.port}`], overrides });
  assert.equal((await world.ask('GET /')).text(), '127.0.0.1');
  assert.deepEqual(server.questions, []);
});
