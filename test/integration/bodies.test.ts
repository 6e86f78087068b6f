import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { RawClient } from '../kit/http-client.ts';
import { RawOrigin, reply, silence } from '../kit/raw-origin.ts';
import { GatewayProcess } from './gateway-process.ts';
import { bytes, World } from './world.ts';

const MEGABYTE = 1024 * 1024;
const BLOCK = Buffer.alloc(MEGABYTE, 'x');
const BLOCK_CHUNK = Buffer.concat([Buffer.from('100000\r\n'), BLOCK, Buffer.from('\r\n')]);
const OWN = { match: { path: '/own' }, respond: { body: 'own' } };

/** Writes `count` blocks as fast as they are taken; `onBlock` hears how many are on their way. */
async function pour(socket: Socket, block: Buffer, count: number, onBlock = (_: number): void => {}): Promise<void> {
  for (let n = 0; n < count && socket.writable; n++) {
    onBlock(n);
    if (!socket.write(block)) await drained(socket);
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

suite('200 MB in either direction', () => {
  const MEGABYTES = 200;
  const MOST_GROWTH = 80 * MEGABYTE;

  async function start(t: TestContext): Promise<{ origin: RawOrigin; client: RawClient; gateway: GatewayProcess }> {
    const origin = await RawOrigin.start({
      keepBody: false,
      onRequest: async ({ message }, { socket }) => {
        if (message.method === 'POST') {
          socket.write(reply(200, [], String(message.bodyBytes)));
          return;
        }
        const isChunked = message.target === '/chunked';
        const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${MEGABYTES * MEGABYTE}`;
        socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
        await pour(socket, isChunked ? BLOCK_CHUNK : BLOCK, MEGABYTES);
        if (isChunked) socket.write('0\r\n\r\n');
      },
    });
    t.after(() => origin.stop());
    const gateway = await GatewayProcess.start({
      upstreams: { origin: { endpoints: [origin.url] } },
      routes: [{ upstream: 'origin', bodyLimit: false }],
    });
    t.after(() => gateway.stop());
    const client = await RawClient.open(gateway.port, { keepBody: false });
    t.after(() => client.destroy());
    return { origin, client, gateway };
  }

  for (const framing of ['length', 'chunked']) {
    test(`${framing}: memory stays flat`, async (t) => {
      const { origin, client, gateway } = await start(t);
      const isChunked = framing === 'chunked';
      const warmUp = 20;
      client.send(bytes('POST /warm-up', [`Content-Length: ${warmUp * MEGABYTE}`]));
      await pour(client.socket, BLOCK, warmUp);
      await client.response(1);
      await gateway.memory();
      client.send(
        bytes('POST /', [isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${MEGABYTES * MEGABYTE}`]),
      );
      await pour(client.socket, isChunked ? BLOCK_CHUNK : BLOCK, MEGABYTES);
      if (isChunked) client.send('0\r\n\r\n');
      await client.response(2);
      assert.equal((await origin.request(2)).message.bodyBytes, MEGABYTES * MEGABYTE);
      const up = await gateway.memory();
      client.send(bytes(`GET /${framing}`));
      const response = await client.until('the response', () => client.responses[2], true, 60_000);
      assert.equal(response.bodyBytes, MEGABYTES * MEGABYTE);
      const down = await gateway.memory();
      for (const [direction, { startBytes, peakBytes }] of Object.entries({ up, down })) {
        const growth = peakBytes - startBytes;
        t.diagnostic(`${direction}: ${Math.round(startBytes / MEGABYTE)} MB + ${Math.round(growth / MEGABYTE)} MB`);
        assert.ok(growth < MOST_GROWTH, `${direction}: grew by ${growth} bytes`);
      }
    });
  }
});

/** Serves others for a while; what could go on has gone on by then. */
async function meanwhile(world: World): Promise<void> {
  const other = await world.client();
  for (let n = 1; n <= 100; n++) {
    other.send(bytes('GET /own'));
    await other.response(n);
  }
}

/** The value at which a count comes to rest. */
async function restOf(world: World, count: () => number): Promise<number> {
  for (;;) {
    const before = count();
    await meanwhile(world);
    if (count() === before) return before;
  }
}

suite('back-pressure', { concurrency: true }, () => {
  test('a client that does not read stops the endpoint; when it reads on, all comes', async (t) => {
    let poured = 0;
    const world = await World.start(t, {
      routes: [OWN],
      origins: [
        async (_, { socket }) => {
          socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
          await pour(socket, BLOCK_CHUNK, 100, (n) => {
            poured = n;
          });
          socket.write('0\r\n\r\n');
        },
      ],
    });
    const client = await world.client({ keepBody: false, reads: false });
    client.send(bytes('GET /'));
    await world.origin.request();
    const taken = await restOf(world, () => poured);
    assert.ok(taken < 60, `${taken} MB were taken for a client that reads nothing`);
    client.resume();
    assert.equal((await client.response()).bodyBytes, 100 * MEGABYTE);
    await world.untilIdle();
  });

  test('an endpoint that does not read stops the client; when it reads on, all comes', async (t) => {
    const world = await World.start(t, {
      routes: [OWN],
      origins: [
        { keepBody: false, onHead: (_, connection) => connection.pause(), onRequest: (_, c) => c.send(reply(200)) },
      ],
      route: { bodyLimit: false },
    });
    for (const [turn, isChunked] of [false, true].entries()) {
      let poured = 0;
      const client = await world.client({ keepBody: false });
      client.send(bytes('POST /', [isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${100 * MEGABYTE}`]));
      const { message, connection } = await world.origin.head(turn + 1);
      const done = pour(client.socket, isChunked ? BLOCK_CHUNK : BLOCK, 100, (n) => {
        poured = n;
      });
      const taken = await restOf(world, () => poured);
      assert.ok(taken < 60, `${taken} MB were taken for an endpoint that reads nothing`);
      connection.resume();
      await done;
      if (isChunked) client.send('0\r\n\r\n');
      await client.response();
      assert.equal(message.bodyBytes, 100 * MEGABYTE);
    }
    await world.untilIdle();
  });

  test('no octet of a body is read while its connection to the endpoint is not there', async (t) => {
    const world = await World.start(t, {
      routes: [OWN],
      origins: [{ keepBody: false, onRequest: (_, c) => c.send(reply(200)), onHead: silence }],
      upstream: { maxConnections: 1, timeouts: { connect: '10s' } },
    });
    const first = await world.client();
    first.send(bytes('POST /', ['Content-Length: 3']));
    await world.origin.head();
    const second = await world.client();
    second.send(bytes('POST /', [`Content-Length: ${50 * MEGABYTE}`]));
    const done = pour(second.socket, BLOCK, 50);
    await meanwhile(world);
    assert.ok(second.socket.writableLength > 0, 'the body was taken though nobody wants it yet');
    first.send('abc');
    await first.response();
    await done;
    await second.response();
    assert.equal((await world.origin.request(2)).message.bodyBytes, 50 * MEGABYTE);
  });
});

suite('bodyLimit', { concurrency: true }, () => {
  const limited = {
    route: { bodyLimit: '1kb' },
    origins: [{ onHead: silence, onRequest: (_: unknown, c: { send(b: string): void }) => c.send(reply(200)) }],
  };

  test('a length above it is refused before the endpoint hears of it', async (t) => {
    const world = await World.start(t, limited);
    const client = await world.client();
    client.send(bytes('POST /', ['Content-Length: 1025']));
    const response = await client.response();
    const { reason, detail } = JSON.parse(response.text());
    assert.deepEqual([response.status, reason, response.get('connection')], [413, 'DPE', 'close']);
    assert.match(detail, /route "all" takes bodies of at most 1024 bytes \(routes\[0\]\.bodyLimit\)/);
    await client.untilEnded();
    assert.equal(world.origin.heads.length, 0);
    assert.equal((await world.ask('POST /', [], 'x'.repeat(1024))).status, 200);
  });

  test('what chunks add up to is counted, and the endpoint sees a cut', async (t) => {
    const world = await World.start(t, limited);
    const exact = await world.client();
    exact.send(bytes('POST /', ['Transfer-Encoding: chunked'], `400\r\n${'x'.repeat(1024)}\r\n0\r\n\r\n`));
    assert.equal((await exact.response()).status, 200);
    const parts = `300\r\n${'x'.repeat(768)}\r\n`;
    const over = [
      [`${parts}101\r\n${'x'.repeat(257)}`],
      [parts, parts, parts],
      [`${parts}${parts}${parts}0\r\n\r\n`],
      [`${parts.repeat(100)}`],
    ];
    for (const pieces of over) {
      const client = await world.client();
      client.send(bytes('POST /', ['Transfer-Encoding: chunked']));
      for (const piece of pieces) {
        client.send(piece);
        await meanwhileTurns();
      }
      const response = await client.response();
      assert.deepEqual([response.status, response.get('connection')], [413, 'close']);
      await client.untilEnded();
    }
    assert.equal(world.origin.requests.length, 1);
    for (const { connection } of world.origin.heads.slice(1)) await world.origin.untilClosed(connection);
    await world.untilIdle();
  });

  test('a client that is refused and stays is let go of all the same', async (t) => {
    const world = await World.start(t, limited);
    const client = await RawClient.open(world.gateway.port());
    t.after(() => client.destroy());
    client.send(bytes('POST /', ['Transfer-Encoding: chunked'], `${'300\r\n'}${'x'.repeat(768)}\r\n`.repeat(3)));
    await client.response();
    // It neither sends nor closes: not the client but the gateway ends this connection.
    await world.untilIdle();
  });
});

async function meanwhileTurns(): Promise<void> {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
}

test('a malformed chunk in the middle of a body: 400, and the endpoint sees a cut', async (t) => {
  const world = await World.start(t, { origins: [{ onHead: silence }] });
  const bad = [
    '5\r\nhello\r\nzz\r\n',
    '5\r\nhelloo\r\n',
    '5\r\nhello\r\n5\nworld\r\n',
    '5\r\nhello\r\n0\r\nContent Length: 3\r\n\r\n',
  ];
  for (const [index, text] of bad.entries()) {
    const client = await world.client();
    client.send(bytes('POST /', ['Transfer-Encoding: chunked']));
    const { message, connection } = await world.origin.head(index + 1);
    client.send(text);
    const response = await client.response();
    assert.deepEqual([response.status, JSON.parse(response.text()).reason], [400, 'DPE']);
    await client.untilEnded();
    await world.origin.untilClosed(connection);
    assert.equal(message.complete, false);
  }
  assert.equal(world.origin.requests.length, 0);
  await world.untilIdle();
});
