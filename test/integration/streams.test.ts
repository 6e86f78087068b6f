// Responses and requests that go on: each piece leaves the gateway in the turn it came, whatever comes after it. No test
// looks at a clock; the next piece is sent only when the one before it has arrived.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { RawClient } from '../kit/http-client.ts';
import { type OriginConnection, reply, type Script } from '../kit/raw-origin.ts';
import { Gate } from '../kit/wait.ts';
import { bytes, eventually, World, type WorldOptions } from './world.ts';

const EVENTS = 40;
const STREAM = 'Content-Type: text/event-stream\r\nCache-Control: no-store\r\n';

const event = (n: number): string => `id: ${n}\ndata: event ${n}\n\n`;
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

/** The head alone; the rest is the test's. */
const opens =
  (head: string): Script =>
  (_, connection) =>
    connection.send(head);

async function stream(t: TestContext, head: string, options: WorldOptions = {}, request = bytes('GET /events')) {
  const world = await World.start(t, { origins: [opens(head)], ...options });
  const client = await world.client();
  client.send(request);
  const { connection } = await world.origin.request();
  return { world, client, connection };
}

async function arrives(client: RawClient, text: string): Promise<void> {
  await client.until(JSON.stringify(text), () => (client.received.includes(text) ? true : undefined), true);
}

async function lockStep(client: RawClient, connection: OriginConnection, frame: (text: string) => string) {
  for (let n = 1; n <= EVENTS; n++) {
    connection.send(frame(event(n)));
    await arrives(client, event(n));
  }
}

suite('server-sent events', { concurrency: true }, () => {
  const asIs = (text: string): string => text;
  const framings: Record<string, [head: string, frame: (text: string) => string]> = {
    chunked: [`HTTP/1.1 200 OK\r\n${STREAM}Transfer-Encoding: chunked\r\n\r\n`, chunk],
    'to the end of the connection': [`HTTP/1.1 200 OK\r\n${STREAM}\r\n`, asIs],
    'of an endpoint that speaks HTTP/1.0': [`HTTP/1.0 200 OK\r\n${STREAM}\r\n`, asIs],
    'of a known length': [`HTTP/1.1 200 OK\r\n${STREAM}Content-Length: 100000\r\n\r\n`, asIs],
  };
  for (const [how, [head, frame]] of Object.entries(framings)) {
    for (const version of ['1.1', '1.0']) {
      test(`${how}, to a client of HTTP/${version}: an event does not wait for the next`, async (t) => {
        const { client, connection } = await stream(t, head, {}, bytes(`GET /events HTTP/${version}`));
        // The head does not wait for an event either.
        await arrives(client, 'Content-Type: text/event-stream\r\n');
        await lockStep(client, connection, frame);
      });
    }
  }

  test('an event in pieces arrives in pieces', async (t) => {
    const { client, connection } = await stream(t, framings['to the end of the connection']![0]);
    for (const octet of 'data: ü\n\n') {
      const before = client.received.length;
      connection.send(octet);
      await client.until('the octet', () => (client.received.length > before ? true : undefined), true);
    }
  });

  test('a large event arrives whole, and the small one behind it', async (t) => {
    const [head, frame] = framings.chunked!;
    const { client, connection } = await stream(t, head);
    const large = `data: ${'x'.repeat(200_000)}|\n\n`;
    connection.send(frame(large));
    await client.until('its end', () => (client.received.includes('x|\n\n') ? true : undefined), true);
    connection.send(frame(event(1)));
    await arrives(client, event(1));
  });

  test('many streams at once do not wait for each other', async (t) => {
    const [head, frame] = framings.chunked!;
    const world = await World.start(t, { origins: [opens(head)] });
    const clients = await Promise.all(Array.from({ length: 30 }, () => world.client()));
    for (const client of clients) client.send(bytes('GET /events'));
    await world.origin.request(clients.length);
    const { requests } = world.origin;
    for (let n = 1; n <= 5; n++) {
      for (const { connection } of requests) connection.send(frame(event(n)));
      await Promise.all(clients.map((client) => arrives(client, event(n))));
    }
    assert.equal(await world.metric('headgate_http_requests_in_flight', 'route="all"'), clients.length);
  });

  for (const how of ['leaves', 'resets'] as const) {
    test(`a client that ${how} ends the stream at the endpoint`, async (t) => {
      const { world, client, connection } = await stream(t, framings.chunked![0]);
      connection.send(chunk(event(1)));
      await arrives(client, event(1));
      if (how === 'leaves') client.destroy();
      else client.abort();
      // A FIN may come from one who still reads: only what cannot be delivered tells that it does not.
      await eventually('the end of the stream', async () => {
        if (how === 'leaves') connection.send(chunk(event(2)));
        return connection.closed ? true : undefined;
      });
      const line = await world.logged();
      assert.deepEqual([line.status, line.reason], [200, 'DC']);
      await world.untilIdle();
    });
  }

  test('a reload that takes the route away does not end it', async (t) => {
    const [head, frame] = framings.chunked!;
    const { world, client, connection } = await stream(t, head);
    await lockStep(client, connection, frame);
    await world.gateway.gateway.reload({
      listeners: [{ address: '127.0.0.1:0' }],
      admin: { address: '127.0.0.1:0' },
      log: { level: 'error' },
      routes: [{ match: { path: '/own' }, respond: { body: 'own' } }],
    });
    assert.equal((await world.ask('GET /events')).status, 404);
    connection.send(frame(event(1000)));
    await arrives(client, event(1000));
  });
});

suite('a long poll', { concurrency: true }, () => {
  test('is answered when there is something, and others are served meanwhile', async (t) => {
    const gate = new Gate();
    const script: Script = async ({ message }, connection) => {
      if (message.target === '/poll') await gate.opened;
      connection.send(reply(200, [], message.target));
    };
    const world = await World.start(t, { origins: [script] });
    const client = await world.client();
    client.send(bytes('GET /poll'));
    await world.origin.request();
    for (let n = 0; n < 10; n++) assert.equal((await world.ask('GET /other')).status, 200);
    assert.equal(client.received.length, 0);
    gate.open();
    assert.equal((await client.response()).text(), '/poll');
    client.send(bytes('GET /next'));
    assert.equal((await client.response(2)).text(), '/next');
  });

  test('ends at the endpoint when its client leaves', async (t) => {
    const world = await World.start(t, { origins: [() => {}] });
    const client = await world.client();
    client.send(bytes('GET /poll'));
    const { connection } = await world.origin.request();
    client.destroy();
    await world.origin.untilClosed(connection);
    const line = await world.logged();
    assert.deepEqual([line.status, line.reason], [499, 'DC']);
    await world.untilIdle();
  });
});

suite('both ways at once', { concurrency: true }, () => {
  test('chunks of the request and of the response in lock step', async (t) => {
    const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
    const world = await World.start(t, { origins: [{ onHead: opens(head) }] });
    const client = await world.client();
    client.send('POST /talk HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n');
    const { message, connection } = await world.origin.head();
    let sent = '';
    for (let n = 1; n <= EVENTS; n++) {
      sent += `question ${n}\n`;
      client.send(chunk(`question ${n}\n`));
      await world.origin.until(`question ${n}`, () => (message.text() === sent ? true : undefined));
      connection.send(chunk(`answer ${n}\n`));
      await arrives(client, `answer ${n}\n`);
    }
    client.send('0\r\n\r\n');
    await world.origin.request();
    connection.send('0\r\n\r\n');
    const response = await client.response();
    assert.equal(response.text().split('\n').length, EVENTS + 1);
    await world.untilIdle();
  });

  test('chunks of a request do not wait for each other where nothing is answered', async (t) => {
    const world = await World.start(t);
    const client = await world.client();
    client.send('POST /up HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n');
    const { message } = await world.origin.head();
    for (let n = 1; n <= EVENTS; n++) {
      client.send(chunk('12345'));
      await world.origin.until(`chunk ${n}`, () => (message.bodyBytes === 5 * n ? true : undefined));
    }
    client.send('0\r\n\r\n');
    assert.equal((await client.response()).status, 200);
  });
});

test('a stream to the end of the connection that its endpoint cuts is cut, over a unix socket too', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-test-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'listener.sock');
  const head = `HTTP/1.1 200 OK\r\n${STREAM}Transfer-Encoding: chunked\r\n\r\n`;
  const world = await World.start(t, { origins: [opens(head)], listener: { address: `unix:${path}` } });
  const client = await RawClient.open(path);
  t.after(() => client.destroy());
  client.send(bytes('GET /events HTTP/1.0'));
  const { connection } = await world.origin.request();
  connection.send(chunk(event(1)));
  await arrives(client, event(1));
  connection.reset();
  await client.untilEnded();
  const line = await world.logged();
  assert.deepEqual([line.status, line.reason], [200, 'UC']);
});

test('CONNECT is refused: 501, and no endpoint hears of it (RFC 9110 §9.3.6)', async (t) => {
  const world = await World.start(t);
  for (const target of ['origin.test:443', '127.0.0.1:80', '[::1]:80']) {
    const client = await world.client({ methodOf: () => 'GET' });
    client.send(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\nGET / HTTP/1.1\r\nHost: gw.test\r\n\r\n`);
    const response = await client.response();
    assert.deepEqual([response.status, response.get('connection')], [501, 'close']);
    await client.untilEnded();
    assert.equal(client.responses.length, 1);
  }
  assert.equal(world.origin.connections.length, 0);
});
