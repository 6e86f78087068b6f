import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import type { HeadgateConfig } from '../../src/config/schema.ts';
import { makeCertificates } from '../kit/certificates.ts';
import { RawClient } from '../kit/http-client.ts';
import { KeptLog } from '../kit/log.ts';
import { proxyV1, proxyV2 } from '../kit/proxy-header.ts';
import type { Message } from '../kit/strict-http.ts';
import { openTls } from '../kit/tls-client.ts';
import { bytes, eventually, WatchedClock, World, type WorldOptions } from './world.ts';

type ListenerConfig = NonNullable<HeadgateConfig['listeners']>[number];

const BALANCER = { trustedProxies: ['127.0.0.0/8'] };
const OWN = { match: { path: '/own' }, respond: { body: 'own' } };

function start(
  t: TestContext,
  proxyProtocol: 'require' | 'allow',
  listener: Partial<ListenerConfig> = BALANCER,
  options: WorldOptions = {},
): Promise<World> {
  return World.start(t, { routes: [OWN], ...options, listener: { proxyProtocol, ...listener } });
}

async function ask(world: World, preface: string | Buffer, lines: readonly string[] = []): Promise<Message> {
  const client = await world.client();
  client.send(Buffer.concat([octets(preface), octets(bytes('GET /', lines))]));
  return client.response();
}

function octets(text: string | Buffer): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
}

/** The connection ends without an answer. */
async function isRefused(world: World, preface: string | Buffer): Promise<void> {
  const client = await world.client();
  client.send(Buffer.concat([octets(preface), octets(bytes('GET /own'))]));
  await client.untilEnded();
  assert.equal(client.bytesReceived, 0);
}

suite('a PROXY header', { concurrency: true }, () => {
  const headers: [name: string, header: string | Buffer, client: string][] = [
    ['version 1', proxyV1('203.0.113.7'), '203.0.113.7'],
    ['version 1 of IPv6', proxyV1('2001:db8::7'), '2001:db8::7'],
    ['version 1 of a mapped address', proxyV1('::ffff:203.0.113.7'), '203.0.113.7'],
    ['version 2', proxyV2('203.0.113.7'), '203.0.113.7'],
    ['version 2 with a checksum', proxyV2('203.0.113.7', { checksum: 'right' }), '203.0.113.7'],
    ['version 2 of IPv6', proxyV2(Buffer.from('20010db8000000000000000000000007', 'hex')), '2001:db8::7'],
    ['version 2, LOCAL', proxyV2('203.0.113.7', { command: 0 }), '127.0.0.1'],
    ['version 1, UNKNOWN', 'PROXY UNKNOWN\r\n', '127.0.0.1'],
  ];
  for (const mode of ['require', 'allow'] as const) {
    for (const [name, header, client] of headers) {
      test(`${mode}: ${name} says who the client is, to the log, the endpoint and all else`, async (t) => {
        const world = await start(t, mode);
        assert.equal((await ask(world, header)).status, 200);
        assert.equal((await world.logged()).clientIp, client);
        assert.equal((await world.origin.request(1)).message.get('x-forwarded-for'), client);
        await world.untilIdle();
      });
    }
  }

  test('in pieces, down to single octets, is read as in one', async (t) => {
    const world = await start(t, 'require');
    const headers = [octets(proxyV1('203.0.113.7')), proxyV2('203.0.113.8', { checksum: 'right' })];
    for (const [n, header] of headers.entries()) {
      for (const size of [1, 7]) {
        const client = await world.client();
        await client.sendSplit(Buffer.concat([header, octets(bytes('GET /own'))]), size);
        assert.equal((await client.response()).status, 200);
        assert.equal(world.log.at(-1)?.clientIp, `203.0.113.${7 + n}`);
      }
    }
  });

  test('each client is limited by its own address', async (t) => {
    const limits = { one: { key: 'client.ip', window: '1/1m' } } as const;
    const world = await start(t, 'require', BALANCER, { route: { limits: ['one'] }, config: { limits } });
    const statuses: number[] = [];
    for (const client of ['203.0.113.1', '203.0.113.2', '203.0.113.1']) {
      statuses.push((await ask(world, proxyV2(client))).status);
    }
    assert.deepEqual(statuses, [200, 200, 429]);
  });

  test('makes its client the peer: what that says of others is believed where it is trusted itself', async (t) => {
    const world = await start(t, 'require', { trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] });
    await ask(world, proxyV1('203.0.113.7'), ['X-Forwarded-For: 198.51.100.1']);
    await ask(world, proxyV1('10.0.0.7'), ['X-Forwarded-For: 198.51.100.1']);
    await ask(world, 'PROXY UNKNOWN\r\n', ['X-Forwarded-For: 198.51.100.1']);
    await ask(world, proxyV2('10.9.9.9', { command: 0 }), ['X-Forwarded-For: 198.51.100.1']);
    assert.deepEqual(
      world.log.map(({ clientIp }) => clientIp),
      ['203.0.113.7', '198.51.100.1', '127.0.0.1', '198.51.100.1'],
    );
  });

  test('comes before TLS, in the same packet or alone', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-proxy-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const { certFile: cert, keyFile: key, ca } = makeCertificates(folder, { name: 'a.test' });
    const world = await start(t, 'require', { ...BALANCER, tls: { certificates: [{ cert, key }] } });
    for (const preface of [proxyV1('203.0.113.7'), proxyV2('203.0.113.7')]) {
      const client = await openTls(world.gateway.port(), { preface, ca });
      t.after(() => client.destroy());
      client.send(bytes('GET /'));
      assert.equal((await client.response()).status, 200);
    }
    const { message } = await world.origin.request(2);
    assert.equal(message.get('forwarded'), 'for=203.0.113.7;host=gw.test;proto=https');
    const clear = await ask(world, proxyV1('203.0.113.9'));
    assert.equal(clear.status, 400);
    assert.equal(world.log.at(-1)?.clientIp, '203.0.113.9');
    const open = await start(t, 'allow', { ...BALANCER, tls: { certificates: [{ cert, key }] } });
    const direct = await openTls(open.gateway.port(), { ca });
    t.after(() => direct.destroy());
    direct.send(bytes('GET /'));
    assert.equal((await direct.response()).status, 200, 'allow: TLS at once');
  });

  test('of a balancer on a unix socket', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-proxy-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'gateway.sock');
    const world = await start(t, 'require', { address: `unix:${path}` });
    const client = await RawClient.open(path);
    t.after(() => client.destroy());
    client.send(Buffer.concat([proxyV2('203.0.113.7'), octets(bytes('GET /'))]));
    assert.equal((await client.response()).status, 200);
    assert.equal((await world.logged()).clientIp, '203.0.113.7');
  });
});

suite('who may send one', { concurrency: true }, () => {
  const STRANGE = { trustedProxies: ['192.0.2.0/24'] };

  test('require: nobody but a trusted proxy is served', async (t) => {
    const log = new KeptLog();
    const world = await start(t, 'require', STRANGE, { overrides: { log } });
    await isRefused(world, proxyV1('203.0.113.7'));
    await isRefused(world, '');
    assert.equal(await world.metric('headgate_proxy_header_failures_total'), 2);
    const [event, ...more] = log.matching(/PROXY/);
    assert.deepEqual(more, []);
    assert.equal(event?.fields.reason, 'not in listeners[0].trustedProxies');
    await world.untilIdle();
  });

  test('allow: from anybody else it is no more than a bad request', async (t) => {
    const world = await start(t, 'allow', STRANGE);
    assert.equal((await ask(world, '')).status, 200);
    assert.equal((await ask(world, proxyV1('203.0.113.7'))).status, 400);
    assert.equal((await ask(world, proxyV2('203.0.113.7'))).status, 400);
    assert.ok(world.log.every(({ clientIp }) => clientIp === '127.0.0.1'));
  });

  test('false: it is a bad request of everybody', async (t) => {
    const world = await World.start(t, { listener: BALANCER });
    assert.equal((await ask(world, proxyV1('203.0.113.7'))).status, 400);
  });

  test('allow: a trusted proxy may leave it out', async (t) => {
    const world = await start(t, 'allow');
    assert.equal((await ask(world, '', ['X-Forwarded-For: 198.51.100.1'])).status, 200);
    assert.equal((await world.logged()).clientIp, '198.51.100.1');
    const posting = await world.client();
    await posting.sendSplit(bytes('POST /own', [], 'x'), 1);
    assert.equal((await posting.response()).status, 200, 'which begins as PROXY does');
  });

  test('require: a trusted proxy may not', async (t) => {
    const world = await start(t, 'require');
    await isRefused(world, '');
    assert.equal(await world.metric('headgate_proxy_header_failures_total'), 1);
  });

  test('a header that is wrong ends the connection, whatever comes behind it', async (t) => {
    const log = new KeptLog();
    const world = await start(t, 'allow', BALANCER, { overrides: { log } });
    const wrong = [
      'PROXY TCP4 203.0.113.7\r\n',
      `PROXY UNKNOWN ${'x'.repeat(200)}\r\n`,
      proxyV2('203.0.113.7', { checksum: 'wrong' }),
    ];
    for (const header of wrong) await isRefused(world, header);
    assert.equal(await world.metric('headgate_proxy_header_failures_total'), wrong.length);
    assert.equal(log.matching(/PROXY/)[0]?.fields.reason, 'not a valid PROXY header');
    await world.untilIdle();
  });

  test('a second header is part of the request', async (t) => {
    const world = await start(t, 'require');
    assert.equal((await ask(world, proxyV1('203.0.113.7') + proxyV1('203.0.113.8'))).status, 400);
    assert.equal((await world.logged()).clientIp, '203.0.113.7');
  });
});

test('a header must come within timeouts.headers; a check of the port that sends none is no failure', async (t) => {
  const clock = new WatchedClock();
  const world = await start(t, 'require', { ...BALANCER, timeouts: { headers: '2s' } }, { overrides: { clock } });
  const silent = await world.client();
  const slow = await world.client();
  slow.send('PROXY TCP4 203');
  await eventually('two connections', async () =>
    (await world.metric('headgate_connections')) === 2 ? true : undefined,
  );
  await clock.pass(1900);
  assert.deepEqual([silent.ended, slow.ended], [false, false]);
  await clock.pass(200);
  await Promise.all([silent.untilEnded(), slow.untilEnded()]);
  assert.equal(await world.metric('headgate_proxy_header_failures_total'), 1);
  assert.equal(await world.metric('headgate_connections'), 0);
});
