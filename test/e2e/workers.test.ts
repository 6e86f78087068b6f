// A gateway of several processes, as a user runs it: the built CLI with `workers`.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { makeCertificates } from '../kit/certificates.ts';
import { childrenOf, isAlive, workersOf } from '../kit/children.ts';
import { type CliOptions, CliProcess, freePort, runCli } from '../kit/cli.ts';
import { get, RawClient } from '../kit/http-client.ts';
import { RawOrigin, reply, type Script } from '../kit/raw-origin.ts';
import { startRedis } from '../kit/redis.ts';
import { Gate } from '../kit/wait.ts';

const HEAD = `
listeners: [{ address: 127.0.0.1:0 }]
admin: { address: 127.0.0.1:0 }
shutdown: { delay: 0s, grace: 20s }
`;
const GUARD_MS = 20_000;

/** Asks again and again, a turn of the loop apart, until there is a value. */
async function eventually<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const givesUpAt = performance.now() + GUARD_MS;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > givesUpAt) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'headgate-workers-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

class Running {
  readonly cli: CliProcess;
  readonly file: string;
  port = 0;
  admin = '';
  readonly clients: RawClient[] = [];

  constructor(file: string, config: string, options: CliOptions) {
    this.file = file;
    this.write(config);
    this.cli = new CliProcess(['start', '-c', file], options);
  }

  static async start(t: TestContext, config: string, options: CliOptions = {}): Promise<Running> {
    const running = new Running(join(folder(t), 'headgate.yaml'), config, options);
    t.after(async () => {
      for (const client of running.clients) client.destroy();
      await running.cli.kill();
    });
    running.port = Number((await running.cli.output(/listening on https?:\/\/127\.0\.0\.1:(\d+)/))[1]);
    running.admin = (await running.cli.output(/admin API on (http:\/\/[^\s"]+)/))[1]!;
    await running.cli.output(/store: /);
    return running;
  }

  write(config: string): void {
    const head = config.includes('listeners:') ? HEAD.replace(/^listeners.*$/m, '') : HEAD;
    writeFileSync(this.file, head + config);
  }

  /** Pids of the workers that live. */
  workers(): number[] {
    return workersOf(this.cli.pid);
  }

  /** Those, and one that waits to take the place of another. */
  processes(): number[] {
    return childrenOf(this.cli.pid);
  }

  async connect(count: number): Promise<RawClient[]> {
    const opened = await Promise.all(Array.from({ length: count }, () => RawClient.open(this.port)));
    this.clients.push(...opened);
    return opened;
  }

  async ask(path: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
    return (await get(`http://127.0.0.1:${this.port}${path}`, headers)).status;
  }

  async metric(name: string, labels = ''): Promise<number> {
    const text = (await get(`${this.admin}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(name) && /[{ ]/.test(line.charAt(name.length)));
    const values = lines.filter((line) => line.includes(labels)).map((line) => Number(line.split(' ').at(-1)));
    return values.reduce((sum, value) => sum + value, 0);
  }

  async json<T>(path: string): Promise<T> {
    return JSON.parse((await get(`${this.admin}/api/v1/${path}`)).text()) as T;
  }

  /** Until so many serve, of which none is in `before`. */
  async replaced(before: readonly number[], count: number): Promise<void> {
    await eventually('workers in the place of others', async () => {
      const isNew = this.workers().filter((pid) => !before.includes(pid)).length > 0;
      return isNew && (await this.metric('headgate_workers')) === count ? true : undefined;
    });
  }
}

/** Answers at once, except where the path is `/held`: then when the gate opens. */
function holding(gate: Gate): Script {
  return async ({ message }, connection) => {
    if (message.target === '/held') await gate.opened;
    connection.send(reply(200));
  };
}

async function origin(t: TestContext, script: Script): Promise<RawOrigin> {
  const started = await RawOrigin.start({ onRequest: script, keepBody: false });
  t.after(() => started.stop());
  return started;
}

const bytes = (path: string, lines = ''): string => `GET ${path} HTTP/1.1\r\nHost: gw.test\r\n${lines}\r\n`;

for (const workers of [2, 4]) {
  test(`of 2000 requests at once over ${workers} workers exactly the limit passes`, async (t) => {
    const running = await Running.start(
      t,
      `
workers: ${workers}
log: { access: false }
limits: { window: { key: header.x-run, window: 100/1h }, quota: { key: header.x-run, quota: 100/month } }
routes:
  - { name: window, match: { path: /window }, limits: [window], respond: { status: 200 } }
  - { name: both, limits: [quota, window], respond: { status: 200 } }
`,
    );
    assert.equal(running.workers().length, workers);
    const clients = await running.connect(100);
    for (const [round, path] of ['/window', '/both', '/window'].entries()) {
      for (const client of clients) client.send(bytes(path, `X-Run: ${round}\r\n`).repeat(20));
      await Promise.all(clients.map((client) => client.response((round + 1) * 20)));
      const statuses = clients.flatMap(({ responses }) => responses.slice(round * 20).map(({ status }) => status));
      assert.equal(statuses.filter((status) => status === 200).length, 100);
      assert.equal(statuses.filter((status) => status === 429).length, 1900);
    }
    assert.equal(await running.metric('headgate_http_requests_total', 'status="200"'), 300);
    assert.equal(await running.metric('headgate_http_requests_total', 'status="429"'), 5700);
    assert.equal(await running.metric('headgate_limit_decisions_total', 'outcome="allowed",mode="strict"'), 400);
    assert.equal(await running.metric('headgate_connections'), 100);
    const limits = await running.json<{ name: string; allowed: number; refused: number; mode: string }[]>('limits');
    assert.deepEqual(
      limits.map(({ name, allowed, refused, mode }) => [name, allowed, refused, mode]),
      [
        ['window', 300, 5700, 'strict'],
        ['quota', 100, 1900, 'strict'],
      ],
    );
    const fleet = await running.json<{ size: number; instances: { workers: number }[] }>('fleet');
    assert.deepEqual([fleet.size, fleet.instances.map((one) => one.workers)], [1, [workers]]);
  });
}

test('a worker that is killed costs what it had in flight, and is replaced; nothing that was counted goes', async (t) => {
  const gate = new Gate();
  const held = await origin(t, holding(gate));
  const config = `
workers: 2
limits: { few: { window: 30/1h } }
upstreams: { origin: { endpoints: [${held.url}] } }
routes: [{ name: few, match: { path: /few }, limits: [few], upstream: origin }, { name: all, upstream: origin }]
`;
  const running = await Running.start(t, config);
  const clients = await running.connect(16);
  for (const client of clients) client.send(bytes('/few'));
  await Promise.all(clients.map((client) => client.response()));
  for (const client of clients) client.send(bytes('/held'));
  await eventually('16 in flight', async () => (held.requests.length === 32 ? true : undefined));
  const [view] = await running.json<{ endpoints: { inFlight: number }[] }[]>('upstreams');
  assert.equal(view?.endpoints[0]?.inFlight, 16);
  const total = await running.metric('headgate_http_requests_total', 'route="few"');
  assert.equal(total, 16);
  const before = running.workers();
  process.kill(before[0]!, 'SIGKILL');
  await running.replaced(before, 2);
  gate.open();
  const ends = await Promise.all(
    clients.map((client) =>
      client.until(
        'an answer or the end',
        () => client.responses[1]?.status ?? (client.closed || client.ended || undefined),
      ),
    ),
  );
  const answered = ends.filter((end) => end === 200).length;
  assert.ok(answered > 0 && answered < 16, `${answered} of 16 were answered`);
  assert.equal(await running.metric('headgate_http_requests_total', 'route="few"'), total);
  assert.equal(await running.metric('headgate_worker_restarts_total'), 1);
  const later = await running.connect(20);
  for (const client of later) client.send(bytes('/few'));
  const statuses = await Promise.all(later.map(async (client) => (await client.response()).status));
  assert.equal(statuses.filter((status) => status === 200).length, 14, 'the limit was kept');
  assert.equal(await running.metric('headgate_http_requests_total', 'route="few"'), 36);
});

test('connections that come while every worker is dead wait for the next, at the same address', async (t) => {
  const running = await Running.start(t, 'workers: 2\nroutes: [{ respond: { status: 200 } }]\n');
  for (let round = 0; round < 2; round++) {
    const before = running.workers();
    for (const pid of before) process.kill(pid, 'SIGKILL');
    const clients = await running.connect(10);
    for (const client of clients) client.send(bytes('/'));
    for (const client of clients) {
      // One that was given to a worker in its last moment is lost with it.
      const end = await client.until(
        'an answer or the end',
        () => client.responses[0]?.status ?? (client.closed || client.ended || undefined),
      );
      assert.ok(end === 200 || end === true);
    }
    await eventually('an answer', async () => ((await running.ask('/')) === 200 ? true : undefined));
    await eventually('two workers', async () => ((await running.metric('headgate_workers')) === 2 ? true : undefined));
  }
  assert.equal(await running.metric('headgate_worker_restarts_total'), 4);
});

test('a worker that hangs holds up one connection, and is killed: then that goes to another', async (t) => {
  const running = await Running.start(t, 'workers: 2\nroutes: [{ respond: { status: 200 } }]\n');
  const before = running.workers();
  process.kill(before[0]!, 'SIGSTOP');
  const clients = await running.connect(20);
  for (const client of clients) client.send(bytes('/'));
  const answered = (): number => clients.filter(({ responses }) => responses.length === 1).length;
  await eventually('19 answers', async () => (answered() >= 19 ? true : undefined));
  await running.cli.output(/"message":"a worker hangs and is killed"/, GUARD_MS);
  await Promise.all(clients.map((client) => client.response()));
  await running.replaced(before, 2);
  assert.ok(running.workers().includes(before[1]!), 'the other, which answers, lives on');
  assert.equal(await running.metric('headgate_worker_restarts_total'), 1);
});

test('a process that waits takes the place of a worker that ends, and another waits then', async (t) => {
  const running = await Running.start(t, 'workers: 2\nroutes: [{ respond: { status: 200 } }]\n');
  const three = (): number[] | undefined => (running.processes().length === 3 ? running.processes() : undefined);
  const before = await eventually('a spare process', async () => three());
  const workers = running.workers();
  const [spare] = before.filter((pid) => !workers.includes(pid));
  process.kill(workers[0]!, 'SIGKILL');
  await running.replaced(workers, 2);
  assert.deepEqual(new Set(running.workers()), new Set([workers[1], spare]));
  const after = await eventually('another', async () => three());
  running.cli.signal('SIGKILL');
  await eventually('no orphan', async () => (after.some(isAlive) ? undefined : true));
});

test('a worker that comes later serves each listener as its own, whatever their order in the file is now', async (t) => {
  // The one trusts its peer, and so takes its request id, the other does not.
  const ports = [await freePort(), await freePort()];
  const listeners = ports.map(
    (port, at) => `{ address: 127.0.0.1:${port}, trustedProxies: [${at === 0 ? '' : '127.0.0.1'}] }`,
  );
  const config = (order: readonly string[]): string =>
    `workers: 2\nlisteners: [${order.join(', ')}]\nroutes: [{ respond: { status: 200 } }]\n`;
  const running = await Running.start(t, config(listeners));
  const ids = async (): Promise<unknown[]> => {
    const answers = ports.map((port) => get(`http://127.0.0.1:${port}/`, { 'X-Request-Id': 'mine' }));
    return (await Promise.all(answers)).map((answer) => answer.get('x-request-id') === 'mine');
  };
  assert.deepEqual(await ids(), [false, true]);
  running.write(config(listeners.reverse()));
  assert.equal((await fetch(`${running.admin}/api/v1/reload`, { method: 'POST' })).status, 200);
  const before = running.workers();
  for (const pid of before) process.kill(pid, 'SIGKILL');
  await eventually('two others', async () => {
    const others = running.workers().filter((pid) => !before.includes(pid));
    return others.length === 2 && (await running.metric('headgate_workers')) === 2 ? true : undefined;
  });
  for (let round = 0; round < 4; round++) assert.deepEqual(await ids(), [false, true]);
});

test('signals to all processes drain: what is in flight is answered, then all end, exit 0', async (t) => {
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    const gate = new Gate();
    const held = await origin(t, holding(gate));
    const config = `workers: 2\nupstreams: { o: { endpoints: [${held.url}] } }\nroutes: [{ upstream: o }]\n`;
    const running = await Running.start(t, config);
    const clients = await running.connect(8);
    for (const client of clients) client.send(bytes('/held'));
    await eventually('8 in flight', async () => (held.requests.length === 8 ? true : undefined));
    const workers = running.workers();
    for (const pid of [...workers, running.cli.pid]) process.kill(pid, name);
    await running.cli.output(/draining/);
    await eventually('no longer ready', async () => {
      const { status } = await get(`${running.admin}/readyz`);
      return status === 503 ? true : undefined;
    });
    gate.open();
    for (const client of clients) {
      const answer = await client.response();
      assert.deepEqual([answer.status, answer.get('connection')], [200, 'close']);
    }
    assert.deepEqual(await running.cli.exited(), { code: 0, signal: null });
    assert.deepEqual(workers.filter(isAlive), []);
    assert.equal(running.cli.stderr, '');
    const access = running.cli.stdout.split('\n').filter((line) => line.includes('"kind":"access"'));
    assert.equal(access.length, 8, 'the last lines of the log are there');
  }
});

test('a second signal ends all at once', async (t) => {
  const held = await origin(t, holding(new Gate()));
  const config = `workers: 2\nupstreams: { o: { endpoints: [${held.url}] } }\nroutes: [{ upstream: o }]\n`;
  const running = await Running.start(t, config);
  const [client] = await running.connect(1);
  client!.send(bytes('/held'));
  await eventually('one in flight', async () => (held.requests.length === 1 ? true : undefined));
  const workers = running.workers();
  running.cli.signal('SIGTERM');
  await running.cli.output(/draining/);
  running.cli.signal('SIGTERM');
  assert.deepEqual(await running.cli.exited(), { code: 0, signal: null });
  await eventually('no orphan', async () => (workers.some(isAlive) ? undefined : true));
});

test('workers whose primary is killed answer what is in flight and end', async (t) => {
  const gate = new Gate();
  const held = await origin(t, holding(gate));
  const config = `workers: 2\nupstreams: { o: { endpoints: [${held.url}] } }\nroutes: [{ upstream: o }]\n`;
  const running = await Running.start(t, config);
  const [client] = await running.connect(1);
  client!.send(bytes('/held'));
  await eventually('one in flight', async () => (held.requests.length === 1 ? true : undefined));
  const workers = running.workers();
  running.cli.signal('SIGKILL');
  await eventually('the idle worker to end', async () => (workers.filter(isAlive).length === 1 ? true : undefined));
  gate.open();
  assert.equal((await client!.response()).status, 200);
  await eventually('no orphan', async () => (workers.some(isAlive) ? undefined : true));
});

test('a reload reaches every worker, those that come later too; a bad file none', async (t) => {
  const config = (version: string, more = ''): string =>
    `workers: 2\n${more}routes: [{ respond: { status: 200, headers: { X-Version: '${version}' } } }]\n`;
  const running = await Running.start(t, config('one'));
  const clients = await running.connect(16);
  let round = 0;
  const versions = async (): Promise<string[]> => {
    round++;
    for (const client of clients) client.send(bytes('/'));
    const answers = await Promise.all(clients.map((client) => client.response(round)));
    return [...new Set(answers.map((answer) => String(answer.get('x-version'))))];
  };
  assert.deepEqual(await versions(), ['one']);
  running.write('workers: 2\nroutes: [{ respond: 200 }]\n');
  running.cli.signal('SIGHUP');
  await running.cli.output(/reload failed, nothing was changed/);
  assert.deepEqual(await versions(), ['one']);
  running.write(config('other', 'secret: changed\n').replace('workers: 2', 'workers: 3'));
  const refused = await fetch(`${running.admin}/api/v1/reload`, { method: 'POST' });
  assert.equal(refused.status, 422);
  assert.match(await refused.text(), /a change of workers needs a restart/);
  assert.deepEqual(await versions(), ['one']);
  running.write(config('two'));
  assert.equal((await fetch(`${running.admin}/api/v1/reload`, { method: 'POST' })).status, 200);
  assert.deepEqual(await versions(), ['two'], 'once the answer is there, no connection sees the old one');
  assert.equal(await running.metric('headgate_config_reloads_total', 'success'), 1);
  assert.equal(await running.metric('headgate_config_reloads_total', 'failure'), 2);
  assert.equal(await running.metric('headgate_config_info'), 1);
  const before = running.workers();
  for (const pid of before) process.kill(pid, 'SIGKILL');
  await eventually('the new configuration', async () => {
    const answer = await get(`http://127.0.0.1:${running.port}/`).catch(() => undefined);
    return answer?.get('x-version') === 'two' ? true : undefined;
  });
});

test('the level of the log holds for all workers, those that come later too', async (t) => {
  const running = await Running.start(t, 'workers: 2\nroutes: [{ respond: { status: 200 } }]\n');
  const level = (to: string): Promise<Response> =>
    fetch(`${running.admin}/api/v1/log`, { method: 'PUT', body: JSON.stringify({ level: to }) });
  const warnings = (): number => running.cli.stdout.split('X-Forwarded-For from').length - 1;
  const provoke = async (): Promise<void> => {
    const clients = await running.connect(16);
    for (const client of clients) client.send(bytes('/', 'X-Forwarded-For: 198.51.100.1\r\n'));
    await Promise.all(clients.map((client) => client.response()));
  };
  assert.equal((await level('error')).status, 200);
  const before = running.workers();
  for (const pid of before) process.kill(pid, 'SIGKILL');
  await eventually('two new workers', async () => {
    const now = running.workers();
    const isNew = now.length === 2 && !now.some((pid) => before.includes(pid));
    return isNew && (await running.metric('headgate_workers')) === 2 ? true : undefined;
  });
  await provoke();
  await eventually('the lines', async () =>
    running.cli.stdout.split('"kind":"access"').length > 16 ? true : undefined,
  );
  assert.equal(warnings(), 0);
  assert.equal((await level('info')).status, 200);
  for (let asked = 0; asked < 100 && warnings() === 0; asked++) await provoke();
  // A peer is warned of once by each worker; at level error that was done in silence.
  assert.equal(running.cli.stdout.includes('"worker":'), false);
});

test('long lines of the log come whole', async (t) => {
  const running = await Running.start(t, 'workers: 4\nroutes: [{ respond: { status: 200 } }]\n');
  const clients = await running.connect(40);
  for (const client of clients) client.send(bytes(`/${'x'.repeat(6000)}`).repeat(50));
  await Promise.all(clients.map((client) => client.response(50)));
  running.cli.signal('SIGTERM');
  await running.cli.exited();
  const lines = running.cli.stdout.trimEnd().split('\n');
  const parsed = lines.map((line) => JSON.parse(line) as { kind: string; path?: string });
  const access = parsed.filter(({ kind }) => kind === 'access');
  assert.equal(access.length, 2000);
  assert.ok(access.every(({ path }) => path?.length === 6001));
});

test('a port in use is one clear line and exit 1', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.after(() => taken.close());
  const { port } = taken.address() as { port: number };
  const file = join(folder(t), 'headgate.yaml');
  for (const [listener, admin, message] of [
    [port, 0, `cannot listen on 127.0.0.1:${port}: the address is in use by another process`],
    [0, port, `cannot open the admin API on 127.0.0.1:${port}: the address is in use`],
  ] as const) {
    writeFileSync(
      file,
      `listeners: [{ address: 127.0.0.1:${listener} }]\nadmin: { address: 127.0.0.1:${admin} }\nworkers: 2\n`,
    );
    const result = await runCli(['start', '-c', file]);
    assert.deepEqual([result.code, result.stderr, result.stdout], [1, `headgate: ${message}\n`, '']);
  }
});

test('on Redis the gateway is one instance, and without it all workers of the fleet keep to the limit', async (t) => {
  const redis = await startRedis();
  t.after(() => redis.stop());
  const config = `
workers: 2
store: { url: ${redis.url}, timeout: 500ms }
log: { access: false }
limits: { window: { key: header.x-run, window: 100/1h } }
routes: [{ limits: [window], respond: { status: 200 } }]
`;
  const fleet = await Promise.all([Running.start(t, config), Running.start(t, config)]);
  for (const running of fleet) {
    await eventually('a fleet of two', async () => {
      const { size, store } = await running.json<{ size: number; store: { up: boolean } }>('fleet');
      return size === 2 && store.up && (await running.metric('headgate_store_up')) === 1 ? true : undefined;
    });
  }
  const clients = (await Promise.all(fleet.map((running) => running.connect(50)))).flat();
  const admitted = async (round: number): Promise<number> => {
    for (const client of clients) client.send(bytes('/', `X-Run: ${round}\r\n`).repeat(20));
    await Promise.all(clients.map((client) => client.response((round + 1) * 20)));
    const statuses = clients.flatMap(({ responses }) => responses.slice(round * 20).map(({ status }) => status));
    assert.equal(statuses.filter((status) => status === 200 || status === 429).length, 2000);
    return statuses.filter((status) => status === 200).length;
  };
  assert.equal(await admitted(0), 100);
  assert.equal(await fleet[0]!.metric('headgate_fleet_size'), 2);
  // Each worker hears of the others with its next look, a second later at most.
  await eventually('heartbeats', async () => {
    const text = String(await redis.command('INFO', 'commandstats'));
    return Number(/cmdstat_zcard:calls=(\d+)/.exec(text)?.[1] ?? 0) > 24 ? true : undefined;
  });
  await redis.kill();
  for (const running of fleet) await running.cli.output(/store away/);
  await eventually('both without a store', async () => {
    const up = await Promise.all(fleet.map((running) => running.metric('headgate_store_up')));
    return up.every((one) => one === 0) ? true : undefined;
  });
  const local = await admitted(1);
  assert.ok(local > 0 && local <= 100, `${local} of 100 admitted`);
});

test('a bug that nobody caught ends one worker: what it has in flight is answered, another takes its place', async (t) => {
  const gate = new Gate();
  const held = await origin(t, holding(gate));
  const bug = join(folder(t), 'bug.mjs');
  writeFileSync(bug, `process.on('SIGUSR2', () => { throw new Error('provoked'); });\n`);
  const config = `workers: 2\nupstreams: { o: { endpoints: [${held.url}] } }\nroutes: [{ upstream: o }]\n`;
  const running = await Running.start(t, config, { env: { NODE_OPTIONS: `--import ${bug}` } });
  const clients = await running.connect(8);
  for (const client of clients) client.send(bytes('/held'));
  await eventually('8 in flight', async () => (held.requests.length === 8 ? true : undefined));
  const before = running.workers();
  process.kill(before[0]!, 'SIGUSR2');
  await running.cli.output(/"message":"a bug: the worker ends"/);
  assert.match(running.cli.stdout, /"worker":[12],"stack":"Error: provoked/);
  await running.replaced(before, 2);
  gate.open();
  for (const client of clients) assert.equal((await client.response()).status, 200);
  await eventually('its end', async () => (isAlive(before[0]!) ? undefined : true));
  assert.equal(await running.metric('headgate_worker_restarts_total'), 1);
});

test('a TLS session that one worker began, each resumes', async (t) => {
  const { certFile, keyFile, ca } = makeCertificates(folder(t), { name: 'gw.test' });
  const file = join(folder(t), 'headgate.yaml');
  const listener = `{ address: 127.0.0.1:0, tls: { certificates: [{ cert: ${certFile}, key: ${keyFile} }] } }`;
  writeFileSync(file, `listeners: [${listener}]\nadmin: false\nworkers: 4\nroutes: [{ respond: { status: 200 } }]\n`);
  const cli = new CliProcess(['start', '-c', file]);
  t.after(() => cli.kill());
  const port = Number((await cli.output(/listening on https?:\/\/127\.0\.0\.1:(\d+)/))[1]);
  /** A connection that stays open, so that the next goes elsewhere; undefined without a session to resume. */
  const open = (session?: Buffer): Promise<{ reused: boolean; session: Buffer }> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port, servername: 'gw.test', ca, maxVersion: 'TLSv1.2', session });
      t.after(() => socket.destroy());
      socket.on('error', reject);
      socket.on('secureConnect', () => resolve({ reused: socket.isSessionReused(), session: socket.getSession()! }));
    });
  const first = await open();
  assert.equal(first.reused, false);
  for (let more = 0; more < 8; more++) assert.equal((await open(first.session)).reused, true);
});

test('a client that sends FIN behind its request still gets the answer', async (t) => {
  const gate = new Gate();
  const held = await origin(t, holding(gate));
  const config = `workers: 2\nupstreams: { o: { endpoints: [${held.url}] } }\nroutes: [{ upstream: o }]\n`;
  const running = await Running.start(t, config);
  const clients = await running.connect(4);
  for (const client of clients) {
    client.send(bytes('/held'));
    client.socket.end();
  }
  await eventually('4 in flight', async () => (held.requests.length === 4 ? true : undefined));
  gate.open();
  for (const client of clients) assert.equal((await client.response()).status, 200);
});

test('a primary that hangs holds up no request for long: each worker goes on with its share', async (t) => {
  const config = `
workers: 2
limits: { window: { key: header.x-run, window: 100/1h } }
routes: [{ limits: [window], respond: { status: 200 } }]
`;
  const running = await Running.start(t, config);
  const clients = await running.connect(20);
  for (const client of clients) client.send(bytes('/', 'X-Run: 0\r\n'));
  await Promise.all(clients.map((client) => client.response()));
  running.cli.signal('SIGSTOP');
  for (const client of clients) client.send(bytes('/', 'X-Run: 1\r\n').repeat(20));
  await Promise.all(clients.map((client) => client.response(21)));
  const local = clients.flatMap(({ responses }) => responses.slice(1));
  const admitted = local.filter(({ status }) => status === 200);
  assert.ok(admitted.length > 0 && admitted.length <= 100, `${admitted.length} of 100 admitted`);
  assert.ok(local.every((answer) => answer.get('x-ratelimit-mode') === 'local'));
  running.cli.signal('SIGCONT');
  await eventually('decisions of the store', async () => {
    for (const client of clients) client.send(bytes('/', 'X-Run: 2\r\n'));
    const at = clients[0]!.responses.length + 1;
    const answers = await Promise.all(clients.map((client) => client.response(at)));
    return answers.every((answer) => answer.get('x-ratelimit-mode') === undefined) ? true : undefined;
  });
});
