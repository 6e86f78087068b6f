// Two processes of the built CLI on one real Redis: what a limit admits over the fleet, and what a denied request costs.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CliProcess } from '../kit/cli.ts';
import { get, RawClient } from '../kit/http-client.ts';
import { RawOrigin } from '../kit/raw-origin.ts';
import { startRedis, type TestRedis } from '../kit/redis.ts';
import type { Message } from '../kit/strict-http.ts';
import { Waiters } from '../kit/wait.ts';

const LIMIT = 100;
const REQUESTS = 2000;
const CONNECTIONS_PER_GATEWAY = 100;
const GUARD_MS = 20_000;

interface LimitEntry {
  readonly name: string;
  readonly ok: boolean;
  readonly remaining: number;
  readonly mode: string;
  /** The store's time, microseconds. */
  readonly at: number;
}

interface AccessEntry {
  readonly path: string;
  readonly status: number;
  readonly limits: readonly LimitEntry[];
}

/** The access log of the whole fleet. */
class FleetLog {
  readonly #byPath = new Map<string, AccessEntry[]>();
  readonly #waiters = new Waiters();

  read(cli: CliProcess): void {
    let rest = '';
    cli.child.stdout!.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) if (line.includes('"kind":"access"')) this.#add(JSON.parse(line));
      this.#waiters.changed();
    });
  }

  #add(entry: AccessEntry): void {
    const known = this.#byPath.get(entry.path);
    if (known === undefined) this.#byPath.set(entry.path, [entry]);
    else known.push(entry);
  }

  /** What was logged for a path, once that are `count` lines. */
  of(path: string, count: number): Promise<AccessEntry[]> {
    return this.#waiters.until(`${count} lines of ${path} in the logs`, () => {
      const found = this.#byPath.get(path) ?? [];
      return found.length >= count ? found : undefined;
    });
  }
}

/** A gateway of the fleet with open client connections. */
class Member {
  readonly cli: CliProcess;
  readonly connections: RawClient[] = [];
  port = 0;

  constructor(file: string, log: FleetLog) {
    this.cli = new CliProcess(['start', '-c', file]);
    log.read(this.cli);
  }

  /** Resolves once the store is there and both gateways know each other. */
  async ready(): Promise<void> {
    this.port = Number((await this.cli.output(/listening on http:\/\/127\.0\.0\.1:(\d+)/))[1]);
    const admin = (await this.cli.output(/admin API on (http:\/\/[^\s"]+)/))[1]!;
    await this.cli.output(/store there/);
    const guard = performance.now() + GUARD_MS;
    for (;;) {
      const fleet = JSON.parse((await get(`${admin}/api/v1/fleet`)).text());
      if (fleet.size === 2 && fleet.store.up) return;
      assert.ok(performance.now() < guard, `no fleet of two: ${JSON.stringify(fleet)}`);
    }
  }

  async connect(): Promise<void> {
    const open = () => RawClient.open(this.port, { keepBody: false });
    this.connections.push(...(await Promise.all(Array.from({ length: CONNECTIONS_PER_GATEWAY }, open))));
  }

  async stop(): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    await this.cli.kill();
  }
}

/** A quota's day must not end inside the test: the zone whose midnight is farther away. */
function calmZone(): string {
  const hour = new Date().getUTCHours();
  return hour >= 6 && hour < 18 ? 'UTC' : 'Etc/GMT+12';
}

const configText = (store: string, origin: string): string => `
listeners: [{ address: 127.0.0.1:0 }]
admin: { address: 127.0.0.1:0 }
# With a secret of the configuration's own a heartbeat writes only the membership, so that every SET is a limiter's.
secret: the-fleets-own
store: { url: ${store}, timeout: 500ms }
limits:
  window: { key: header.x-run, window: ${LIMIT}/1m }
  rate: { key: header.x-run, rate: ${LIMIT}/1m, burst: ${LIMIT} }
  quota: { key: header.x-run, quota: ${LIMIT}/day, timezone: ${calmZone()} }
  few: { key: header.x-run, window: 5/1m }
  many: { key: header.x-organisation, window: 1000/1m }
upstreams:
  origin: { endpoints: [${origin}] }
routes:
  - { match: { path: /window/* }, limits: [window], upstream: origin }
  - { match: { path: /rate/* }, limits: [rate], upstream: origin }
  - { match: { path: /quota/* }, limits: [quota], upstream: origin }
  - { match: { path: /both/* }, limits: [few, many], upstream: origin }
  - { match: { path: /many }, limits: [many], upstream: origin }
`;

let redis: TestRedis;
let origin: RawOrigin;
let folder: string;
let members: Member[] = [];
const log = new FleetLog();

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-fleet-'));
  redis = await startRedis();
  const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  origin = await RawOrigin.start({ onRequest: (_, connection) => connection.send(ok), keepBody: false });
  const file = join(folder, 'headgate.yaml');
  writeFileSync(file, configText(redis.url, origin.url));
  members = [new Member(file, log), new Member(file, log)];
  await Promise.all(members.map((member) => member.ready()));
  await Promise.all(members.map((member) => member.connect()));
});

after(async () => {
  await Promise.all(members.map((member) => member.stop()));
  await origin?.stop();
  await redis?.stop();
  rmSync(folder, { recursive: true });
});

/** `count` requests at once, evenly over the open connections of both gateways, pipelined on each. */
async function burst(path: string, count: number, headers: Readonly<Record<string, string>>): Promise<Message[]> {
  const clients = members.flatMap((member) => member.connections);
  const each = count / clients.length;
  assert.ok(Number.isInteger(each));
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = `GET ${path} HTTP/1.1\r\nHost: fleet.test\r\n${lines.join('')}\r\n`;
  const ends = clients.map((client) => client.responses.length + each);
  for (const client of clients) client.send(request.repeat(each));
  await Promise.all(clients.map((client, at) => client.response(ends[at])));
  return clients.flatMap((client, at) => client.responses.slice(ends[at]! - each, ends[at]));
}

function countOf(answers: readonly Message[], status: number): number {
  return answers.filter((answer) => answer.status === status).length;
}

function arrivedAt(path: string): number {
  return origin.requests.filter((request) => request.message.target === path).length;
}

const REPEATS = 20;

for (const kind of ['window', 'quota'] as const) {
  test(`${kind}: of ${REQUESTS} requests at once over two gateways exactly ${LIMIT} pass, every time`, async () => {
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const path = `/${kind}/${repeat}`;
      const answers = await burst(path, REQUESTS, { 'X-Run': `${kind}-${repeat}` });
      assert.deepEqual([countOf(answers, 200), countOf(answers, 429)], [LIMIT, REQUESTS - LIMIT]);
      assert.equal(arrivedAt(path), LIMIT);
    }
  });
}

test(`rate: of ${REQUESTS} requests at once over two gateways the burst passes, and what flowed in by the store's time`, async () => {
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const path = `/rate/${repeat}`;
    const answers = await burst(path, REQUESTS, { 'X-Run': `rate-${repeat}` });
    const admitted = countOf(answers, 200);
    assert.equal(admitted + countOf(answers, 429), REQUESTS);
    assert.equal(arrivedAt(path), admitted);
    const decisions = (await log.of(path, REQUESTS)).map((entry) => entry.limits[0]!);
    assert.equal(decisions.length, REQUESTS);
    assert.ok(decisions.every(({ mode }) => mode === 'strict'));
    const times = decisions.filter(({ ok }) => ok).map(({ at }) => at);
    const elapsedUs = Math.max(...times) - Math.min(...times);
    assert.equal(times.length, admitted);
    assert.ok(admitted >= LIMIT, `${admitted} admitted`);
    assert.ok(admitted <= LIMIT + (LIMIT * elapsedUs) / 60_000_000, `${admitted} admitted in ${elapsedUs} µs`);
  }
});

/** Calls of each command since the server started. */
async function commandCalls(): Promise<Map<string, number>> {
  const text = String(await redis.command('INFO', 'commandstats'));
  return new Map(
    Array.from(text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm), ([, name, calls]) => [name!, Number(calls)]),
  );
}

const READS = ['evalsha', 'time', 'mget', 'info'];
const HEARTBEAT = ['zrangebyscore', 'zadd', 'hget', 'pexpire', 'zcard'];

test('a denied request writes nothing: only reads and heartbeats reach Redis', async () => {
  for (const kind of ['window', 'rate', 'quota']) {
    const path = `/${kind}/denied`;
    const headers = { 'X-Run': `denied-${kind}` };
    await burst(path, 400, headers);
    const earlier = await commandCalls();
    const answers = await burst(path, 400, headers);
    const later = await commandCalls();
    const rise = (name: string) => (later.get(name) ?? 0) - (earlier.get(name) ?? 0);
    const unexpected = [...later.keys()].filter((name) => rise(name) > 0 && ![...READS, ...HEARTBEAT].includes(name));
    const admitted = countOf(answers, 200);
    assert.ok(rise('evalsha') > 0);
    // Into a rate one request's worth may flow meanwhile; it is the only one to write.
    if (kind === 'rate' && admitted === 1) assert.deepEqual([unexpected, rise('set')], [['set'], 1]);
    else assert.deepEqual([admitted, unexpected], [0, []]);
  }
});

test('several limits are taken all or none: what the first refuses costs the second nothing', async () => {
  const organisation = { 'X-Organisation': 'one' };
  const answers = await burst('/both/one', 200, { 'X-Run': 'greedy', ...organisation });
  assert.deepEqual([countOf(answers, 200), countOf(answers, 429)], [5, 195]);
  const [member] = members;
  const probe = await get(`http://127.0.0.1:${member!.port}/many`, organisation);
  assert.equal(probe.status, 200);
  assert.match(probe.get('ratelimit')!, /^"many";r=994;/);
});
