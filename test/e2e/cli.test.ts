// The verbs that run a gateway, as a user runs them: the built CLI in a process of its own.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type CliOptions, CliProcess, REPOSITORY, runCli } from '../kit/cli.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One request on a connection of its own. */
function send(url: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(url, { method, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

const GUARD_MS = 15_000;

/** Asks again and again, a request each time, until the answer is true. */
async function eventually(what: string, ask: () => Promise<boolean>): Promise<void> {
  const guard = performance.now() + GUARD_MS;
  while (!(await ask())) if (performance.now() > guard) throw new Error(`waited in vain for ${what}`);
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'headgate-cli-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

interface Started {
  readonly cli: CliProcess;
  readonly url: string;
  readonly admin: string;
}

async function started(t: TestContext, args: readonly string[], options: CliOptions = {}): Promise<Started> {
  const cli = new CliProcess(args, options);
  t.after(() => cli.kill());
  const [, url] = await cli.output(/listening on (http:\/\/[^\s"]+)/);
  const [, admin] = await cli.output(/admin API on (http:\/\/[^\s"]+)/);
  // The last line of what a gateway says when it has started.
  await cli.output(/store: /);
  return { cli, url: url!, admin: admin! };
}

/** A gateway that answers `says` itself; `shutdown.delay` is longer than any test. */
const configText = (says: string): string => `
listeners: [{ address: 127.0.0.1:0 }]
admin: { address: 127.0.0.1:0 }
shutdown: { delay: 10m, grace: 10m }
routes: [{ name: all, respond: { status: 200, body: ${says} } }]
`;

async function startedFile(t: TestContext, ...args: string[]): Promise<Started & { file: string }> {
  const file = join(folder(t), 'headgate.yaml');
  writeFileSync(file, configText('one'));
  return { ...(await started(t, ['start', '-c', file, ...args])), file };
}

function events(cli: CliProcess): Record<string, unknown>[] {
  const complete = cli.stdout.slice(0, cli.stdout.lastIndexOf('\n') + 1);
  return complete
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

test('start: all that is printed is JSON lines, requests are served and logged, SIGINT ends without the delay', async (t) => {
  const { cli, url, admin } = await startedFile(t);
  const answer = await send(`${url}/orders/7?token=secret`);
  assert.equal(answer.status, 200);
  assert.equal(answer.body, 'one');
  assert.equal((await send(`${admin}/readyz`)).status, 200);
  assert.match((await send(`${admin}/metrics`)).body, /^headgate_http_requests_total\{route="all",.*\} 1$/m);
  await cli.output(/"kind":"access"/);
  const lines = events(cli);
  assert.ok(lines.every(({ kind }) => kind === 'event' || kind === 'access'));
  const access = lines.find(({ kind }) => kind === 'access')!;
  assert.equal(access.path, '/orders/7');
  assert.equal(access.route, 'all');
  assert.equal(access.id, answer.headers['x-request-id']);
  cli.signal('SIGINT');
  assert.deepEqual(await cli.exited(), { code: 0, signal: null });
  assert.equal(cli.stderr, '');
});

test('SIGTERM: readiness fails while requests are still served; a second signal ends at once', async (t) => {
  const { cli, url, admin } = await startedFile(t);
  cli.signal('SIGTERM');
  await eventually('readiness to fail', async () => (await send(`${admin}/readyz`)).status === 503);
  assert.equal((await send(`${admin}/livez`)).status, 200);
  assert.equal((await send(url)).status, 200);
  assert.equal(cli.exit, undefined);
  cli.signal('SIGTERM');
  assert.deepEqual(await cli.exited(), { code: 0, signal: null });
});

test('SIGHUP loads the file again; a bad file is reported with its lines and changes nothing', async (t) => {
  const { cli, url, admin, file } = await startedFile(t);
  writeFileSync(file, configText('two'));
  cli.signal('SIGHUP');
  await cli.output(/configuration reloaded/);
  assert.equal((await send(url)).body, 'two');
  writeFileSync(file, `${configText('three')}routs: []\nlimits: { a: { window: 1 } }\nsecrt: x\n`);
  cli.signal('SIGHUP');
  await cli.output(/reload failed, nothing was changed/);
  for (const line of [6, 7, 8]) assert.match(cli.stdout, new RegExp(`headgate\\.yaml:${line}:\\d+: `));
  assert.equal((await send(url)).body, 'two');
  const metrics = (await send(`${admin}/metrics`)).body;
  assert.match(metrics, /^headgate_config_reloads_total\{outcome="success"\} 1$/m);
  assert.match(metrics, /^headgate_config_reloads_total\{outcome="failure"\} 1$/m);
  assert.match(metrics, /^headgate_config_last_reload_successful 0$/m);
});

test('POST /api/v1/reload answers with what SIGHUP would log', async (t) => {
  const { admin, url, file } = await startedFile(t);
  writeFileSync(file, configText('two'));
  assert.equal((await send(`${admin}/api/v1/reload`, 'POST')).status, 200);
  assert.equal((await send(url)).body, 'two');
  writeFileSync(file, 'routs: []\nlimts: {}\n');
  const refused = await send(`${admin}/api/v1/reload`, 'POST');
  assert.equal(refused.status, 422);
  assert.equal(JSON.parse(refused.body).errors.length, 2);
  assert.equal((await send(url)).body, 'two');
});

test('--watch loads the file when its content changes, also through the links of a ConfigMap', async (t) => {
  const mount = folder(t);
  const publish = (version: string, says: string): void => {
    mkdirSync(join(mount, version));
    writeFileSync(join(mount, version, 'headgate.yaml'), configText(says));
    symlinkSync(version, join(mount, '..new'));
    renameSync(join(mount, '..new'), join(mount, '..data'));
  };
  publish('..v1', 'one');
  symlinkSync(join('..data', 'headgate.yaml'), join(mount, 'headgate.yaml'));
  const { url } = await started(t, ['start', '-c', join(mount, 'headgate.yaml'), '--watch']);
  assert.equal((await send(url)).body, 'one');
  publish('..v2', 'two');
  await eventually('the new answer', async () => (await send(url)).body === 'two');
  // An editor's way: written beside, then renamed over.
  writeFileSync(join(mount, 'next'), configText('three'));
  renameSync(join(mount, 'next'), join(mount, 'headgate.yaml'));
  await eventually('the third answer', async () => (await send(url)).body === 'three');
});

test('a port in use is one clear line and exit 1', async (t) => {
  const { url } = await startedFile(t);
  const file = join(folder(t), 'headgate.yaml');
  writeFileSync(file, configText('one').replace('127.0.0.1:0', url.replace('http://', '')));
  const second = await runCli(['start', '-c', file]);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /^headgate: cannot listen on 127\.0\.0\.1:\d+: [^\n]*in use[^\n]*\n$/);
});

/** An endpoint that answers when it is told to. */
async function holdingOrigin(t: TestContext): Promise<{ port: number; arrived: Promise<void>; answer: () => void }> {
  const waiting: (() => void)[] = [];
  const origin = { port: 0, arrived: Promise.resolve(), answer: () => waiting.shift()?.() };
  const server = createServer();
  origin.arrived = new Promise((resolve) => {
    server.on('request', (_request, response) => {
      waiting.push(() => response.end('late'));
      resolve();
    });
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin.port = (server.address() as AddressInfo).port;
  return origin;
}

/** A gateway in front of `port` that has a bug: SIGUSR2 runs into it. */
function buggy(t: TestContext, port: number, bug: string): Promise<Started> {
  const preload = `data:text/javascript,${encodeURIComponent(`process.on('SIGUSR2', () => { ${bug}; })`)}`;
  const file = join(folder(t), 'headgate.yaml');
  const addresses = 'listeners: [{ address: 127.0.0.1:0 }]\nadmin: { address: 127.0.0.1:0 }\n';
  writeFileSync(file, `${addresses}routes: [{ upstream: 'http://127.0.0.1:${port}' }]\n`);
  const command = [process.execPath, '--import', preload, join(REPOSITORY, 'dist/cli/main.js')];
  return started(t, ['start', '-c', file], { command });
}

/** How a request is refused for good: one that stood before a socket that was closing this moment is reset, and asks again. */
async function refusal(url: string): Promise<string | undefined> {
  for (;;) {
    const code = await send(url).then(
      ({ status }) => String(status),
      (error: NodeJS.ErrnoException) => error.code,
    );
    if (code !== 'ECONNRESET') return code;
  }
}

for (const [how, bug] of [
  ['thrown', `throw new Error('boom')`],
  ['rejected', `Promise.reject(new Error('boom'))`],
] as const) {
  test(`a bug that nobody caught, ${how}, is logged with its stack; what is in flight is answered, then the end, 1`, async (t) => {
    const { port, arrived, answer } = await holdingOrigin(t);
    const { cli, url } = await buggy(t, port, bug);
    const inFlight = send(url);
    await arrived;
    cli.signal('SIGUSR2');
    await cli.output(/"message":"a bug: the gateway ends"/);
    assert.equal(await refusal(url), 'ECONNREFUSED');
    answer();
    assert.equal((await inFlight).status, 200);
    assert.deepEqual(await cli.exited(), { code: 1, signal: null });
    const logged = events(cli).find(({ stack }) => String(stack).includes('Error: boom'));
    assert.equal(logged?.level, 'error');
  });
}

test('a bug while the gateway drains, and a signal behind it: the end is no good one', async (t) => {
  const { port, arrived } = await holdingOrigin(t);
  const { cli, url } = await buggy(t, port, `throw new Error('boom')`);
  const inFlight = send(url).catch(() => undefined);
  await arrived;
  cli.signal('SIGTERM');
  await cli.output(/draining/);
  cli.signal('SIGUSR2');
  await cli.output(/"message":"a bug: the gateway ends"/);
  cli.signal('SIGTERM');
  assert.deepEqual(await cli.exited(), { code: 1, signal: null });
  await inFlight;
});

test('a reader of the log that stands still holds up neither requests nor the end', async (t) => {
  const { cli, url } = await startedFile(t);
  cli.child.stdout!.pause();
  for (let count = 0; count < 300; count++) assert.equal((await send(`${url}/${'x'.repeat(1000)}`)).status, 200);
  cli.signal('SIGINT');
  const code = await new Promise<number | null>((resolve) => cli.child.once('exit', resolve));
  cli.child.stdout!.resume();
  assert.equal(code, 0);
});

test('proxy: of many requests at once exactly the limit pass, balanced over both', async (t) => {
  const seen = new Map<string, number>();
  const origin = async (name: string): Promise<number> => {
    const server = createServer((_request, response) => {
      seen.set(name, (seen.get(name) ?? 0) + 1);
      response.end(name);
    });
    t.after(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  const to = (port: number): string[] => ['--to', `http://127.0.0.1:${port}`];
  const args = ['proxy', ...to(await origin('a')), ...to(await origin('b')), '--limit', '10/1h', '--port', '0'];
  const { url } = await started(t, args, { env: { HEADGATE_ADMIN: '127.0.0.1:0' } });
  const answers = await Promise.all(Array.from({ length: 100 }, () => send(url)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 10);
  assert.equal(answers.filter(({ status }) => status === 429).length, 90);
  assert.equal((seen.get('a') ?? 0) + (seen.get('b') ?? 0), 10);
  assert.ok(seen.has('a') && seen.has('b'));
});

test('demo: the printed curl works when pasted, the sixth is refused with a reason, a signal ends it', async (t) => {
  // Whether it is this test or another program that holds the port, the demo must say so and go on.
  const holder = createNetServer();
  t.after(() => holder.close());
  await new Promise<void>((resolve) =>
    holder.once('error', () => resolve()).listen(8080, '127.0.0.1', () => resolve()),
  );
  const cli = new CliProcess(['demo']);
  t.after(() => cli.kill());
  const [, url] = await cli.output(/^curl -i (http:\/\/127\.0\.0\.1:\d+\/)$/m);
  await cli.output(/^port 8080 is taken: the gateway is on \d+$/m);
  for (let left = 4; left >= 0; left--) {
    const { status, headers, body } = await send(url!);
    assert.equal(status, 200);
    assert.match(String(headers.ratelimit), new RegExp(`^"per-client";r=${left};t=\\d+$`));
    assert.equal(headers['ratelimit-policy'], '"per-client";q=5;w=10');
    assert.match(JSON.parse(body).backend, /^(quick|steady|slow)$/);
  }
  const refused = await send(url!);
  assert.equal(refused.status, 429);
  assert.equal(JSON.parse(refused.body).reason, 'RL');
  const [, admin] = await cli.output(/admin API on (\S+)/);
  await eventually('its own traffic', async () => {
    const [limit] = JSON.parse((await send(`${admin}/api/v1/limits`)).body);
    return limit.allowed > 5 || /only one loopback address/.test(cli.stdout);
  });
  cli.signal('SIGTERM');
  assert.deepEqual(await cli.exited(), { code: 0, signal: null });
});

test('the environment stands in for what the file leaves open', async (t) => {
  const file = join(folder(t), 'headgate.yaml');
  writeFileSync(file, 'routes: [{ respond: { status: 204 } }]\n');
  const env = { HEADGATE_LISTEN: '127.0.0.1:0', HEADGATE_ADMIN: '127.0.0.1:0' };
  const { url } = await started(t, ['start', '-c', file], { env });
  assert.equal((await send(url)).status, 204);
  assert.notEqual(new URL(url).port, '8080');
  assert.ok(!readFileSync(file, 'utf8').includes('127'));
});
