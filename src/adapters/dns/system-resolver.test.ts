import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DnsServer } from '../../../test/kit/dns-server.ts';
import { FakeClock } from '../../testing/fake-clock.ts';
import { hostsFileNames } from './hosts-file.ts';
import { systemResolver } from './system-resolver.ts';

async function world(t: TestContext, hosts = '') {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-dns-'));
  const hostsFile = join(folder, 'hosts');
  writeFileSync(hostsFile, hosts);
  const server = await DnsServer.start();
  t.after(() => server.stop());
  t.after(() => rmSync(folder, { recursive: true }));
  const clock = new FakeClock();
  const resolver = systemResolver({ timers: clock, servers: [server.address], hostsFile });
  return { server, clock, resolver };
}

test('both families are asked for, and the shortest TTL holds', async (t) => {
  const { server, resolver } = await world(t);
  server.set('one.test', {
    A: { addresses: ['10.0.0.1', '10.0.0.2'], ttlS: 60 },
    AAAA: { addresses: ['2001:db8::1'], ttlS: 7 },
  });
  assert.deepEqual(await resolver.resolve('one.test'), {
    ipv4: ['10.0.0.1', '10.0.0.2'],
    ipv6: ['2001:db8::1'],
    ttlMs: 7000,
  });
  assert.deepEqual([...server.questions].sort(), ['A one.test', 'AAAA one.test']);
});

test('a family without records is empty, one that failed is unknown', async (t) => {
  const { server, resolver } = await world(t);
  const A = { addresses: ['10.0.0.1'], ttlS: 60 };
  server.set('only4.test', { A });
  assert.deepEqual((await resolver.resolve('only4.test')).ipv6, []);
  server.set('half.test', { A, AAAA: 'SERVFAIL' });
  assert.deepEqual(await resolver.resolve('half.test'), { ipv4: ['10.0.0.1'], ipv6: undefined, ttlMs: 60_000 });
});

test('a family that does not answer is waited for 50 ms once the other has', async (t) => {
  const { server, clock, resolver } = await world(t);
  server.set('slow6.test', { A: { addresses: ['10.0.0.1'], ttlS: 60 }, AAAA: 'drop' });
  const answer = resolver.resolve('slow6.test');
  let isOver = false;
  void answer.then(() => {
    isOver = true;
  });
  while (clock.pending === 0 && !isOver) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(clock.nextInMs, 50);
  clock.advanceSync(50);
  assert.deepEqual(await answer, { ipv4: ['10.0.0.1'], ipv6: undefined, ttlMs: 60_000 });
});

test('a failure names its reason', async (t) => {
  const { server, resolver } = await world(t);
  server.set('broken.test', { A: 'SERVFAIL', AAAA: 'SERVFAIL' });
  await assert.rejects(resolver.resolve('broken.test'), { code: 'ESERVFAIL' });
  // Nobody knows it: neither DNS nor the system.
  await assert.rejects(resolver.resolve('nowhere.invalid'), { code: /ENOTFOUND|EAI_AGAIN/ });
});

test('names without a dot and those of the hosts file are left to the system', async (t) => {
  const { server, resolver } = await world(t, '127.0.0.1 other.test\n');
  server.set('other.test', { A: { addresses: ['10.9.9.9'], ttlS: 60 } });
  const answer = await resolver.resolve('localhost');
  assert.ok(answer.ipv4?.includes('127.0.0.1'));
  assert.equal(answer.ttlMs, 30_000);
  // This file names it; the system's own does not.
  await assert.rejects(resolver.resolve('other.test'));
  assert.deepEqual(server.questions, []);
});

test('hosts files', () => {
  const text = '# 127.0.0.9 no.test\n127.0.0.1\tlocalhost  One.test # two.test\n::1 ip6-localhost\n';
  assert.equal(hostsFileNames(text, 'one.test'), true);
  assert.equal(hostsFileNames(text, 'ip6-localhost'), true);
  for (const name of ['no.test', 'two.test', '127.0.0.1', '']) assert.equal(hostsFileNames(text, name), false, name);
});
