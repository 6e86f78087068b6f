import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import WebSocket, { WebSocketServer } from 'ws';
import type { HeadgateConfig } from '../../src/config/schema.ts';
import { type Certificates, makeAuthority, makeCertificates } from '../kit/certificates.ts';
import { chunkedReply, type OriginConnection, type OriginOptions, RawOrigin, reply } from '../kit/raw-origin.ts';
import { all, bytes, eventually, World, type WorldOptions } from './world.ts';

type Tls = NonNullable<NonNullable<HeadgateConfig['upstreams']>[string]['tls']>;

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'headgate-https-'));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

interface SecureWorld {
  readonly world: World;
  readonly certificates: Certificates;
  readonly dir: string;
}

interface SecureOptions {
  readonly san?: readonly string[];
  readonly days?: number;
  readonly tls?: Partial<Tls>;
  readonly origin?: OriginOptions;
  readonly world?: WorldOptions;
}

/** A gateway before one https origin that has a certificate for 127.0.0.1. */
async function secure(t: TestContext, options: SecureOptions = {}): Promise<SecureWorld> {
  const dir = folder(t);
  const san = options.san ?? ['127.0.0.1'];
  const days = options.days === undefined ? {} : { days: options.days };
  const certificates = makeCertificates(dir, { name: 'origin', san, ...days });
  const { cert, key } = certificates;
  const { origin = {}, tls = { ca: certificates.caFile }, world = {} } = options;
  const { upstream, ...others } = world;
  const started = await World.start(t, {
    origins: [{ ...origin, tls: { cert, key, ...origin.tls } }],
    upstream: { ...upstream, tls: { verify: true, ...tls } },
    ...others,
  });
  return { world: started, certificates, dir };
}

const socketOf = (world: World, n = 1): TLSSocket => world.origin.connections[n - 1]!.socket as TLSSocket;

describe('an https endpoint', () => {
  test('is asked over TLS 1.3, under its own name, on a connection that is kept', async (t) => {
    const { world } = await secure(t);
    const client = await world.client();
    for (let n = 1; n <= 3; n++) {
      client.send(bytes('GET /x'));
      const response = await client.response(n);
      assert.equal(response.status, 200);
      const fields = JSON.parse(response.text()).fields as [string, string][];
      const hosts = fields.filter(([name]) => name.toLowerCase() === 'host').map(([, value]) => value);
      assert.deepEqual(hosts, [`127.0.0.1:${world.origin.port}`]);
    }
    assert.equal(world.origin.connections.length, 1);
    assert.equal(socketOf(world).getProtocol(), 'TLSv1.3');
    assert.equal(socketOf(world).alpnProtocol, false, 'the origin offered none');
    // An address is no name (RFC 6066).
    assert.equal(socketOf(world).servername, false);
  });

  test('is offered http/1.1 by ALPN, and the name that the configuration gives', async (t) => {
    const { certificates } = await secure(t, { san: ['orders.test'] });
    const { cert, key, caFile } = certificates;
    const world = await World.start(t, {
      origins: [{ tls: { cert, key, ALPNProtocols: ['h2', 'http/1.1'] } }],
      upstream: { tls: { ca: caFile, servername: 'orders.test' } },
    });
    assert.equal((await world.ask('GET /')).status, 200);
    assert.equal(socketOf(world).alpnProtocol, 'http/1.1');
    assert.equal(socketOf(world).servername, 'orders.test');
  });

  test('resumes its session on the next connection', async (t) => {
    const reused: boolean[] = [];
    const onConnection = ({ socket }: OriginConnection): void => {
      reused.push((socket as TLSSocket).isSessionReused());
    };
    const { world } = await secure(t, { origin: { closeAfter: 1, onConnection } });
    for (let n = 1; n <= 3; n++) {
      assert.equal((await world.ask('GET /')).status, 200);
      await world.origin.untilClosed(world.origin.connections[n - 1]!);
    }
    assert.deepEqual(reused, [false, true, true]);
  });

  test('gives and takes bodies of any size and framing', async (t) => {
    const body = 'abcdefgh'.repeat(64 * 1024);
    const { world } = await secure(t, {
      origin: {
        onRequest: ({ message }, connection) => {
          const trailers: [string, string][] = [['X-End', '1']];
          if (message.target === '/chunked') connection.send(chunkedReply(200, [], [body, 'end'], trailers));
          else connection.send(reply(200, [], message.text()));
        },
      },
    });
    assert.equal((await world.ask('POST /echo', [], body)).text(), body);
    const chunked = await world.ask('GET /chunked');
    assert.equal(chunked.text(), `${body}end`);
    assert.equal(world.origin.connections.length, 1);
  });

  test('pauses where its client does not read, and loses nothing', async (t) => {
    const size = 8 * 1024 * 1024;
    const { world } = await secure(t, {
      origin: { onRequest: (_, connection) => connection.send(reply(200, [], 'x'.repeat(size))) },
    });
    const client = await world.client({ reads: false, keepBody: false });
    client.send(bytes('GET /big'));
    await world.origin.request();
    const { socket } = world.origin.connections[0]!;
    // What the kernel and the gateway do not take stays with the origin.
    await eventually('a held answer', async () => (socket.writableLength > 1024 * 1024 ? true : undefined));
    client.resume();
    assert.equal((await client.response()).bodyBytes, size);
  });

  test('closes, half-way through an answer and before one, as any other', async (t) => {
    const { world } = await secure(t, {
      origin: {
        onRequest: ({ message }, connection) => {
          if (message.target === '/half') connection.truncate('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', 1000);
          else connection.socket.destroy();
        },
      },
      world: { route: { retry: false } },
    });
    const client = await world.client();
    client.send(bytes('GET /half'));
    await assert.rejects(client.response());
    assert.equal((await world.ask('GET /gone')).status, 502);
    assert.equal((await world.logged(2)).reason, 'UC');
  });

  test('is checked over TLS, under the same rules', async (t) => {
    const { world } = await secure(t, { world: { upstream: { healthCheck: { path: '/healthz', interval: '1s' } } } });
    const probe = await world.origin.request();
    assert.equal(probe.message.target, '/healthz');
    const untrusted = await secure(t, { tls: {}, world: { upstream: { healthCheck: { interval: '1s' } } } });
    const state = await eventually('a verdict', async () => {
      const url = untrusted.world.gateway.adminUrl('/api/v1/upstreams');
      const [origin] = (await (await fetch(url)).json()) as {
        endpoints: { name: string; state: string; reason: string }[];
      }[];
      return origin!.endpoints[0]!.state === 'down' ? origin!.endpoints[0] : undefined;
    });
    assert.match(state.reason, /self-signed|unable to (get|verify)/);
    assert.equal(state.name, `https://127.0.0.1:${untrusted.world.origin.port}`);
  });

  test('serves WebSockets', async (t) => {
    const { world, certificates } = await secure(t);
    const server = createHttpsServer({ cert: certificates.cert, key: certificates.key });
    new WebSocketServer({ server }).on('connection', (socket) => {
      socket.on('message', (data) => socket.send(`echo ${data}`));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    const tunnelled = await World.start(t, {
      origins: [],
      endpoints: [`https://127.0.0.1:${port}`],
      upstream: { tls: { ca: certificates.caFile } },
    });
    assert.ok(world);
    const socket = new WebSocket(`ws://127.0.0.1:${tunnelled.gateway.port()}/`);
    await once(socket, 'open');
    const text = 'y'.repeat(300_000);
    socket.send(text);
    const [answer] = await once(socket, 'message');
    assert.equal(String(answer), `echo ${text}`);
    socket.close();
    await once(socket, 'close');
    server.close();
  });
});

describe('an endpoint whose certificate is not accepted', () => {
  const cases: [name: string, options: SecureOptions, detail: RegExp][] = [
    ['of an authority that is not trusted', { tls: {} }, /authority that is not trusted/],
    ['that has expired', { days: -1 }, /has expired/],
    ['for another name', { san: ['other.test'] }, /is for another name/],
  ];
  for (const [name, options, detail] of cases) {
    test(`one ${name}: 502 UF that says so, and no request reaches it`, async (t) => {
      const { world } = await secure(t, options);
      const response = await world.ask('GET /secret');
      assert.equal(response.status, 502);
      assert.deepEqual(all(response, 'proxy-status'), ['headgate; error=tls_certificate_error; details="UF"']);
      assert.match(JSON.parse(response.text()).detail, detail);
      const logged = await world.logged();
      assert.deepEqual([logged.reason, logged.attempts], ['UF', 2]);
      assert.deepEqual(world.origin.heads, []);
    });
  }

  test('is ejected like one that refuses connections', async (t) => {
    const { world } = await secure(t, {
      tls: {},
      world: {
        endpoints: ['http://127.0.0.1:1'],
        upstream: { balance: 'round-robin', outlierDetection: { consecutiveFailures: 2 } },
        route: { retry: false },
      },
    });
    for (let n = 0; n < 4; n++) await world.ask('GET /');
    assert.equal(await world.metric('headgate_ejections_total'), 1);
  });

  test('is spoken to all the same with verify: false', async (t) => {
    const { world } = await secure(t, { san: ['other.test'], days: -1, tls: { verify: false } });
    assert.equal((await world.ask('GET /')).status, 200);
  });
});

test('an endpoint that does not speak TLS: 502 UF', async (t) => {
  const world = await World.start(t, { origins: [{ onConnection: (connection) => connection.send(reply(400)) }] });
  const plain = await World.start(t, { origins: [], endpoints: [world.origin.url.replace('http:', 'https:')] });
  const response = await plain.ask('GET /');
  assert.deepEqual(all(response, 'proxy-status'), ['headgate; error=tls_protocol_error; details="UF"']);
  assert.equal(response.status, 502);
});

test('an endpoint that does not answer the handshake: 504 UF that names the phase', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const world = await World.start(t, {
    origins: [],
    endpoints: [`https://127.0.0.1:${port}`],
    upstream: { timeouts: { connect: '100ms' } },
    route: { retry: false },
  });
  const response = await world.ask('GET /');
  assert.equal(response.status, 504);
  assert.match(JSON.parse(response.text()).detail, /did not complete the TLS handshake in time/);
});

test('an endpoint that asks for a certificate gets the configured one', async (t) => {
  const dir = folder(t);
  const server = makeCertificates(dir, { name: 'origin', san: ['127.0.0.1'] });
  const ours = makeCertificates(dir, { name: 'gateway' });
  const tls = { cert: server.cert, key: server.key, ca: server.ca, requestCert: true, rejectUnauthorized: true };
  const world = await World.start(t, {
    origins: [{ tls }],
    upstream: { tls: { ca: server.caFile, cert: ours.certFile, key: ours.keyFile } },
  });
  assert.equal((await world.ask('GET /')).status, 200);
  assert.equal(socketOf(world).getPeerCertificate().subject.CN, 'gateway');

  const without = await World.start(t, { origins: [{ tls }], upstream: { tls: { ca: server.caFile } } });
  assert.equal((await without.ask('GET /')).status, 502);
});

test('a reload with another authority takes new connections, and what runs ends in peace', async (t) => {
  const dir = folder(t);
  const origin = makeCertificates(dir, { name: 'origin', san: ['127.0.0.1'] });
  const caFile = join(dir, 'trusted.crt');
  writeFileSync(caFile, origin.ca);
  const options: WorldOptions = {
    origins: [{ tls: { cert: origin.cert, key: origin.key } }],
    upstream: { tls: { ca: caFile } },
    route: { retry: false },
  };
  const world = await World.start(t, options);
  const held = await world.client();
  let answer = (): void => {};
  world.origin.script((_, connection) => {
    answer = () => connection.send(reply(200, [], 'late'));
  });
  held.send(bytes('GET /held'));
  await world.origin.request();
  const config = { ...World.config(world.origins, options), admin: { address: '127.0.0.1:0' } };
  const reload = (): Promise<void> => world.gateway.gateway.reload(config);
  const other = makeAuthority(join(dir, 'other'));
  writeFileSync(caFile, readFileSync(other.caFile));
  await reload();
  assert.equal((await world.ask('GET /new')).status, 502, 'the new authority did not issue it');
  answer();
  assert.equal((await held.response()).text(), 'late');
  await world.origin.untilClosed(world.origin.connections[0]!);
  // The same files again: connections stay.
  writeFileSync(caFile, origin.ca);
  await reload();
  world.origin.script((_, connection) => connection.send(reply(200)));
  assert.equal((await world.ask('GET /')).status, 200);
  const count = world.origin.connections.length;
  await reload();
  assert.equal((await world.ask('GET /')).status, 200);
  assert.equal(world.origin.connections.length, count);
});

test('http and https endpoints in one upstream: each is spoken to as its URL says', async (t) => {
  const plain = await RawOrigin.start();
  t.after(() => plain.stop());
  const { world } = await secure(t, { world: { endpoints: [plain.url] } });
  for (let n = 0; n < 4; n++) assert.equal((await world.ask('GET /')).status, 200);
  assert.deepEqual([world.origin.requests.length, plain.requests.length], [2, 2]);
  // One rule for the whole group: each sees its own name.
  assert.equal(plain.requests[0]!.message.get('host'), `127.0.0.1:${plain.port}`);
});
