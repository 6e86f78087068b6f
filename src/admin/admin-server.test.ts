import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ListenAddress } from '../config/snapshot.ts';
import type { Log, LogLevel } from '../ports.ts';
import { type AccessRules, AdminAccess } from './access.ts';
import { AdminServer } from './admin-server.ts';
import type { AdminSource } from './admin-source.ts';
import type { ReloadView, UpstreamView } from './api-types.ts';

class FakeSource implements AdminSource {
  isReady = true;
  reloads = 0;
  reloadResult: ReloadView = { ok: true };
  level: LogLevel | undefined;
  fail = false;

  ready(): boolean {
    return this.isReady;
  }
  config() {
    if (this.fail) throw new Error('inside /secret/path.ts');
    return { hash: 'abc', config: { store: 'memory' } };
  }
  routes() {
    return [];
  }
  upstreams(): UpstreamView[] {
    const endpoint = { weight: 1, inFlight: 0, connections: { open: 2, idle: 1 }, ejectedForMs: null } as const;
    return [
      {
        name: 'orders',
        balance: 'least-request',
        panic: false,
        healthy: 1,
        total: 2,
        retryBudgetRatio: 0,
        endpoints: [
          { ...endpoint, name: '10.0.0.1:9000', state: 'up', reason: '', latencyMs: 1.5, failures: 0 },
          {
            ...endpoint,
            name: '10.0.0.2:9000',
            state: 'ejected',
            reason: 'five "resets", in a row',
            latencyMs: null,
            failures: 5,
            ejectedForMs: 4000,
          },
        ],
      },
    ];
  }
  limits() {
    return [];
  }
  fleet() {
    return { size: 1, store: { kind: 'memory', up: true }, instances: [] } as const;
  }
  async metricsText() {
    return '# TYPE a gauge\na 1\n';
  }
  async reload() {
    this.reloads++;
    return this.reloadResult;
  }
  setLogLevel(level: LogLevel) {
    this.level = level;
  }
}

class RecordingLog implements Log {
  readonly lines: unknown[] = [];
  debug(): void {}
  info(): void {}
  warn(): void {}
  error(message: string, fields?: Record<string, unknown>): void {
    this.lines.push(message, fields);
  }
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

interface Call {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

interface Running {
  readonly source: FakeSource;
  readonly server: AdminServer;
  readonly log: RecordingLog;
  readonly address: string;
  readonly port: number;
  call(path: string, call?: Call): Promise<Answer>;
}

const NO_RULES: AccessRules = { tokens: [], allowedHosts: [] };
const TOKENS: AccessRules = {
  tokens: [
    { token: 'reader-token', role: 'read' },
    { token: 'writer-token', role: 'write' },
  ],
  allowedHosts: ['gateway.internal'],
};
/** As a proxy on this machine would send it: so the connection is not free, though it comes over loopback. */
const RELAYED = { 'x-forwarded-for': '203.0.113.9' };

async function running(t: TestContext, rules: AccessRules = NO_RULES, listen?: ListenAddress): Promise<Running> {
  const source = new FakeSource();
  const log = new RecordingLog();
  const server = new AdminServer(source, rules, log);
  const address = await server.listen(listen ?? { kind: 'tcp', host: '127.0.0.1', port: 0 });
  t.after(() => server.close());
  const port = Number(address.split(':').at(-1));
  const target = listen?.kind === 'unix' ? { socketPath: listen.path } : { host: '127.0.0.1', port };
  const call = (path: string, { method = 'GET', headers = {}, body = '' }: Call = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const request = httpRequest({ ...target, path, method, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const answer = { status: response.statusCode ?? 0, headers: response.headers };
          resolve({ ...answer, body: Buffer.concat(chunks).toString() });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  return { source, server, log, address, port, call };
}

test('health and metrics answer everybody, whatever the Host', async (t) => {
  const { call, source } = await running(t);
  for (const headers of [{}, { host: 'evil.example' }, RELAYED, { origin: 'http://evil.example' }]) {
    assert.equal((await call('/livez', { headers })).status, 200);
    assert.equal((await call('/readyz', { headers })).status, 200);
    const metrics = await call('/metrics', { headers });
    assert.equal(metrics.status, 200);
    assert.equal(metrics.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    assert.match(metrics.body, /^a 1$/m);
  }
  source.isReady = false;
  assert.equal((await call('/readyz')).status, 503);
  assert.equal((await call('/livez')).status, 200);
});

test('on loopback the API is free under loopback names and allowed hosts only', async (t) => {
  const { call, port } = await running(t, TOKENS);
  const statusFor = async (host: string) => (await call('/api/v1/config', { headers: { host } })).status;
  for (const host of [`127.0.0.1:${port}`, 'localhost', `LOCALHOST:${port}`, '[::1]:9901', 'gateway.internal:80']) {
    assert.equal(await statusFor(host), 200, host);
  }
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.nip.io',
    '10.0.0.1',
    'localhost@evil',
    '[::1',
  ]) {
    assert.equal(await statusFor(host), 403, host);
  }
});

test('on loopback another origin is refused, its own is not', async (t) => {
  const { call, port } = await running(t);
  const statusFor = async (origin: string) =>
    (await call('/api/v1/reload', { method: 'POST', headers: { host: `localhost:${port}`, origin } })).status;
  assert.equal(await statusFor(`http://localhost:${port}`), 200);
  for (const origin of ['http://evil.example', 'null', 'http://localhost:3000', `https://localhost:${port}`]) {
    assert.equal(await statusFor(origin), 403, origin);
  }
});

test('elsewhere a token is needed, and its role counts', async (t) => {
  const { call, source } = await running(t, TOKENS);
  const statusFor = async (path: string, token: string | undefined, method = 'GET') => {
    const headers: Record<string, string> = { ...RELAYED, host: 'any.example' };
    if (token !== undefined) headers.authorization = token;
    return (await call(path, { method, headers })).status;
  };
  assert.equal(await statusFor('/api/v1/config', undefined), 401);
  assert.equal(await statusFor('/api/v1/config', 'Bearer wrong'), 401);
  assert.equal(await statusFor('/api/v1/config', 'Basic reader-token'), 401);
  assert.equal(await statusFor('/nothing-here', undefined), 401);
  assert.equal(await statusFor('/api/v1/config', 'Bearer reader-token'), 200);
  assert.equal(await statusFor('/', 'bearer writer-token'), 200);
  assert.equal(await statusFor('/api/v1/reload', 'Bearer reader-token', 'POST'), 403);
  assert.equal(source.reloads, 0);
  assert.equal(await statusFor('/api/v1/reload', 'Bearer writer-token', 'POST'), 200);
  assert.equal(source.reloads, 1);
  const refused = await call('/api/v1/config', { headers: RELAYED });
  assert.equal(refused.headers['www-authenticate'], 'Bearer realm="headgate"');
});

test('elsewhere without tokens configured the answer says what to set', async (t) => {
  const { call } = await running(t);
  const answer = await call('/api/v1/config', { headers: { ...RELAYED, authorization: 'Bearer x' } });
  assert.equal(answer.status, 403);
  assert.equal(JSON.parse(answer.body).detail, 'set admin.tokens');
});

test('a connection whose addresses are not both loopback is not free', () => {
  const access = new AdminAccess(NO_RULES);
  const check = (localAddress: string | undefined, remoteAddress: string | undefined) => {
    const request = { headers: { host: 'localhost' }, socket: { localAddress, remoteAddress } };
    return access.check(request as unknown as IncomingMessage, 'read')?.detail;
  };
  assert.equal(check('127.0.0.1', '127.3.2.1'), undefined);
  assert.equal(check('::1', '::1'), undefined);
  assert.equal(check('::ffff:127.0.0.1', '::ffff:127.0.0.1'), undefined);
  for (const [local, remote] of [
    ['10.0.0.1', '10.0.0.2'],
    ['127.0.0.1', '10.0.0.2'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.2'],
    ['127.0.0.1', undefined],
    [undefined, undefined],
  ]) {
    assert.equal(check(local, remote), 'set admin.tokens', `${local} ${remote}`);
  }
});

test('rules are swapped by a reload', async (t) => {
  const { call, server } = await running(t);
  const asked = { headers: { ...RELAYED, authorization: 'Bearer reader-token' } };
  assert.equal((await call('/api/v1/config', asked)).status, 403);
  server.setRules(TOKENS);
  assert.equal((await call('/api/v1/config', asked)).status, 200);
});

test('what is not there is 404, a wrong method 405 with Allow, and HEAD has no body', async (t) => {
  const { call } = await running(t);
  const missing = await call('/api/v2/config');
  assert.equal(missing.status, 404);
  assert.equal(missing.headers['content-type'], 'application/problem+json');
  const wrong = await call('/api/v1/reload');
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.allow, 'POST');
  assert.equal((await call('/metrics', { method: 'DELETE' })).headers.allow, 'GET, HEAD');
  assert.equal((await call('/api/v1/config', { method: 'constructor' })).status, 400);
  const head = await call('/api/v1/config', { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.body, '');
  assert.notEqual(head.headers['content-length'], '0');
});

test('endpoints as CSV are quoted where they must be', async (t) => {
  const { call } = await running(t);
  const { body, headers } = await call('/api/v1/upstreams?format=csv');
  assert.equal(headers['content-type'], 'text/csv; charset=utf-8');
  assert.deepEqual(body.split('\r\n'), [
    'upstream,endpoint,weight,state,reason,in_flight,latency_ms,connections_open,connections_idle,failures,ejected_for_ms',
    'orders,10.0.0.1:9000,1,up,,0,1.5,2,1,0,',
    'orders,10.0.0.2:9000,1,ejected,"five ""resets"", in a row",0,,2,1,5,4000',
    '',
  ]);
  assert.equal((await call('/api/v1/upstreams?format=xml')).status, 400);
  assert.equal(JSON.parse((await call('/api/v1/upstreams')).body)[0].name, 'orders');
});

test('a reload with a bad configuration answers every error', async (t) => {
  const { call, source } = await running(t);
  source.reloadResult = { ok: false, errors: ['headgate.yaml:3:5: one', 'headgate.yaml:9:1: two'] };
  const answer = await call('/api/v1/reload', { method: 'POST' });
  assert.equal(answer.status, 422);
  assert.deepEqual(JSON.parse(answer.body).errors, ['headgate.yaml:3:5: one', 'headgate.yaml:9:1: two']);
});

test('the log level is set by PUT, and only to a level', async (t) => {
  const { call, source } = await running(t);
  const put = (body: string) => call('/api/v1/log', { method: 'PUT', body });
  assert.equal((await put('{"level":"debug"}')).status, 200);
  assert.equal(source.level, 'debug');
  for (const body of ['', 'null', '{', '{"level":"loud"}', '{"level":["debug"]}']) {
    assert.equal((await put(body)).status, 400, body);
  }
  assert.equal((await put('x'.repeat(70_000))).status, 413);
});

test('a bug is logged, and its stack is not in the answer', async (t) => {
  const { call, source, log } = await running(t);
  source.fail = true;
  const answer = await call('/api/v1/config');
  assert.equal(answer.status, 500);
  assert.ok(!answer.body.includes('secret'));
  assert.match(JSON.stringify(log.lines), /inside/);
});

test('closing does not wait for connections that stand idle or stall', async (t) => {
  const { call, server, port, log } = await running(t);
  await call('/livez');
  const stalled = connect(port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => stalled.once('close', () => resolve()));
  stalled.on('error', () => {});
  await new Promise<void>((resolve) => stalled.once('connect', () => resolve()));
  stalled.write('PUT /api/v1/log HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{');
  await server.close();
  await closed;
  await new Promise(setImmediate);
  assert.deepEqual(log.lines, []);
});

test('a port in use rejects with the error of the system', async (t) => {
  const { port } = await running(t);
  const second = new AdminServer(new FakeSource(), NO_RULES, new RecordingLog());
  await assert.rejects(second.listen({ kind: 'tcp', host: '127.0.0.1', port }), { code: 'EADDRINUSE' });
});

test('a unix socket needs neither Host nor token', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-admin-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'admin.sock');
  const { call, address } = await running(t, NO_RULES, { kind: 'unix', path });
  assert.equal(address, path);
  assert.equal((await call('/api/v1/config', { headers: { host: 'any' } })).status, 200);
});
