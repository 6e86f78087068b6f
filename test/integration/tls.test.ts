import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import type { HeadgateConfig } from '../../src/config/schema.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { type Certificates, makeAuthority, makeCertificates } from '../kit/certificates.ts';
import { KeptLog } from '../kit/log.ts';
import { reply } from '../kit/raw-origin.ts';
import { openTls, type TlsClient, type TlsClientOptions } from '../kit/tls-client.ts';
import { bytes, eventually, WatchedClock, World, type WorldOptions } from './world.ts';

type ListenerConfig = NonNullable<HeadgateConfig['listeners']>[number];
type Tls = Exclude<ListenerConfig['tls'], false | undefined>;

const OWN = { match: { path: '/own' }, respond: { body: 'own' } };

let folder: string;
let ecdsa: Certificates;
let rsa: Certificates;
let exact: Certificates;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-tls-'));
  ecdsa = makeCertificates(folder, { name: 'ecdsa', san: ['a.test', '*.a.test', '127.0.0.1'] });
  rsa = makeCertificates(folder, { name: 'rsa', san: ['a.test', '*.a.test'], keyType: 'rsa' });
  exact = makeCertificates(folder, { name: 'exact', san: ['exact.a.test', '*.b.test'] });
});

after(() => rmSync(folder, { recursive: true, force: true }));

const pair = ({ certFile, keyFile }: Certificates): Tls['certificates'][number] => ({ cert: certFile, key: keyFile });

interface Options extends WorldOptions {
  readonly tls?: Partial<Tls>;
}

function start(t: TestContext, { tls, listener, ...options }: Options = {}): Promise<World> {
  const certificates = [pair(ecdsa)];
  return World.start(t, { routes: [OWN], ...options, listener: { tls: { certificates, ...tls }, ...listener } });
}

function reload(world: World, tls: Tls): Promise<void> {
  const rest = { admin: { address: '127.0.0.1:0' }, log: { level: 'error', access: false } } as const;
  const routes = [OWN, { name: 'all', upstream: 'origin' }];
  return world.gateway.gateway.reload({ ...World.config(world.origins, { listener: { tls } }), routes, ...rest });
}

async function open(t: TestContext, world: World, options: TlsClientOptions = {}): Promise<TlsClient> {
  const client = await openTls(world.gateway.port(), { ca: ecdsa.ca, ...options });
  t.after(() => client.destroy());
  return client;
}

/** Whether somebody is served on a connection of its own. */
async function serves(t: TestContext, world: World, options: TlsClientOptions = {}): Promise<boolean> {
  const client = await open(t, world, options);
  client.send(bytes('GET /own'));
  const { status } = await client.response();
  client.destroy();
  return status === 200;
}

function servedName(client: TlsClient): string {
  return String(client.socket.getPeerCertificate().subject.CN);
}

suite('a request over TLS', { concurrency: true }, () => {
  test('is forwarded as one that came by https, and its connection carries the next', async (t) => {
    const world = await start(t);
    const client = await open(t, world);
    for (let n = 1; n <= 3; n++) {
      client.send(bytes(n % 2 === 1 ? 'GET /x' : 'POST /x', [], n % 2 === 1 ? '' : 'abc'));
      assert.equal((await client.response(n)).status, 200);
    }
    const { message } = await world.origin.request(1);
    assert.equal(message.get('x-forwarded-proto'), 'https');
    assert.equal(message.get('forwarded'), 'for=127.0.0.1;host=gw.test;proto=https');
    assert.equal(message.get('x-forwarded-for'), '127.0.0.1');
    assert.equal(client.socket.getProtocol(), 'TLSv1.3');
    assert.equal(await world.metric('headgate_connections'), 1);
    client.destroy();
    await world.untilIdle();
  });

  test('may name itself by its whole URL, which in clear it may not', async (t) => {
    const world = await start(t);
    const client = await open(t, world);
    client.send(bytes('GET https://b.test/x?y'));
    assert.equal((await client.response()).status, 200);
    const { message } = await world.origin.request(1);
    assert.deepEqual([message.target, message.get('host')], ['/x?y', 'b.test']);
    const clear = await World.start(t);
    assert.equal((await clear.ask('GET https://b.test/x')).status, 400);
  });

  test('goes through in both directions, however large', async (t) => {
    const size = 2 * 1024 * 1024;
    const body = Buffer.alloc(size, 'headgate').toString('latin1');
    const world = await start(t, {
      route: { bodyLimit: false },
      origins: [({ message }, connection) => connection.send(reply(200, [], message.text()))],
    });
    const client = await open(t, world);
    client.send(bytes('POST /', [], body));
    const answer = await client.response();
    assert.equal(answer.text().length, size);
    assert.ok(answer.text() === body);
  });

  test('whose client has sent its FIN is answered all the same', async (t) => {
    const world = await start(t);
    const client = await open(t, world, { allowHalfOpen: true } as TlsClientOptions);
    client.send(bytes('GET /own'));
    client.halfClose();
    assert.equal((await client.response()).status, 200);
    await client.untilEnded();
  });

  test('that is cut is no whole answer: the end of the connection is not that of the body', async (t) => {
    const world = await start(t, {
      origins: [
        (_, connection) => {
          connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
          connection.send('not a chunk\r\n');
        },
      ],
    });
    const client = await open(t, world);
    client.send(bytes('GET / HTTP/1.0'));
    await client.untilClosed();
    assert.equal(client.ended, false, 'no close_notify');
  });

  test('becomes a tunnel where it asks for one', async (t) => {
    const world = await start(t, {
      origins: [
        {
          onRequest: (_, connection) => {
            connection.reader.tunnel();
            connection.send('HTTP/1.1 101 OK\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello');
          },
        },
      ],
    });
    const client = await open(t, world);
    client.send(bytes('GET /', ['Connection: upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']));
    await client.until('the first octets', () => (client.tunnelled.toString() === 'hello' ? true : undefined));
    client.send('there');
    const connection = world.origin.connections[0]!;
    await eventually('octets at the endpoint', async () =>
      connection.tunnelled.toString() === 'there' ? true : undefined,
    );
  });
});

suite('which certificate is shown', { concurrency: true }, () => {
  test('exact before wildcard before the first', async (t) => {
    const wild = makeCertificates(folder, { name: 'wild', san: ['*.a.test'] });
    const world = await start(t, { tls: { certificates: [pair(ecdsa), pair(wild), pair(exact)] } });
    const names: [asked: string, shown: string][] = [
      ['a.test', 'ecdsa'],
      ['exact.a.test', 'exact'],
      ['EXACT.a.test', 'exact'],
      ['x.b.test', 'exact'],
      ['y.a.test', 'ecdsa'],
      ['x.y.b.test', 'ecdsa'],
      ['b.test', 'ecdsa'],
      ['other.test', 'ecdsa'],
    ];
    for (const [servername, shown] of names) {
      const client = await open(t, world, { servername, rejectUnauthorized: false });
      assert.equal(servedName(client), shown, servername);
    }
    assert.equal(servedName(await open(t, world, { servername: '', rejectUnauthorized: false })), 'ecdsa', 'no name');
  });

  test('of one name, the kind of key that the client understands', async (t) => {
    const world = await start(t, { tls: { certificates: [pair(exact), pair(ecdsa), pair(rsa)] } });
    const shown = async (options: TlsClientOptions): Promise<string> => servedName(await open(t, world, options));
    assert.equal(await shown({}), 'ecdsa');
    assert.equal(await shown({ sigalgs: 'rsa_pss_rsae_sha256' }), 'rsa');
    assert.equal(await shown({ servername: 'www.a.test', sigalgs: 'rsa_pss_rsae_sha256' }), 'rsa');
    assert.equal(await shown({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES256-GCM-SHA384' }), 'rsa');
    assert.equal(await shown({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' }), 'ecdsa');
  });
});

suite('what is agreed on', { concurrency: true }, () => {
  test('http/1.1, also with a client that would like others too or names none; not with one that has only others', async (t) => {
    const world = await start(t);
    assert.equal((await open(t, world, { ALPNProtocols: ['h2', 'http/1.1'] })).socket.alpnProtocol, 'http/1.1');
    assert.equal((await open(t, world)).socket.alpnProtocol, false);
    await assert.rejects(open(t, world, { ALPNProtocols: ['h2'] }), /no.application.protocol/i);
    assert.ok(await serves(t, world));
  });

  test('TLS 1.2 with forward secrecy and authenticated encryption, or better', async (t) => {
    const world = await start(t, { tls: { certificates: [pair(ecdsa), pair(rsa)] } });
    const old = (ciphers: string): TlsClientOptions => ({ maxVersion: 'TLSv1.2', ciphers });
    const agreed = await open(t, world, old('ECDHE-RSA-AES128-GCM-SHA256'));
    assert.equal(agreed.socket.getProtocol(), 'TLSv1.2');
    for (const ciphers of [
      'AES128-GCM-SHA256',
      'ECDHE-RSA-AES128-SHA',
      'DHE-RSA-AES128-GCM-SHA256',
      'ECDHE-ECDSA-AES256-CCM',
    ])
      await assert.rejects(open(t, world, old(ciphers)), /handshake.failure/i, ciphers);
    const older = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await assert.rejects(open(t, world, older), /alert.protocol.version/i);
  });

  test('the gateway picks the cipher, AES first; who puts ChaCha20 first gets that', async (t) => {
    const world = await start(t);
    const picked = async (ciphers: string): Promise<string> =>
      (await open(t, world, { maxVersion: 'TLSv1.2', ciphers })).socket.getCipher().name;
    const aes = 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256';
    assert.equal(await picked(aes), 'ECDHE-ECDSA-AES128-GCM-SHA256');
    assert.equal(await picked(`ECDHE-ECDSA-CHACHA20-POLY1305:${aes}`), 'ECDHE-ECDSA-CHACHA20-POLY1305');
  });

  test('minVersion "1.3" leaves TLS 1.2 out', async (t) => {
    const world = await start(t, { tls: { minVersion: '1.3' } });
    await assert.rejects(open(t, world, { maxVersion: 'TLSv1.2' }), /alert.protocol.version/i);
    assert.ok(await serves(t, world));
  });

  test('a client cannot renegotiate', async (t) => {
    const world = await start(t);
    const client = await open(t, world, { maxVersion: 'TLSv1.2' });
    const error = await new Promise<Error | null>((resolve) => {
      client.socket.on('error', resolve);
      client.socket.renegotiate({}, resolve);
    });
    assert.match(String(error), /no.renegotiation/i);
    assert.ok(await serves(t, world));
  });
});

suite('sessions', { concurrency: true }, () => {
  /** A session of a client that was answered. */
  async function session(t: TestContext, world: World, options: TlsClientOptions): Promise<Buffer> {
    const client = await open(t, world, options);
    let last: Buffer | undefined;
    client.socket.on('session', (one: Buffer) => {
      last = one;
    });
    client.send(bytes('GET /own'));
    await client.response();
    return eventually('a session', async () => last ?? (options.maxVersion && client.socket.getSession()) ?? undefined);
  }

  async function isResumed(t: TestContext, world: World, options: TlsClientOptions): Promise<boolean> {
    return (await open(t, world, options)).socket.isSessionReused();
  }

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${maxVersion}: are resumed, also after the certificates were read anew`, async (t) => {
      const world = await start(t);
      const known = await session(t, world, { maxVersion });
      assert.equal(await isResumed(t, world, { maxVersion, session: known }), true);
      await reload(world, { certificates: [pair(rsa)] });
      assert.equal(await isResumed(t, world, { maxVersion, session: known }), true);
      assert.equal(servedName(await open(t, world)), 'rsa');
    });
  }

  test('are resumed by every process that has the same keys, and by no other', async (t) => {
    const ticketKeys = Buffer.alloc(48, 'keys');
    const [first, second, other] = [
      await start(t, { overrides: { ticketKeys } }),
      await start(t, { overrides: { ticketKeys } }),
      await start(t),
    ];
    const known = await session(t, first, {});
    assert.equal(await isResumed(t, other, { session: known }), false);
    assert.equal(await isResumed(t, second, { session: known }), true);
  });

  test('are not resumed where other client certificates are good now', async (t) => {
    const [one, another] = ['one', 'another'].map((name) => makeAuthority(folder, name)) as [never, never];
    const client = makeCertificates(folder, { name: 'client-of-one', ca: one });
    const credentials = { cert: client.cert, key: client.key };
    const terms = (ca: { caFile: string }): Tls => ({
      certificates: [pair(ecdsa)],
      clientAuth: 'request',
      ca: ca.caFile,
    });
    const world = await start(t, { tls: terms(one) });
    const known = await session(t, world, credentials);
    assert.equal(await isResumed(t, world, { ...credentials, session: known }), true);
    await reload(world, terms(another));
    assert.equal(await isResumed(t, world, { session: known }), false);
  });
});

suite('certificates of clients', { concurrency: true }, () => {
  const terms = (clientAuth: 'request' | 'require'): Partial<Tls> => ({ clientAuth, ca: ecdsa.caFile });
  const shows = ({ cert, key }: Certificates): TlsClientOptions => ({ cert, key });
  let good: Certificates;
  let bad: Certificates;

  before(() => {
    good = makeCertificates(folder, { name: 'good-client' });
    bad = makeCertificates(folder, { name: 'bad-client', ca: makeAuthority(folder, 'strange') });
  });

  /** In TLS 1.3 a client learns after its own handshake that it is refused. */
  async function isRefused(t: TestContext, world: World, options: TlsClientOptions): Promise<boolean> {
    try {
      return !(await serves(t, world, options));
    } catch {
      return true;
    }
  }

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${maxVersion}, require: nobody is served without a good one`, async (t) => {
      const log = new KeptLog();
      const world = await start(t, { tls: terms('require'), overrides: { log } });
      assert.ok(await serves(t, world, { maxVersion, ...shows(good) }));
      assert.ok(await isRefused(t, world, { maxVersion, ...shows(bad) }));
      assert.ok(await isRefused(t, world, { maxVersion }));
      await eventually('two failures', async () =>
        (await world.metric('headgate_tls_handshake_failures_total')) === 2 ? true : undefined,
      );
      const [event] = log.matching(/TLS handshake failed/);
      assert.match(String(event?.fields.reason), /client certificate: UNABLE_TO_VERIFY_LEAF_SIGNATURE/);
      assert.deepEqual(
        world.log.map(({ status }) => status),
        [200],
      );
    });

    test(`${maxVersion}, request: none is fine, a bad one is not`, async (t) => {
      const world = await start(t, { tls: terms('request') });
      assert.ok(await serves(t, world, { maxVersion, ...shows(good) }));
      assert.ok(await serves(t, world, { maxVersion }));
      assert.ok(await isRefused(t, world, { maxVersion, ...shows(bad) }));
      assert.deepEqual(
        world.log.map(({ status }) => status),
        [200, 200],
      );
    });
  }
});

suite('what is no handshake', { concurrency: true }, () => {
  test('HTTP in clear is answered so, in clear, and logged', async (t) => {
    const world = await start(t);
    const client = await world.client();
    client.send(bytes('GET /'));
    const answer = await client.response();
    assert.equal(answer.status, 400);
    assert.match(answer.text(), /This port speaks TLS/);
    await client.untilEnded();
    assert.equal((await world.logged()).status, 400);
    assert.equal(world.origin.connections.length, 0);
    await world.untilIdle();
  });

  test('TLS where HTTP is spoken in clear is refused', async (t) => {
    const world = await World.start(t);
    await assert.rejects(openTls(world.gateway.port()), /wrong version number|packet length too long|closed/i);
    const { status, reason } = await world.logged();
    assert.deepEqual([status, reason], [400, 'DPE']);
  });

  test('garbage ends a connection, is counted, and logged once however much of it comes', async (t) => {
    const log = new KeptLog();
    const world = await start(t, { overrides: { log } });
    for (let n = 0; n < 5; n++) {
      const client = await world.client();
      client.send(Buffer.from([22, 9, 9, 0, 1, 0]));
      await client.untilEnded();
    }
    const cut = await world.client();
    cut.send(Buffer.from([22, 3, 1, 2, 0, 1]));
    cut.destroy();
    await eventually('six failures', async () =>
      (await world.metric('headgate_tls_handshake_failures_total')) === 6 ? true : undefined,
    );
    assert.equal(log.matching(/TLS handshake failed/).length, 1);
    assert.ok(await serves(t, world));
    await world.untilIdle();
  });

  test('a connection that says nothing and goes is no failure', async (t) => {
    const world = await start(t);
    const probe = await world.client();
    probe.halfClose();
    await probe.untilClosed();
    assert.equal(await world.metric('headgate_tls_handshake_failures_total'), 0);
    await world.untilIdle();
  });

  test('a handshake has ten seconds, or timeouts.headers where that is less', async (t) => {
    for (const [headers, patienceMs] of [
      ['60s', 10_000],
      ['2s', 2000],
    ] as const) {
      const clock = new WatchedClock();
      const world = await start(t, { listener: { timeouts: { headers } }, overrides: { clock } });
      const silent = await world.client();
      const slow = await world.client();
      slow.send(Buffer.from([22, 3, 1, 2, 0, 1]));
      await eventually('two connections', async () =>
        (await world.metric('headgate_connections')) === 2 ? true : undefined,
      );
      await clock.pass(patienceMs - 100);
      assert.deepEqual([silent.ended, slow.ended], [false, false]);
      await clock.pass(200);
      await Promise.all([silent.untilEnded(), slow.untilEnded()]);
      assert.equal(await world.metric('headgate_tls_handshake_failures_total'), 1);
      assert.equal(await world.metric('headgate_connections'), 0);
    }
  });

  test('maxConnections counts those that are still in their handshake', async (t) => {
    const world = await start(t, { listener: { maxConnections: 1 } });
    const waiting = await world.client();
    await assert.rejects(open(t, world));
    waiting.destroy();
    await eventually('room again', async () => ((await serves(t, world).catch(() => false)) ? true : undefined));
  });

  test('a gateway that stops waits for no handshake', async (t) => {
    const clock = new FakeClock();
    const world = await start(t, { overrides: { clock } });
    const waiting = await world.client();
    await eventually('a connection', async () =>
      (await world.metric('headgate_connections')) === 1 ? true : undefined,
    );
    const stopped = world.gateway.gateway.stop({ delayMs: 0, graceMs: 60_000 });
    await waiting.untilEnded();
    await clock.advance(0);
    await stopped;
  });
});

test('a client that is reset is forgotten', async (t) => {
  const world = await start(t);
  const client = await open(t, world);
  client.tcp.resetAndDestroy();
  await world.untilIdle();
});

test('one answer is one TLS record', async (t) => {
  const world = await start(t);
  const client = await open(t, world);
  client.send(bytes('GET /own'));
  await client.response();
  const [plain, encrypted] = [client.received.length, client.tcp.bytesRead];
  client.send(bytes('GET /own'));
  await client.response(2);
  // A record of TLS 1.3 has 5 octets of head, one of type and 16 of tag.
  assert.equal(client.tcp.bytesRead - encrypted, client.received.length - plain + 22);
});
