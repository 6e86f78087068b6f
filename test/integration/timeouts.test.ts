import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { BlackHole } from '../kit/black-hole.ts';
import { echo, reply, type Script, silence } from '../kit/raw-origin.ts';
import { Gate, turn } from '../kit/wait.ts';
import { bytes, eventually, WatchedClock, World } from './world.ts';

const HASTY = { timeouts: { headers: '300ms', idle: '300ms', body: '300ms' } };
const PATIENT = { timeouts: { headers: '10s', idle: '10s', body: '10s' } };

/** Sends `octets` five times, 200 ms apart: longer than a timeout of 300 ms, but never silent for so long. */
async function slowly(clock: WatchedClock, send: () => void, arrived: () => number): Promise<void> {
  for (let n = 0; n < 5; n++) {
    const before = arrived();
    send();
    await eventually('what was sent', async () => (arrived() > before ? true : undefined));
    await clock.pass(200);
  }
}

suite('waiting for the client', { concurrency: true }, () => {
  test('a head that does not come to its end: 408, then closed', async (t) => {
    const world = await World.start(t, { listener: HASTY });
    for (const text of ['G', 'GET / HTTP/1.1\r\nHost: x', bytes('GET /').slice(0, -2)]) {
      const client = await world.client();
      client.send(text);
      const response = await client.response();
      assert.deepEqual([response.status, JSON.parse(response.text()).reason], [408, 'DPE']);
      assert.equal(response.get('connection'), 'close');
      await client.untilEnded();
    }
    assert.equal(world.origin.connections.length, 0);
    assert.deepEqual(
      world.log.map(({ status, method }) => [status, method]),
      [
        [408, ''],
        [408, ''],
        [408, ''],
      ],
    );
    await world.untilIdle();
  });

  test('a head that comes octet by octet has no more time than another', async (t) => {
    const world = await World.start(t, { listener: HASTY });
    const client = await world.client();
    client.send('GET / HTTP/1.1\r\nHost: x\r\nX-A: ');
    while (!client.ended && !client.closed && client.responses.length === 0) {
      client.send('a');
      await turn();
    }
    assert.equal((await client.response()).status, 408);
  });

  test('a second head on a kept connection that does not come to its end', async (t) => {
    const world = await World.start(t, { listener: { timeouts: { headers: '300ms', idle: '10s' } } });
    const client = await world.client();
    client.send(`${bytes('GET /')}GET /2 HT`);
    await client.response(1);
    assert.equal((await client.response(2)).status, 408);
    await client.untilEnded();
    const { method, path } = await world.logged(2);
    assert.deepEqual([method, path], ['', ''], 'not those of the request before');
  });

  test('a connection on which nothing came is closed without an answer', async (t) => {
    const world = await World.start(t, { listener: HASTY });
    const client = await world.client();
    await client.untilEnded();
    assert.deepEqual([client.bytesReceived, world.log.length], [0, 0]);
    await world.untilIdle();
  });

  test('a kept connection at rest is closed without an answer', async (t) => {
    const world = await World.start(t, { listener: { timeouts: { headers: '10s', idle: '300ms' } } });
    const client = await world.client();
    client.send(bytes('GET /'));
    await client.response();
    await client.untilEnded();
    assert.deepEqual([client.responses.length, client.malformed, world.log.length], [1, undefined, 1]);
    await world.untilIdle();
  });

  test('a body that stops coming: 408, then closed; the endpoint sees a cut', async (t) => {
    const world = await World.start(t, { listener: HASTY, origins: [{ onHead: silence }] });
    const partial = [
      bytes('POST /', ['Content-Length: 10']),
      bytes('POST /', ['Content-Length: 10'], 'hello'),
      bytes('POST /', ['Transfer-Encoding: chunked'], '5\r\nhel'),
    ];
    for (const [index, text] of partial.entries()) {
      const client = await world.client();
      client.send(text);
      const response = await client.response();
      assert.deepEqual([response.status, response.get('connection')], [408, 'close']);
      await client.untilEnded();
      const { message, connection } = await world.origin.head(index + 1);
      await world.origin.untilClosed(connection);
      assert.equal(message.complete, false);
    }
    await world.untilIdle();
  });

  test('a body that comes slowly, but comes, has all the time', async (t) => {
    const clock = new WatchedClock();
    const world = await World.start(t, { listener: HASTY, overrides: { clock } });
    const client = await world.client();
    client.send(bytes('POST /', ['Transfer-Encoding: chunked']));
    const { message } = await world.origin.head();
    await slowly(
      clock,
      () => client.send('1\r\nx\r\n'),
      () => message.bodyBytes,
    );
    client.send('0\r\n\r\n');
    assert.equal((await client.response()).status, 200);
  });
});

suite('waiting for the endpoint', { concurrency: true }, () => {
  test('no response head: 504 UT, whatever else it sends meanwhile', async (t) => {
    const chatty: Script[] = [
      silence,
      (_, connection) => connection.send('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'),
      (_, connection) => connection.send('HTTP/1.1 200 OK\r\nX-A: '),
    ];
    for (const script of chatty) {
      const world = await World.start(t, {
        origins: [script],
        route: { timeout: { response: '100ms', stream: '1h' } },
      });
      const response = await world.ask('GET /');
      assert.deepEqual([response.status, JSON.parse(response.text()).reason], [504, 'UT']);
      await world.origin.untilClosed(await world.origin.connection());
      assert.equal((await world.logged()).reason, 'UT');
      await world.untilIdle();
    }
  });

  test('a head that comes octet by octet has no more time than another', async (t) => {
    const gate = { open: true };
    const world = await World.start(t, {
      origins: [
        async (_, connection) => {
          connection.send('HTTP/1.1 200 OK\r\nX-A: ');
          while (gate.open && !connection.closed) {
            connection.send('a');
            await turn();
          }
        },
      ],
      route: { timeout: { response: '100ms', stream: '1h' } },
    });
    t.after(() => {
      gate.open = false;
    });
    assert.equal((await world.ask('GET /')).status, 504);
  });

  test('a request that gets the connection of another has its own time', async (t) => {
    const gate = new Gate();
    const world = await World.start(t, {
      upstream: { maxConnections: 1, timeouts: { connect: '10s' } },
      routes: [{ match: { path: '/1' }, upstream: 'origin', timeout: false }],
      origins: [
        async (request, connection) => {
          if (request.index > 0) return;
          await gate.opened;
          await echo(request, connection);
        },
      ],
      route: { timeout: { response: '1s', stream: '1h' }, retry: false },
    });
    const first = await world.client();
    first.send(bytes('GET /1'));
    await world.origin.request();
    const second = await world.client();
    second.send(bytes('GET /2'));
    // Another request on the second's connection can only mean that its first was read.
    await second.until('sent', () => (second.socket.writableLength === 0 ? true : undefined));
    for (let n = 0; n < 20; n++) await turn();
    gate.open();
    assert.equal((await first.response()).status, 200);
    assert.equal((await second.response()).status, 504);
    assert.equal(world.origin.connections[0]?.requests.length, 2);
  });

  test('the time of a request runs from its last octet', async (t) => {
    const clock = new WatchedClock();
    const route = { timeout: { response: '300ms', stream: '1h' } };
    const world = await World.start(t, { listener: PATIENT, route, overrides: { clock } });
    const client = await world.client();
    client.send(bytes('POST /', ['Transfer-Encoding: chunked']));
    const { message } = await world.origin.head();
    await slowly(
      clock,
      () => client.send('1\r\nx\r\n'),
      () => message.bodyBytes,
    );
    client.send('0\r\n\r\n');
    assert.equal((await client.response()).status, 200);
  });

  test('a response that falls silent is cut', async (t) => {
    const world = await World.start(t, {
      origins: [
        (_, connection) => connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'),
      ],
      route: { timeout: { stream: '100ms' } },
    });
    const client = await world.client();
    client.send(bytes('GET /'));
    await client.head();
    await client.untilEnded();
    assert.equal(client.responses.length, 0);
    assert.ok(client.malformed !== undefined);
    await world.origin.untilClosed(await world.origin.connection());
    const line = await world.logged();
    assert.deepEqual([line.status, line.reason], [200, 'UT']);
    assert.equal(line.reasonDetail, 'route "all": stream silent for 100ms (routes[0].timeout.stream)');
    await world.untilIdle();
  });

  test('a response that goes on, however slowly, is not', async (t) => {
    const clock = new WatchedClock();
    const world = await World.start(t, {
      origins: [(_, connection) => connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')],
      route: { timeout: { response: '300ms', stream: '300ms' } },
      overrides: { clock },
    });
    const client = await world.client();
    client.send(bytes('GET /'));
    const { connection } = await world.origin.request();
    await slowly(
      clock,
      () => connection.send('1\r\nx\r\n'),
      () => client.bytesReceived,
    );
    connection.send('0\r\n\r\n');
    assert.equal((await client.response()).status, 200);
  });

  test('a client that does not take its response is cut, and the endpoint with it', async (t) => {
    const world = await World.start(t, {
      origins: [
        (_, { socket }) => {
          socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
          const chunk = `100000\r\n${'x'.repeat(1_048_576)}\r\n`;
          for (let n = 0; n < 40; n++) socket.write(chunk);
        },
      ],
      route: { timeout: { stream: '150ms' } },
    });
    const client = await world.client({ reads: false });
    client.send(bytes('GET /'));
    await world.origin.untilClosed(await world.origin.connection());
    const { reason, bytesOut } = await world.logged();
    assert.equal(reason, 'UT');
    // By a reset: the kernel must not keep for it what it never read.
    client.resume();
    await client.untilEnded();
    assert.ok(client.bytesReceived < bytesOut / 2, `${client.bytesReceived} of ${bytesOut} octets were kept for it`);
    await world.untilIdle();
  });

  test('an endpoint that does not take the request ends it in 504, not the client in 408', async (t) => {
    const clock = new WatchedClock();
    const world = await World.start(t, {
      overrides: { clock },
      listener: { timeouts: { body: '5s' } },
      routes: [{ match: { path: '/own' }, respond: {} }],
      origins: [{ keepBody: false, onHead: (_, connection) => connection.pause() }],
      route: { timeout: { stream: '8s' }, bodyLimit: false },
    });
    const client = await world.client();
    client.send(bytes('POST /', [`Content-Length: ${40 * 1_048_576}`]));
    for (let n = 0; n < 40; n++) client.send(Buffer.alloc(1_048_576));
    await world.origin.head();
    let left = -1;
    while (client.socket.writableLength !== left) {
      left = client.socket.writableLength;
      for (let n = 0; n < 50; n++) await world.ask('GET /own');
    }
    await clock.pass(6000);
    assert.equal(client.bytesReceived, 0);
    await clock.pass(3000);
    const response = await client.response();
    const { reason, detail } = JSON.parse(response.text());
    assert.deepEqual([response.status, reason], [504, 'UT']);
    assert.equal(detail, 'route "all": stream silent for 8s (routes[1].timeout.stream)');
    // What the client goes on sending is not read: this connection ends after the moment that it is given.
    client.destroy();
    await clock.pass(2000);
    await world.untilIdle();
  });

  test('no bound where there is none', async (t) => {
    const gate = new Gate();
    const clock = new WatchedClock();
    const world = await World.start(t, {
      origins: [
        async (_, connection) => {
          await gate.opened;
          connection.send(reply(200));
        },
      ],
      route: { timeout: false },
      overrides: { clock },
    });
    const client = await world.client();
    client.send(bytes('GET /'));
    await world.origin.request();
    await clock.pass(3_600_000);
    gate.open();
    assert.equal((await client.response()).status, 200);
  });
});

suite('waiting for a connection', { concurrency: true, skip: process.platform !== 'linux' }, () => {
  test('no answer to a connect: 504 UF', async (t) => {
    const hole = await BlackHole.open();
    t.after(() => hole.close());
    const world = await World.start(t, {
      origins: [],
      endpoints: [`http://127.0.0.1:${hole.port}`],
      upstream: { timeouts: { connect: '100ms' } },
    });
    const response = await world.ask('POST /', [], 'hello');
    assert.deepEqual([response.status, JSON.parse(response.text()).reason], [504, 'UF']);
    assert.match(response.get('proxy-status') ?? '', /error=connection_timeout/);
    await world.untilIdle();
  });

  test('another endpoint takes the request, for any method', async (t) => {
    const hole = await BlackHole.open();
    t.after(() => hole.close());
    const world = await World.start(t, {
      endpoints: [`http://127.0.0.1:${hole.port}`],
      upstream: { timeouts: { connect: '100ms' } },
    });
    const answers = await Promise.all(Array.from({ length: 6 }, (_, n) => world.ask(`POST /${n}`, [], 'hello')));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200, 200, 200],
    );
    assert.equal(world.origin.heads.length, 6);
  });

  test('perTry ends the wait for a connect too: nothing was sent, so any method goes elsewhere', async (t) => {
    const hole = await BlackHole.open();
    t.after(() => hole.close());
    const world = await World.start(t, {
      endpoints: [`http://127.0.0.1:${hole.port}`],
      upstream: { timeouts: { connect: '1h' } },
      route: { retry: { attempts: 2, perTry: '100ms' } },
    });
    for (let n = 0; n < 2; n++) assert.equal((await world.ask(`POST /${n}`)).status, 200);
    assert.deepEqual(world.log.map(({ attempts }) => attempts).sort(), [1, 2]);
    assert.equal(world.origin.heads.length, 2);
  });

  test('an endpoint is not ejected because requests waited for a turn at it', async (t) => {
    const world = await World.start(t, {
      origins: [silence, silence],
      upstream: {
        maxConnections: 1,
        timeouts: { connect: '1h' },
        outlierDetection: { consecutiveFailures: 2, maxEjected: '100%' },
      },
      routes: [{ match: { path: '/first' }, upstream: 'origin', timeout: false }],
      route: { timeout: '60ms', retry: false },
    });
    for (let n = 0; n < 2; n++) (await world.client()).send(bytes('GET /first'));
    for (const origin of world.origins) await origin.request();
    for (let n = 0; n < 8; n++) assert.equal((await world.ask('GET /')).status, 504);
    assert.equal(await world.metric('headgate_ejections_total'), 0);
  });

  test('behind a full pool: 503 UO with Retry-After', async (t) => {
    const world = await World.start(t, {
      origins: [silence],
      upstream: { maxConnections: 1, timeouts: { connect: '100ms' } },
    });
    const first = await world.client();
    first.send(bytes('GET /1'));
    await world.origin.request();
    const response = await world.ask('GET /2');
    assert.deepEqual([response.status, JSON.parse(response.text()).reason], [503, 'UO']);
    assert.equal(response.get('retry-after'), '1');
    assert.equal(world.origin.heads.length, 1);
  });
});
