import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { BlackHole } from './black-hole.ts';
import { CliProcess, freePort } from './cli.ts';
import { get, RawClient, request } from './http-client.ts';
import { chunkedReply, RawOrigin, reply, silence } from './raw-origin.ts';
import { type Message, StrictHttpError, StrictReader } from './strict-http.ts';
import { Gate } from './wait.ts';

function read(kind: 'request' | 'response', bytes: string, piece = bytes.length): Message[] {
  const messages: Message[] = [];
  const reader = new StrictReader({ kind, onMessage: (message) => messages.push(message) });
  for (let from = 0; from < bytes.length; from += piece) {
    reader.push(Buffer.from(bytes.slice(from, from + piece), 'latin1'));
  }
  reader.end();
  return messages;
}

test('the strict reader reads requests however the bytes are cut', () => {
  const bytes =
    'POST /a?b HTTP/1.1\r\nHost: x.test:80\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n' +
    'GET /b HTTP/1.1\r\nHost: [::1]\r\nX-Empty:\r\nX-Obs: \xe9\tz \r\n\r\nPUT /c HTTP/1.0\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc';
  for (let piece = 1; piece <= bytes.length; piece++) {
    const [first, second, third, ...more] = read('request', bytes, piece);
    assert.equal(first?.text(), 'hello0123456789');
    assert.deepEqual(first?.chunks, [5, 10]);
    assert.deepEqual(first?.trailers, [['X-Sum', '1']]);
    assert.equal(second?.get('x-obs'), '\xe9\tz');
    assert.equal(second?.get('x-empty'), '');
    assert.equal(third?.text(), 'abc');
    assert.equal(more.length, 0);
  }
});

test('the strict reader refuses what two readers could understand differently', () => {
  const head = (lines: string, line = 'POST /a HTTP/1.1'): string => `${line}\r\nHost: x\r\n${lines}\r\n`;
  const bad = [
    head('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'),
    head('Content-Length: 5\r\nContent-Length: 5\r\n'),
    head('Content-Length: +5\r\n'),
    head('Transfer-Encoding: gzip, chunked\r\n'),
    head('Transfer-Encoding: chunked\r\n', 'POST /a HTTP/1.0'),
    head('Host: x\r\n'),
    head('Na me: x\r\n'),
    head('Name : x\r\n'),
    head(' folded\r\n'),
    head('X: a\rb\r\n'),
    head('X: a\0b\r\n'),
    head('', 'GET http://x/a HTTP/1.1'),
    head('', 'GET /a#b HTTP/1.1'),
    head('', 'GET  /a HTTP/1.1'),
    head('', 'GET /a HTTP/2.0'),
    head('', 'G(T /a HTTP/1.1'),
    'GET /a HTTP/1.1\r\n\r\n',
    'GET /a HTTP/1.1\nHost: x\n\n',
    `${head('Transfer-Encoding: chunked\r\n')}5;ext\r\nhello\r\n0\r\n\r\n`,
    `${head('Transfer-Encoding: chunked\r\n')}5\r\nhello0\r\n\r\n`,
    `${head('Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n`,
    `${head('Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n`,
    `${head('Content-Length: 5\r\n')}hell`,
  ];
  for (const bytes of bad) assert.throws(() => read('request', bytes), StrictHttpError, JSON.stringify(bytes));
});

test('the strict reader knows which responses have no body and which end with the connection', () => {
  const messages = read(
    'response',
    'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 \r\n\r\nrest',
  );
  assert.deepEqual(
    messages.map(({ status, framing, bodyBytes }) => [status, framing, bodyBytes]),
    [
      [103, 'none', 0],
      [204, 'none', 0],
      [304, 'none', 0],
      [200, 'until-close', 4],
    ],
  );
  assert.throws(() => read('response', 'HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n'), StrictHttpError);
});

test('client and origin: keep-alive, pipelining, split bytes, echo', async (t) => {
  const origin = await RawOrigin.start();
  t.after(() => origin.stop());
  const client = await RawClient.open(origin.port);
  await client.sendSplit('GET /1 HTTP/1.1\r\nHost: o\r\n\r\nGET /2 HTTP/1.1\r\nHost: o\r\n\r\n', 1);
  const second = await client.response(2);
  assert.equal(JSON.parse(second.text()).target, '/2');
  assert.equal(origin.connections.length, 1);
  assert.equal((await origin.request(2)).message.target, '/2');
  client.halfClose();
  await client.untilClosed();
  assert.equal(client.malformed, undefined);

  const answer = await request(`${origin.url}/x?y`, { method: 'PUT', body: 'abc', headers: { 'X-A': '1' } });
  assert.equal(JSON.parse(answer.text()).bodyBytes, 3);
  assert.equal((await request(`${origin.url}/`, { method: 'HEAD' })).bodyBytes, 0);
});

test('origin scripts: gates, chunks with trailers, 1xx, truncation, resets, upgrades', async (t) => {
  const origin = await RawOrigin.start();
  t.after(() => origin.stop());
  const gate = new Gate();
  origin.script(async (_, connection) => {
    connection.send('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n');
    const bytes = chunkedReply(200, [['X-A', '1']], ['one', 'two'], [['X-Sum', '6']]);
    connection.send(bytes.slice(0, bytes.indexOf('two')));
    await gate.opened;
    await connection.dribble(bytes.slice(bytes.indexOf('two')));
  });
  const client = await RawClient.open(origin.port);
  client.send('GET / HTTP/1.1\r\nHost: o\r\n\r\n');
  const head = await client.head();
  assert.equal(head.complete, false);
  gate.open();
  const whole = await client.response();
  assert.deepEqual([whole.text(), whole.trailers, client.interim[0]?.status], ['onetwo', [['X-Sum', '6']], 103]);

  origin.script((_, connection) => connection.truncate(reply(200, [], 'hello'), 40));
  client.send('GET / HTTP/1.1\r\nHost: o\r\n\r\n');
  await assert.rejects(client.response(2), /cut off/);

  origin.script((_, connection) => connection.reset());
  await assert.rejects(get(origin.url), /ECONNRESET/);

  origin.script((_, connection) => {
    connection.reader.tunnel();
    connection.send('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhi');
  });
  const tunnel = await RawClient.open(origin.port);
  tunnel.send('GET / HTTP/1.1\r\nHost: o\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
  await tunnel.until('bytes of the tunnel', () => (tunnel.tunnelled.length === 2 ? true : undefined));
  tunnel.send('\x00anything');
  await origin.until('tunnelled bytes', () => (origin.connections.at(-1)?.tunnelled.length === 9 ? true : undefined));
  tunnel.destroy();
  client.destroy();
  assert.deepEqual(origin.scriptErrors, []);
});

test('an origin that is killed refuses, and comes back on its port', async (t) => {
  const origin = await RawOrigin.start({ closeAfter: 2 });
  t.after(() => origin.stop());
  const client = await RawClient.open(origin.port);
  client.send('GET / HTTP/1.1\r\nHost: o\r\n\r\nGET / HTTP/1.1\r\nHost: o\r\n\r\n');
  await client.response(2);
  await client.untilEnded();
  client.destroy();
  await origin.kill();
  await assert.rejects(get(origin.url), /ECONNREFUSED/);
  await origin.revive();
  assert.equal((await get(origin.url)).status, 200);
});

test('a client that aborts is seen as a reset, a request that is cut as incomplete', async (t) => {
  const origin = await RawOrigin.start({ onHead: silence });
  t.after(() => origin.stop());
  const client = await RawClient.open(origin.port);
  client.send('POST / HTTP/1.1\r\nHost: o\r\nContent-Length: 5\r\n\r\nhel');
  const head = await origin.head();
  client.abort();
  await origin.untilClosed(head.connection);
  assert.equal(head.message.complete, false);
  assert.equal(head.connection.ended, false);
});

test('a wait that cannot be met says what it waited for', async (t) => {
  const origin = await RawOrigin.start(silence);
  t.after(() => origin.stop());
  await assert.rejects(
    origin.until('a miracle', () => undefined, 1),
    /waited in vain for a miracle/,
  );
});

test('a black hole answers no connection attempt', { skip: process.platform !== 'linux' }, async (t) => {
  const hole = await BlackHole.open();
  t.after(() => hole.close());
  const attempt = connect({ host: '127.0.0.1', port: hole.port });
  attempt.on('error', () => {});
  let answered = false;
  attempt.on('connect', () => {
    answered = true;
  });
  attempt.on('close', () => {
    answered = true;
  });
  const origin = await RawOrigin.start();
  t.after(() => origin.stop());
  for (let n = 0; n < 20; n++) await get(origin.url);
  assert.equal(answered, false);
  attempt.destroy();
});

test('the runner of processes waits for output, signals by pid and collects the end', async () => {
  const script =
    'process.on("SIGTERM", () => { console.error("bye"); process.exit(3); }); setInterval(() => {}, 1e6); console.log("listening on 1234");';
  const cli = new CliProcess(['-e', script], { command: [process.execPath] });
  const [, port] = await cli.output(/listening on (\d+)/);
  assert.equal(port, '1234');
  cli.signal('SIGTERM');
  assert.deepEqual(await cli.exited(), { code: 3, signal: null });
  assert.match(cli.stderr, /bye/);
  await assert.rejects(cli.output(/never/), /ended with .* before \/never\//);

  const port2 = await freePort();
  const socket = connect({ host: '127.0.0.1', port: port2 });
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
});
