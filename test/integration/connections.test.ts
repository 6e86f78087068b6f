import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { RawClient } from '../kit/http-client.ts';
import { chunkedReply, echo, reply, type Script, silence } from '../kit/raw-origin.ts';
import { Gate, turn } from '../kit/wait.ts';
import { bytes, eventually, World } from './world.ts';

const OWN = { match: { path: '/own' }, respond: { body: 'own' } };

const says = (text: string): Script => {
  return (_, connection) => connection.send(text);
};

/** Long enough for a gateway that would read on to have read on: so many requests of somebody else are served. */
async function meanwhile(world: World, requests = 50): Promise<void> {
  const other = await RawClient.open(world.gateway.port());
  for (let n = 1; n <= requests; n++) {
    other.send(bytes('GET /own'));
    await other.response(n);
  }
  other.destroy();
}

suite('keep-alive and pipelining', { concurrency: true }, () => {
  test('one connection on either side carries one request after the other', async (t) => {
    const world = await World.start(t);
    const client = await world.client();
    for (let n = 1; n <= 5; n++) {
      client.send(bytes(n % 2 === 0 ? 'GET /' : 'POST /', [], n % 2 === 0 ? '' : 'abc'));
      await client.response(n);
    }
    assert.equal(world.origin.connections.length, 1);
    assert.equal(client.responses[0]?.get('connection'), undefined);
    assert.equal(await world.metric('headgate_connections'), 1);
    assert.deepEqual(
      world.log.map(({ connectMs }) => connectMs !== undefined),
      [true, false, false, false, false],
    );
  });

  test('20 pipelined requests are answered in order, however fast their endpoints are', async (t) => {
    const slow: Script = async (request, connection) => {
      for (let n = 0; n < 5; n++) await turn();
      await echo(request, connection);
    };
    const world = await World.start(t, { origins: [slow, {}, slow, {}] });
    const client = await world.client();
    const methods = Array.from({ length: 20 }, (_, n) => (n % 3 === 0 ? 'POST' : 'GET'));
    client.send(methods.map((method, n) => bytes(`${method} /${n}`, [], method === 'POST' ? `b${n}` : '')).join(''));
    await client.response(20);
    const targets = client.responses.map((message) => JSON.parse(message.text()).target);
    assert.deepEqual(
      targets,
      methods.map((_, n) => `/${n}`),
    );
    assert.equal(
      world.origins.reduce((sum, origin) => sum + origin.requests.length, 0),
      20,
    );
  });

  test('pipelined requests take one connection to their endpoint, one after the other', async (t) => {
    const world = await World.start(t);
    const client = await world.client();
    client.send(Array.from({ length: 20 }, (_, n) => bytes(`GET /${n}`)).join(''));
    await client.response(20);
    assert.equal(world.origin.connections.length, 1);
  });

  test('a request waits for the answer to the one before', async (t) => {
    const gate = new Gate();
    const world = await World.start(t, {
      routes: [OWN],
      origins: [
        async (request, connection) => {
          await gate.opened;
          await echo(request, connection);
        },
      ],
    });
    const client = await world.client();
    client.send(bytes('GET /1') + bytes('GET /own') + bytes('GET /2'));
    await world.origin.request();
    await meanwhile(world);
    assert.deepEqual([world.origin.heads.length, client.responses.length], [1, 0]);
    gate.open();
    await client.response(3);
    assert.equal(client.responses[1]?.text(), 'own');
  });

  test('of requests behind one that is not answered only a little is read', async (t) => {
    const gate = new Gate();
    const world = await World.start(t, {
      routes: [OWN],
      origins: [
        async (request, connection) => {
          await gate.opened;
          await echo(request, connection);
        },
      ],
    });
    const client = await world.client({ keepBody: false });
    const flood = bytes('GET /own', [`X-Pad: ${'x'.repeat(8000)}`]);
    const count = 4000;
    client.send(bytes('GET /first') + flood.repeat(count));
    await world.origin.request();
    await meanwhile(world);
    assert.ok(client.socket.writableLength > 0, 'the gateway took all 32 MB');
    gate.open();
    await client.response(count + 1);
    assert.equal(client.malformed, undefined);
  });

  test('a client that does not read its answers is not read from either', async (t) => {
    const world = await World.start(t, {
      routes: [OWN, { match: { path: '/big' }, respond: { body: 'x'.repeat(4000) } }],
    });
    const client = await world.client({ keepBody: false, reads: false });
    const count = 20_000;
    client.send(bytes('GET /big', [`X-Pad: ${'x'.repeat(400)}`]).repeat(count));
    await meanwhile(world, 200);
    assert.ok(client.socket.writableLength > 0, 'all requests were read though no answer was');
    assert.ok(world.log.length < count / 2, `${world.log.length} answers were made for nobody`);
    client.resume();
    await client.response(count);
    assert.equal(client.malformed, undefined);
  });

  test('more clients than the listener takes are closed', async (t) => {
    const world = await World.start(t, { listener: { maxConnections: 2 } });
    const first = await world.client();
    const second = await world.client();
    first.send(bytes('GET /'));
    second.send(bytes('GET /'));
    await Promise.all([first.response(), second.response()]);
    const third = await world.client();
    await third.untilEnded();
    first.destroy();
    await eventually('a place', async () => ((await world.metric('headgate_connections')) === 1 ? true : undefined));
    assert.equal((await world.ask('GET /')).status, 200);
  });
});

suite('a client that goes', { concurrency: true }, () => {
  test('FIN after a whole request is answered', async (t) => {
    const gate = new Gate();
    const world = await World.start(t, {
      routes: [OWN],
      origins: [
        async (request, connection) => {
          await gate.opened;
          await echo(request, connection);
        },
      ],
    });
    const one = await world.client();
    one.send(bytes('POST /', [], 'hello'));
    one.halfClose();
    const many = await world.client();
    many.send(bytes('GET /1') + bytes('GET /own') + bytes('GET /2') + bytes('GET /own'));
    many.halfClose();
    const own = await world.client();
    own.send(bytes('GET /own') + bytes('GET /own'));
    own.halfClose();
    await world.origin.request(2);
    gate.open();
    assert.equal((await one.response()).status, 200);
    await many.response(4);
    await own.response(2);
    for (const client of [one, many, own]) {
      await client.untilClosed();
      assert.deepEqual([client.malformed, client.socketError], [undefined, undefined]);
    }
    await world.untilIdle();
  });

  test('FIN after a whole request: the answer is waited for 5 s, no longer', async (t) => {
    const clock = new FakeClock();
    const listener = { timeouts: { headers: '1s' } };
    const world = await World.start(t, { routes: [OWN], origins: [silence], overrides: { clock }, listener });
    const client = await world.client();
    client.send(bytes('GET /1') + bytes('GET /2'));
    const { connection } = await world.origin.request();
    client.halfClose();
    await meanwhile(world, 10);
    // Closed by the same wheel after a second: when it is, the wheel has seen the time pass.
    const mark = await world.client();
    await clock.advance(4500);
    await mark.untilEnded();
    assert.equal(connection.closed, false);
    await clock.advance(600);
    await world.origin.untilClosed(connection);
    await client.untilClosed();
    const line = await eventually('its line', async () => world.log.find(({ path }) => path === '/1'));
    assert.deepEqual([line.status, line.reason, line.durationMs], [499, 'DC', 5100]);
    assert.equal(world.origin.heads.length, 1);
  });

  test('FIN inside a request cuts it at the endpoint', async (t) => {
    const world = await World.start(t, { origins: [{ onHead: silence }] });
    const partial = [
      bytes('POST /', ['Content-Length: 10'], 'hello'),
      bytes('POST /', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n'),
      bytes('POST /', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\nX-T: 1\r\n'),
    ];
    for (const [index, text] of partial.entries()) {
      const client = await world.client();
      client.send(text);
      const { message, connection } = await world.origin.head(index + 1);
      await world.origin.until('the body', () => (message.bodyBytes === 5 ? true : undefined));
      client.halfClose();
      await world.origin.untilClosed(connection);
      assert.equal(message.complete, false);
      await client.untilClosed();
      assert.equal(client.bytesReceived, 0);
    }
    assert.deepEqual(
      world.log.map(({ status, reason, bytesIn }) => [status, reason, bytesIn]),
      [
        [499, 'DC', 5],
        [499, 'DC', 5],
        [499, 'DC', 5],
      ],
    );
    await world.untilIdle();
  });

  test('FIN inside a request that is still behind another', async (t) => {
    const gate = new Gate();
    const world = await World.start(t, {
      origins: [
        {
          onHead: async ({ message, connection }) => {
            await gate.opened;
            if (message.target === '/1') connection.send(reply(200));
          },
        },
      ],
    });
    const client = await world.client();
    client.send(bytes('GET /1') + bytes('POST /2', ['Content-Length: 10'], 'hello'));
    client.halfClose();
    await world.origin.head();
    gate.open();
    await client.response();
    await client.untilClosed();
    assert.equal(client.responses.length, 1);
    assert.equal((await world.logged(2)).status, 499);
    assert.ok(world.origin.heads.every(({ message }) => message.target === '/1' || !message.complete));
    await world.untilIdle();
  });

  test('a reset aborts at once, before, during and after the body', async (t) => {
    const world = await World.start(t, { origins: [{ onHead: silence }] });
    const requests = [
      bytes('GET /'),
      bytes('POST /', ['Content-Length: 10'], 'hello'),
      bytes('POST /', [], 'hello'),
      bytes('POST /', ['Expect: 100-continue', 'Content-Length: 10']),
    ];
    for (const [index, text] of requests.entries()) {
      const client = await world.client();
      client.send(text);
      const { connection } = await world.origin.head(index + 1);
      client.abort();
      await world.origin.untilClosed(connection);
    }
    assert.deepEqual(
      world.log.map(({ status, reason }) => [status, reason]),
      requests.map(() => [499, 'DC']),
    );
    await world.untilIdle();
  });

  test('a reset during the response stops the endpoint', async (t) => {
    const world = await World.start(t, {
      origins: [
        (_, connection) => {
          connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
        },
      ],
    });
    const client = await world.client();
    client.send(bytes('GET /'));
    await client.head();
    const { connection } = await world.origin.request();
    client.abort();
    await world.origin.untilClosed(connection);
    const line = await world.logged();
    assert.deepEqual([line.status, line.reason, line.bytesOut], [200, 'DC', 3]);
    await world.untilIdle();
  });

  test('a peer that is gone before it is accepted does not pass for a trusted one', async (t) => {
    const world = await World.start(t, { routes: [OWN] });
    const request = bytes('GET /own', ['X-Forwarded-For: 6.6.6.6', 'X-Request-Id: forged']);
    const script = `
      const socket = require('node:net').connect(${world.gateway.port()}, '127.0.0.1', () => {
        socket.write(${JSON.stringify(request)}, () => socket.resetAndDestroy());
      });
      socket.on('error', () => {});`;
    // This thread stands still meanwhile: the connection waits in the backlog until it is dead.
    execFileSync(process.execPath, ['-e', script]);
    await world.ask('GET /own');
    await world.untilIdle();
    assert.deepEqual(
      world.log.filter(({ clientIp, id }) => clientIp !== '127.0.0.1' || id === 'forged'),
      [],
    );
  });
});

suite('an answer before the request is whole', { concurrency: true }, () => {
  test('reaches the client, then either connection is closed', async (t) => {
    const world = await World.start(t, { origins: [{ onHead: says(reply(403, [['X-Why', 'no']], 'forbidden')) }] });
    for (const framing of ['Content-Length: 50000000', 'Transfer-Encoding: chunked']) {
      const client = await world.client();
      client.send(bytes('POST /', [framing]));
      const chunk = 'x'.repeat(100_000);
      for (let n = 0; n < 20; n++) client.send(framing.startsWith('T') ? `186a0\r\n${chunk}\r\n` : chunk);
      const response = await client.response();
      assert.deepEqual([response.status, response.text(), response.get('connection')], [403, 'forbidden', 'close']);
      await client.untilEnded();
      assert.equal(client.responses.length, 1);
    }
    for (const connection of world.origin.connections) await world.origin.untilClosed(connection);
    assert.equal(world.origin.requests.length, 0);
    await world.untilIdle();
  });

  test('of the gateway’s own reaches the client too, and no body is taken for a request', async (t) => {
    const world = await World.start(t, { routes: [OWN] });
    const client = await world.client();
    client.send(bytes('POST /own', ['Content-Length: 200000']));
    client.send(bytes('GET /smuggled').repeat(1000));
    const response = await client.response();
    assert.deepEqual([response.status, response.text(), response.get('connection')], [200, 'own', 'close']);
    await client.untilEnded();
    assert.deepEqual([client.responses.length, world.origin.heads.length], [1, 0]);
    await world.untilIdle();
  });
});

suite('responses that are not HTTP', { concurrency: true }, () => {
  const bad: Record<string, string> = {
    garbage: 'SSH-2.0-OpenSSH_9.6\r\n\r\n',
    'another version': 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n',
    'a status of two digits': 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
    'bare LF': 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
    'both lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
    'a list of lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc',
    'a negative length': 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    'an unknown coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n',
    'a folded field': 'HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n',
    'a blank before the colon': 'HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 0\r\n\r\n',
    'a control character': 'HTTP/1.1 200 OK\r\nX-A: \x01\r\nContent-Length: 0\r\n\r\n',
    'a head without an end': `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(70_000)}`,
    'too many fields': `HTTP/1.1 200 OK\r\n${'X-A: 1\r\n'.repeat(300)}Content-Length: 0\r\n\r\n`,
    'an upgrade that nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
  };
  for (const [name, raw] of Object.entries(bad)) {
    test(`${name}: 502 UPE, and the connection is closed`, async (t) => {
      const world = await World.start(t, { origins: [says(raw)], route: { retry: false } });
      const response = await world.ask('GET /');
      const { reason, detail } = JSON.parse(response.text());
      assert.deepEqual([response.status, reason], [502, 'UPE'], detail);
      assert.match(response.get('proxy-status') ?? '', /error=http_protocol_error/);
      await world.origin.untilClosed(await world.origin.connection());
      await world.untilIdle();
    });
  }

  test('octets behind a response are given to nobody', async (t) => {
    const evil = reply(200, [], 'somebody else’s');
    const world = await World.start(t, { origins: [says(reply(200, [], 'yours') + evil)] });
    const client = await world.client();
    for (let n = 1; n <= 3; n++) {
      client.send(bytes(`GET /${n}`));
      assert.equal((await client.response(n)).text(), 'yours');
    }
    assert.equal(world.origin.connections.length, 3);
    for (const connection of world.origin.connections) await world.origin.untilClosed(connection);
    await world.untilIdle();
  });

  test('octets on an idle connection close it', async (t) => {
    const upstream = { timeouts: { idle: '10m' } };
    const world = await World.start(t, { origins: [says(reply(200, [], 'yours'))], upstream });
    const client = await world.client();
    client.send(bytes('GET /1'));
    await client.response();
    const connection = await world.origin.connection();
    connection.send(reply(200, [], 'somebody else’s'));
    await world.origin.untilClosed(connection);
    client.send(bytes('GET /2'));
    assert.equal((await client.response(2)).text(), 'yours');
    assert.equal(world.origin.connections.length, 2);
  });

  test('a body behind HEAD, 204 or 304 is given to nobody', async (t) => {
    const raw: Record<string, string> = {
      '/head': 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
      '/204': 'HTTP/1.1 204 No Content\r\n\r\nevil',
      '/304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil',
    };
    const world = await World.start(t, {
      origins: [({ message }, connection) => connection.send(raw[message.target] ?? reply(200, [], 'good'))],
    });
    const client = await world.client({ methodOf: (index) => (index === 0 ? 'HEAD' : 'GET') });
    const requests = ['HEAD /head', 'GET /good', 'GET /204', 'GET /good', 'GET /304', 'GET /good'];
    for (const [index, line] of requests.entries()) {
      client.send(bytes(line));
      await client.response(index + 1);
    }
    assert.deepEqual(
      client.responses.map((message) => message.text()),
      ['', 'good', '', 'good', '', 'good'],
    );
    assert.equal(client.received.includes('evil'), false);
  });
});

suite('responses that end too early', { concurrency: true }, () => {
  const cuts: Record<string, { raw: string; reset?: boolean; reason: string }> = {
    'a length that is not reached': { raw: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello', reason: 'UC' },
    'chunks without an end': {
      raw: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
      reason: 'UC',
    },
    'a chunk that is not whole': {
      raw: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello',
      reason: 'UC',
    },
    'a chunk that is none': { raw: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!!', reason: 'UPE' },
    'a reset of a body without a length': { raw: 'HTTP/1.1 200 OK\r\n\r\nhello', reset: true, reason: 'UC' },
  };
  for (const [name, { raw, reset, reason }] of Object.entries(cuts)) {
    test(`${name}: the client sees the cut`, async (t) => {
      const gate = new Gate();
      const world = await World.start(t, {
        origins: [
          async (_, connection) => {
            connection.send(raw.slice(0, raw.indexOf('hello') + 2));
            await gate.opened;
            // Alone: what arrives in one poll with the last octets is reported as an ordinary end by libuv.
            if (reset === true) connection.reset();
            else connection.socket.end(raw.slice(raw.indexOf('hello') + 2));
          },
        ],
      });
      const modern = await world.client();
      const old = await world.client();
      modern.send(bytes('GET /'));
      old.send(bytes('GET / HTTP/1.0'));
      await Promise.all([modern.head(), old.head()]);
      gate.open();
      await Promise.all([modern.untilEnded(), old.untilEnded()]);
      assert.equal(modern.responses.length, 0);
      assert.ok(modern.malformed !== undefined, 'HTTP/1.1: cut off');
      // To HTTP/1.0 the end of the connection is the end of the body, unless it is a reset.
      const isReset = (old.socketError as NodeJS.ErrnoException | undefined)?.code === 'ECONNRESET';
      assert.ok(isReset || old.malformed !== undefined, 'HTTP/1.0: cut off');
      const line = await world.logged();
      assert.deepEqual([line.status, line.reason, line.attempts], [200, reason, 1]);
      await world.untilIdle();
    });
  }
});

test('a client that takes its time gets the end of its last answer', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'headgate-test-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'gateway.sock');
  const clock = new FakeClock();
  const world = await World.start(t, {
    overrides: { clock },
    origins: [
      ({ message }, connection) => connection.send(reply(200, [], 'x'.repeat(Number(message.target.slice(1))))),
    ],
    // A unix socket takes a fixed amount, so that some of these answers are left half in the gateway when it is done.
    config: {
      listeners: [{ address: '127.0.0.1:0', timeouts: { headers: '1s' } }, { address: `unix:${path}` }],
    },
  });
  const sizes = Array.from({ length: 24 }, (_, n) => 120_000 + n * 16_000);
  const clients: RawClient[] = [];
  for (const size of sizes) {
    const client = await RawClient.open(path, { reads: false, keepBody: false });
    t.after(() => client.destroy());
    client.send(bytes(`GET /${size}`, ['Connection: close']));
    clients.push(client);
  }
  await world.origin.request(sizes.length);
  const done = await eventually('answers that are done', async () => {
    await turn();
    return world.log.length >= sizes.length / 3 ? world.log.length : undefined;
  });
  assert.ok(done > 0);
  // This one is closed by the same wheel, a second later than the answers were done: then their time is over, if any is.
  const mark = await world.client();
  await clock.advance(3000);
  await mark.untilEnded();
  for (const [index, client] of clients.entries()) {
    client.resume();
    const response = await client.response();
    assert.equal(response.bodyBytes, sizes[index]);
  }
});

test('an endpoint’s Keep-Alive hint of a second leaves no time to keep its connection', async (t) => {
  const world = await World.start(t, { origins: [says(reply(200, [['Keep-Alive', 'max=9, timeout=1']], 'ok'))] });
  const client = await world.client();
  for (let n = 1; n <= 3; n++) {
    client.send(bytes('GET /'));
    await client.response(n);
  }
  assert.equal(world.origin.connections.length, 3);
});

test('who waits for a connection in vain is never sent later', async (t) => {
  const gate = new Gate();
  const world = await World.start(t, {
    upstream: { maxConnections: 1, timeouts: { connect: '10s' } },
    routes: [{ match: { path: '/slow' }, upstream: 'origin', timeout: false }],
    route: { timeout: '60ms' },
    origins: [
      async (request, connection) => {
        if (request.message.target === '/slow') await gate.opened;
        await echo(request, connection);
      },
    ],
  });
  const slow = await world.client();
  slow.send(bytes('GET /slow'));
  await world.origin.request();
  const late = await world.ask('POST /late');
  assert.equal(late.status, 504, late.text());
  gate.open();
  await slow.response();
  await world.ask('GET /next');
  assert.deepEqual(
    world.origin.heads.map(({ message }) => message.target),
    ['/slow', '/next'],
  );
  await world.untilIdle();
});

test('after a storm of every kind of outcome nothing is left in flight and no connection open', async (t) => {
  const play: Script = async ({ message, connection }) => {
    const kind = Number(message.target.slice(1)) % 12;
    const outcomes: (() => unknown)[] = [
      () => connection.send(reply(200, [], 'ok')),
      () => connection.send(chunkedReply(200, [], ['a', 'b'], [['X-T', '1']])),
      () => connection.send(reply(503)),
      () => connection.reset(),
      () => connection.end(),
      () => connection.send('garbage\r\n\r\n'),
      () => connection.truncate(reply(200, [], 'hello'), 40),
      () => connection.send(reply(200, [['Connection', 'close']], 'bye')),
      () => connection.send('HTTP/1.1 103 Early Hints\r\n\r\n'),
      () => connection.dribble(reply(200, [], 'slowly'), 5),
      () => connection.send(`${reply(200, [], 'one')}extra`),
      () => connection.socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'),
    ];
    await outcomes[kind]?.();
  };
  const dead = await World.start(t);
  const deadUrl = dead.origin.url;
  await dead.origin.kill();
  const world = await World.start(t, {
    origins: [{ onRequest: play }, { onHead: play, onRequest: silence }],
    endpoints: [deadUrl],
    upstream: { maxConnections: 8, timeouts: { connect: '200ms', idle: '100ms' } },
    route: { timeout: { response: '150ms', stream: '150ms' }, retry: { attempts: 3, perTry: '100ms' } },
    listener: { timeouts: { body: '100ms' } },
  });
  const run = async (seed: number): Promise<void> => {
    for (let n = 0; n < 12; n++) {
      const id = seed * 5 + n;
      const client = await world.client();
      const kinds = [
        bytes(`GET /${id}`),
        bytes(`POST /${id}`, [], 'hello'),
        bytes(`PUT /${id}`, ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
        bytes(`POST /${id}`, ['Content-Length: 9'], 'hello'),
        bytes(`GET /${id} HTTP/1.0`),
        bytes(`GET /${id}`) + bytes(`GET /${id + 1}`),
        bytes(`POST /${id}`, ['Transfer-Encoding: chunked'], '5\r\nhello\r\nXX'),
      ];
      client.send(kinds[id % kinds.length] as string);
      if (id % 5 === 0) {
        await turn();
        client.abort();
      } else if (id % 5 === 1) client.halfClose();
      if (id % 5 !== 0)
        await client.until(
          'an outcome',
          () => client.responses.length > 0 || client.ended || client.closed || undefined,
        );
      client.destroy();
    }
  };
  await Promise.all(Array.from({ length: 24 }, (_, seed) => run(seed)));
  await world.untilIdle();
  for (const origin of world.origins)
    await origin.until('no open connection', () => (origin.open.length === 0 ? true : undefined));
  assert.equal(world.log.filter(({ reason }) => reason === 'IE').length, 0);
  for (const origin of world.origins)
    assert.equal(
      origin.connections.find(({ malformed }) => malformed !== undefined),
      undefined,
    );
});
