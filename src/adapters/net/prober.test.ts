import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { FakeClock } from '../../testing/fake-clock.ts';
import type { EndpointAddress } from '../../upstream/endpoint-address.ts';
import { NameCache } from '../../upstream/name-cache.ts';
import type { HealthCheckModel } from '../../upstream/upstream-model.ts';
import { NetProber } from './prober.ts';

const httpCheck: HealthCheckModel = {
  type: 'http',
  path: '/healthz',
  intervalMs: 5000,
  timeoutMs: 5000,
  fall: 3,
  rise: 2,
  status: [
    [200, 299],
    [304, 304],
  ],
  port: undefined,
  host: undefined,
  headers: {},
};
const tcpCheck: HealthCheckModel = { ...httpCheck, type: 'tcp' };
const clock = new FakeClock();
const noNames = { resolve: () => Promise.reject(new Error('no names here')) };
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const prober = new NetProber(new NameCache({ resolver: noNames, clock, random: Math.random, log }));

async function listen(t: TestContext, server: net.Server, path?: string): Promise<EndpointAddress> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  if (path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  if (path !== undefined) return { kind: 'unix', path, authority: 'localhost' };
  const { port } = server.address() as AddressInfo;
  return { kind: 'tcp', host: '127.0.0.1', port, authority: `127.0.0.1:${port}` };
}

const raw = (t: TestContext, onSocket: (socket: net.Socket) => void): Promise<EndpointAddress> =>
  listen(
    t,
    net.createServer((socket) => {
      // A socket that is not read does not notice its end.
      socket.resume();
      onSocket(socket);
    }),
  );

async function nobody(): Promise<EndpointAddress> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return { kind: 'tcp', host: '127.0.0.1', port, authority: `127.0.0.1:${port}` };
}

describe('http checks', () => {
  it('judge by the ranges of statuses', async (t) => {
    let status = 200;
    const address = await listen(
      t,
      http.createServer((_, response) => response.writeHead(status).end()),
    );
    for (const [answer, ok] of [
      [200, true],
      [299, true],
      [304, true],
      [300, false],
      [404, false],
      [500, false],
    ] as const) {
      status = answer;
      const result = await prober.probe(address, httpCheck);
      assert.deepEqual([result.ok, result.detail], [ok, `status ${answer}`]);
      assert.ok(result.durationMs >= 0);
    }
  });

  it('ask for the path with the host and headers of the check, on a connection that ends', async (t) => {
    const server = http.createServer((_, response) => response.end());
    const address = await listen(t, server);
    const asked = async (check: HealthCheckModel): Promise<http.IncomingMessage> => {
      const [[request]] = await Promise.all([once(server, 'request'), prober.probe(address, check)]);
      return request;
    };
    const plain = await asked(httpCheck);
    assert.deepEqual([plain.method, plain.url, plain.headers.host], ['GET', '/healthz', address.authority]);
    assert.equal(plain.headers.connection, 'close');
    const other = await asked({ ...httpCheck, host: 'orders.internal', headers: { 'x-token': 'a b' } });
    assert.deepEqual([other.headers.host, other.headers['x-token']], ['orders.internal', 'a b']);
  });

  it('go to another port where the check says so', async (t) => {
    const server = http.createServer((request, response) => {
      response.statusCode = request.headers.host === `127.0.0.1:${port}` ? 200 : 500;
      response.end();
    });
    const address = await listen(t, server);
    const { port } = server.address() as AddressInfo;
    assert.ok(address.kind === 'tcp');
    const elsewhere = { ...address, port: 1, authority: '127.0.0.1:1' };
    assert.deepEqual((await prober.probe(elsewhere, { ...httpCheck, port })).detail, 'status 200');
  });

  it('work over unix sockets', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'prober-'));
    t.after(() => rm(folder, { recursive: true }));
    const address = await listen(
      t,
      http.createServer((_, response) => response.end()),
      join(folder, 's'),
    );
    assert.equal((await prober.probe(address, httpCheck)).ok, true);
    assert.equal((await prober.probe(address, tcpCheck)).ok, true);
  });

  it('survive an endless body, and close the connection', async (t) => {
    const ended: Promise<unknown>[] = [];
    const server = http.createServer((_, response) => {
      ended.push(once(response, 'close'));
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
      };
      response.on('drain', more);
      more();
    });
    const address = await listen(t, server);
    assert.equal((await prober.probe(address, httpCheck)).ok, true);
    await Promise.all(ended);
  });

  it('end after the timeout: without a head, and with a body that does not end', async (t) => {
    const closes: Promise<unknown>[] = [];
    const silent = await raw(t, (socket) => void closes.push(once(socket, 'close')));
    const check = { ...httpCheck, timeoutMs: 30 };
    assert.deepEqual((await prober.probe(silent, check)).detail, 'timed out after 30 ms');
    const slow = await raw(t, (socket) => {
      closes.push(once(socket, 'close'));
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx');
    });
    assert.equal((await prober.probe(slow, check)).ok, true);
    await Promise.all(closes);
  });

  it('fail, and never throw, on whatever else comes back', async (t) => {
    const answers: [string, RegExp][] = [
      ['', /ECONNRESET|hang up|closed/],
      ['HTTP/1.1 200 OK\r\nContent-', /ECONNRESET|hang up|closed/],
      ['SSH-2.0-OpenSSH\r\n', /Parse Error/],
      ['HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n', /status 101/],
    ];
    for (const [answer, detail] of answers) {
      const address = await raw(t, (socket) => {
        socket.once('data', () => socket.end(answer));
      });
      const result = await prober.probe(address, httpCheck);
      assert.equal(result.ok, false, answer);
      assert.match(result.detail, detail);
    }
    const refused = await prober.probe(await nobody(), httpCheck);
    assert.deepEqual([refused.ok, /ECONNREFUSED/.test(refused.detail)], [false, true]);
    const reset = await raw(t, (socket) => socket.resetAndDestroy());
    assert.equal((await prober.probe(reset, httpCheck)).ok, false);
    const badHeader = { ...httpCheck, headers: { 'x-a': 'line\nbreak' } };
    assert.match((await prober.probe(await nobody(), badHeader)).detail, /Invalid character/);
    const badPort = { kind: 'tcp', host: '127.0.0.1', port: 70_000, authority: 'x' } as const;
    for (const check of [httpCheck, tcpCheck]) assert.equal((await prober.probe(badPort, check)).ok, false);
  });
});

/** Keeps the loop busy until a timeout that began before has passed. */
function busyFor(timeoutMs: number): void {
  const untilMs = performance.now() + 2 * timeoutMs;
  while (performance.now() < untilMs);
}

describe('a loop that was busy past the timeout', () => {
  it('finds the answer that arrived meanwhile', async (t) => {
    const timeoutMs = 50;
    const address = await raw(t, (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        busyFor(timeoutMs);
      });
    });
    const { ok, detail } = await prober.probe(address, { ...httpCheck, timeoutMs });
    assert.deepEqual([ok, detail], [true, 'status 200']);
  });

  it('finds the connection that was made meanwhile', async (t) => {
    const timeoutMs = 50;
    const address = await raw(t, () => {});
    // Behind `setImmediate` the loop comes to its timers before it polls.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const probed = prober.probe(address, { ...tcpCheck, timeoutMs });
    // Node connects on the next tick.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    busyFor(timeoutMs);
    const { ok, detail } = await probed;
    assert.deepEqual([ok, detail], [true, 'connected']);
  });
});

describe('tcp checks', () => {
  it('ask only whether a connection is accepted, and close it', async (t) => {
    const closes: Promise<unknown>[] = [];
    const address = await raw(t, (socket) => {
      closes.push(once(socket, 'close'));
    });
    const result = await prober.probe(address, tcpCheck);
    assert.deepEqual([result.ok, result.detail], [true, 'connected']);
    await Promise.all(closes);
    assert.equal(closes.length, 1);
  });

  it('fail where nobody listens', async () => {
    const result = await prober.probe(await nobody(), tcpCheck);
    assert.deepEqual([result.ok, /ECONNREFUSED/.test(result.detail)], [false, true]);
  });
});
