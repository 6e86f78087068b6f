// How long a request's body may take, and on whose account.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { RawClient } from '../kit/http-client.ts';
import { echo, reply, type Script, silence } from '../kit/raw-origin.ts';
import { bytes, eventually, WatchedClock, World, type WorldOptions } from './world.ts';

const reasonOf = (text: string): string => JSON.parse(text).reason;
const hears = (script: Script): WorldOptions => ({ origins: [{ onHead: script, continues: false }] });
const EXPECT = bytes('POST /', ['Expect: 100-continue', 'Content-Length: 10']);

suite('a body that nobody takes yet', { concurrency: true }, () => {
  test('behind a full pool: timeout.response ends the wait', async (t) => {
    const clock = new WatchedClock();
    const world = await World.start(t, {
      overrides: { clock },
      origins: [{ onHead: silence }],
      upstream: { maxConnections: 1, timeouts: { connect: '1h' } },
      routes: [{ match: { path: '/first' }, upstream: 'origin', timeout: false }],
      route: { timeout: { response: '1s' } },
    });
    const first = await world.client();
    first.send(bytes('GET /first'));
    await world.origin.head();
    const client = await world.client();
    client.send(bytes('POST /', ['Content-Length: 10'], 'hello'));
    await eventually('both in flight', async () =>
      (await world.metric('headgate_http_requests_in_flight')) === 2 ? true : undefined,
    );
    await clock.pass(900);
    assert.equal(client.bytesReceived, 0);
    await clock.pass(200);
    const response = await client.response();
    assert.deepEqual([response.status, reasonOf(response.text())], [504, 'UT']);
    assert.equal(world.origin.heads.length, 1);
    for (const one of [first, client]) one.abort();
    await world.untilIdle();
  });

  test('waiting for 100 Continue is the endpoint’s time, not the client’s', async (t) => {
    const clock = new WatchedClock();
    const world = await World.start(t, {
      ...hears(silence),
      overrides: { clock },
      listener: { timeouts: { body: '1s' } },
      route: { timeout: { response: '3s' } },
    });
    const client = await world.client();
    client.send(EXPECT);
    await world.origin.head();
    await clock.pass(2900);
    assert.equal(client.bytesReceived, 0);
    await clock.pass(200);
    const response = await client.response();
    assert.deepEqual([response.status, reasonOf(response.text())], [504, 'UT']);
    assert.equal(response.get('connection'), 'close');
  });

  test('once it is asked for, the client’s time runs', async (t) => {
    const clock = new WatchedClock();
    const world = await World.start(t, {
      ...hears((_, connection) => connection.send('HTTP/1.1 100 Continue\r\n\r\n')),
      overrides: { clock },
      listener: { timeouts: { body: '1s' } },
      route: { timeout: { response: '500ms' } },
    });
    const client = await world.client();
    client.send(EXPECT);
    await client.until('100 Continue', () => client.interim[0]);
    await clock.pass(900);
    assert.equal(client.responses.length, 0, 'timeout.response does not run while the body is coming');
    await clock.pass(200);
    assert.equal((await client.response()).status, 408);
  });

  test('a client that sends unasked is on its own time too', async (t) => {
    const clock = new WatchedClock();
    const world = await World.start(t, {
      ...hears(silence),
      overrides: { clock },
      listener: { timeouts: { body: '1s' } },
      route: { timeout: { response: '500ms' } },
    });
    const client = await world.client();
    client.send(`${EXPECT}hello`);
    const { message } = await world.origin.head();
    await world.origin.until('the body', () => (message.bodyBytes === 5 ? true : undefined));
    await clock.pass(900);
    assert.equal(client.bytesReceived, 0);
    await clock.pass(200);
    assert.equal((await client.response()).status, 408);
  });
});

/** Sends an octet of a chunked body every five seconds, and lets each arrive. */
async function drip(world: World, clock: WatchedClock, client: RawClient, times: number): Promise<void> {
  const { message } = await world.origin.head();
  for (let n = 0; n < times && client.responses.length === 0; n++) {
    const before = message.bodyBytes;
    client.send('1\r\nx\r\n');
    await eventually('the octet, or an answer', async () =>
      message.bodyBytes > before || client.bytesReceived > 0 ? true : undefined,
    );
    await clock.pass(5000);
  }
}

suite('a body that drips', { concurrency: true }, () => {
  const start = async (t: Parameters<typeof World.start>[0], options: WorldOptions) => {
    const clock = new WatchedClock();
    const world = await World.start(t, { ...options, overrides: { clock } });
    const client = await world.client();
    client.send(bytes('POST /', ['Transfer-Encoding: chunked']));
    return { clock, world, client };
  };

  test('is refused once half a minute is over: 408, closed, and the endpoint sees a cut', async (t) => {
    const { clock, world, client } = await start(t, { origins: [{ onHead: silence }] });
    await drip(world, clock, client, 6);
    assert.equal(client.bytesReceived, 0);
    await drip(world, clock, client, 2);
    const response = await client.response();
    assert.deepEqual([response.status, response.get('connection')], [408, 'close']);
    assert.match(response.text(), /less than 100 octets a second/);
    const { message, connection } = await world.origin.head();
    await world.origin.untilClosed(connection);
    assert.equal(message.complete, false);
    assert.equal((await world.logged()).reason, 'DPE');
  });

  test('has all the time where minBodyRate is false', async (t) => {
    const { clock, world, client } = await start(t, { listener: { minBodyRate: false } });
    await drip(world, clock, client, 30);
    client.send('0\r\n\r\n');
    assert.equal((await client.response()).status, 200);
  });

  test('has all the time once its answer has begun', async (t) => {
    const { clock, world, client } = await start(t, {
      origins: [
        {
          onHead: (_, connection) => connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
          onRequest: (_, connection) => connection.send('0\r\n\r\n'),
        },
      ],
    });
    await client.head();
    client.responses.length = 0;
    const { message } = await world.origin.head();
    for (let n = 1; n <= 12; n++) {
      client.send('1\r\nx\r\n');
      await world.origin.until('the octet', () => (message.bodyBytes === n ? true : undefined));
      await clock.pass(5000);
    }
    client.send('0\r\n\r\n');
    assert.equal((await client.response()).status, 200);
  });

  test('is not blamed for the time that its endpoint takes nothing', async (t) => {
    const size = 40 * 1_048_576;
    const { clock, world, client } = await start(t, {
      routes: [{ match: { path: '/own' }, respond: {} }],
      origins: [{ keepBody: false, onHead: (_, connection) => connection.pause(), onRequest: echo }],
      listener: { minBodyRate: '1mb' },
      route: { timeout: { stream: '1h' } },
    });
    client.send(`${size.toString(16)}\r\n${'x'.repeat(size)}`);
    const { connection } = await world.origin.head();
    for (let left = -1; client.socket.writableLength !== left; ) {
      left = client.socket.writableLength;
      for (let n = 0; n < 50; n++) await world.ask('GET /own');
    }
    assert.ok(client.socket.writableLength > 0, 'all was taken');
    await clock.pass(600_000);
    connection.resume();
    client.send('\r\n0\r\n\r\n');
    assert.equal((await client.response()).status, 200);
  });
});

test('a client that takes its time has its idle time from the last octet it took on', async (t) => {
  const clock = new WatchedClock();
  const directory = mkdtempSync(join(tmpdir(), 'headgate-test-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'gateway.sock');
  const world = await World.start(t, {
    overrides: { clock },
    origins: [(_, connection) => connection.send(reply(200))],
    routes: [{ match: { path: '/big' }, respond: { body: 'x'.repeat(1_000_000) } }],
    config: { listeners: [{ address: '127.0.0.1:0' }, { address: `unix:${path}`, timeouts: { idle: '10s' } }] },
  });
  const client = await RawClient.open(path, { reads: false });
  t.after(() => client.destroy());
  client.send(bytes('GET /big'));
  await world.logged();
  await clock.pass(8000);
  client.resume();
  await client.response();
  await clock.pass(8000);
  client.send(bytes('GET /'));
  assert.equal((await client.response(2)).status, 200);
});
