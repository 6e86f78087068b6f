import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { chunkedReply, reply, type Script } from '../kit/raw-origin.ts';
import type { Message } from '../kit/strict-http.ts';
import { Gate } from '../kit/wait.ts';
import { all, bytes, World } from './world.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TRUSTING = { trustedProxies: ['127.0.0.1/32'] };

const answer = (...args: Parameters<typeof reply>): Script => {
  return (_, connection) => connection.send(reply(...args));
};

/** The request as the origin saw it. */
async function seen(world: World, n = 1): Promise<Message> {
  return (await world.origin.request(n)).message;
}

suite('fields of a connection', { concurrency: true }, () => {
  test('are dropped from requests, those that Connection names among them', async (t) => {
    const world = await World.start(t);
    await world.ask('GET /x', [
      'Connection: keep-alive, X-Hop, close, x-forwarded-for, x-request-id',
      'X-Hop: 1',
      'X-Stays: 2',
      'Keep-Alive: timeout=9',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic eDp5',
      'TE: gzip',
      'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
      'Upgrade: h2c',
    ]);
    const message = await seen(world);
    const gone = ['x-hop', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'te', 'http2-settings', 'upgrade'];
    for (const name of [...gone, 'connection']) assert.equal(message.get(name), undefined, name);
    assert.equal(message.get('x-stays'), '2');
    // Ours are added after that, so that no client can take them away.
    assert.equal(message.get('x-forwarded-for'), '127.0.0.1');
    assert.match(message.get('x-request-id') ?? '', UUID_V7);
  });

  test('are dropped from responses, those that Connection names among them', async (t) => {
    const fields = [
      ['Connection', 'keep-alive, X-Hop'],
      ['X-Hop', '1'],
      ['Keep-Alive', 'timeout=5, max=100'],
      ['Proxy-Connection', 'keep-alive'],
      ['Upgrade', 'h2c'],
      ['X-Stays', '2'],
    ] as const;
    const world = await World.start(t, { origins: [answer(200, fields, 'ok')] });
    const client = await world.client();
    client.send(bytes('GET /'));
    const message = await client.response();
    for (const name of ['connection', 'x-hop', 'keep-alive', 'proxy-connection', 'upgrade']) {
      assert.equal(message.get(name), undefined, name);
    }
    assert.equal(message.get('x-stays'), '2');
    assert.equal(message.text(), 'ok');
  });

  test('cannot take Host, the length or a credential with them', async (t) => {
    const world = await World.start(t);
    await world.ask(
      'POST /',
      ['Connection: host, content-length, authorization, close', 'Authorization: Bearer x'],
      'abc',
    );
    const message = await seen(world);
    assert.equal(message.get('host'), 'gw.test');
    assert.equal(message.get('authorization'), 'Bearer x');
    assert.equal(message.text(), 'abc');
  });
});

suite('fields about the way', { concurrency: true }, () => {
  test('of a peer that is not trusted are set anew, and its claims dropped', async (t) => {
    const world = await World.start(t);
    const response = await world.ask('GET /', [
      'Host: shop.test:8080',
      'X-Forwarded-For: 6.6.6.6',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: evil.test',
      'Forwarded: for=6.6.6.6',
      'X-Real-IP: 6.6.6.6',
      'X_Forwarded_For: 6.6.6.6',
      'X-Forwarded_Proto: https',
      'X_Real_IP: 6.6.6.6',
      'X-Request-Id: mine',
      'Via: 1.0 before',
    ]);
    const message = await seen(world);
    assert.deepEqual(all(message, 'x-forwarded-for'), ['127.0.0.1']);
    assert.deepEqual(all(message, 'x-forwarded-proto'), ['http']);
    assert.deepEqual(all(message, 'x-forwarded-host'), ['shop.test:8080']);
    assert.deepEqual(all(message, 'forwarded'), ['for=127.0.0.1;host="shop.test:8080";proto=http']);
    for (const name of ['x-real-ip', 'x_forwarded_for', 'x-forwarded_proto', 'x_real_ip']) {
      assert.equal(message.get(name), undefined, name);
    }
    assert.deepEqual(all(message, 'via'), ['1.0 before, 1.1 headgate']);
    assert.match(message.get('x-request-id') ?? '', UUID_V7);
    assert.equal(response.get('x-request-id'), message.get('x-request-id'));
    assert.equal((await world.logged()).clientIp, '127.0.0.1');
    assert.equal(await world.metric('headgate_untrusted_forwarded_total'), 1);
  });

  test('of a trusted peer are carried on', async (t) => {
    const world = await World.start(t, { listener: TRUSTING });
    const response = await world.ask('GET /', [
      'Host: shop.test',
      'X-Forwarded-For: 6.6.6.6, 203.0.113.7',
      'X-Forwarded-For: 198.51.100.9',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: www.shop.test',
      'Forwarded: for=203.0.113.7;proto=https',
      'X-Real-IP: 203.0.113.7',
      'X-Request-Id: trace.me-1_2',
    ]);
    const message = await seen(world);
    assert.deepEqual(all(message, 'x-forwarded-for'), ['6.6.6.6, 203.0.113.7, 198.51.100.9, 127.0.0.1']);
    assert.deepEqual(all(message, 'x-forwarded-proto'), ['https']);
    assert.deepEqual(all(message, 'x-forwarded-host'), ['www.shop.test']);
    assert.deepEqual(all(message, 'forwarded'), [
      'for=203.0.113.7;proto=https, for=127.0.0.1;host=shop.test;proto=http',
    ]);
    assert.equal(message.get('x-real-ip'), '203.0.113.7');
    assert.equal(message.get('x-request-id'), 'trace.me-1_2');
    assert.equal(response.get('x-request-id'), 'trace.me-1_2');
    const line = await world.logged();
    assert.deepEqual([line.id, line.clientIp], ['trace.me-1_2', '198.51.100.9']);
  });

  test('an id that is no id is replaced, also from a trusted peer', async (t) => {
    const world = await World.start(t, { listener: TRUSTING });
    for (const id of ['a b', 'é', 'x'.repeat(129), '']) await world.ask('GET /', [`X-Request-Id: ${id}`]);
    for (let n = 1; n <= 4; n++) assert.match((await seen(world, n)).get('x-request-id') ?? '', UUID_V7);
  });

  test('ids of one connection differ, and so does what belongs to one request only', async (t) => {
    const world = await World.start(t);
    const client = await world.client();
    client.send(bytes('GET /1', ['Host: one.test', 'Via: 1.1 a']) + bytes('GET /2', ['Host: two.test']));
    client.send(bytes('GET /3', ['Host: one.test']));
    await client.response(3);
    const messages = await Promise.all([1, 2, 3].map((n) => seen(world, n)));
    assert.equal(new Set(messages.map((message) => message.get('x-request-id'))).size, 3);
    assert.deepEqual(
      messages.map((message) => message.get('x-forwarded-host')),
      ['one.test', 'two.test', 'one.test'],
    );
    assert.deepEqual(
      messages.map((message) => message.get('via')),
      ['1.1 a, 1.1 headgate', '1.1 headgate', '1.1 headgate'],
    );
  });

  test('Via on responses names the version in which they came', async (t) => {
    const raw = 'HTTP/1.0 200 OK\r\nVia: 1.1 cache\r\nContent-Length: 2\r\n\r\nok';
    const world = await World.start(t, { origins: [(_, connection) => connection.send(raw)] });
    const response = await world.ask('GET /');
    assert.deepEqual(all(response, 'via'), ['1.1 cache, 1.0 headgate']);
    assert.ok(response.get('date') !== undefined, 'Date is added where there is none');
  });

  test('what a route sets is not set twice', async (t) => {
    const set = { 'X-Forwarded-Proto': 'https', 'X-Request-Id': 'fixed' };
    const world = await World.start(t, { route: { headers: { request: { set } } } });
    await world.ask('GET /', ['X-Forwarded-Proto: ftp']);
    const message = await seen(world);
    assert.deepEqual(all(message, 'x-forwarded-proto'), ['https']);
    assert.deepEqual(all(message, 'x-request-id'), ['fixed']);
    assert.deepEqual(all(message, 'x-forwarded-for'), ['127.0.0.1']);
  });
});

suite('what the endpoint sees', { concurrency: true }, () => {
  test('Host: the client’s, the endpoint’s own, or a fixed one', async (t) => {
    const expected = { keep: 'shop.test', upstream: undefined, 'inner.test': 'inner.test' };
    for (const [host, value] of Object.entries(expected)) {
      const world = await World.start(t, { upstream: { host } });
      await world.ask('GET /', ['Host: shop.test']);
      const message = await seen(world);
      assert.equal(message.get('host'), value ?? `127.0.0.1:${world.origin.port}`);
      assert.equal(message.get('x-forwarded-host'), 'shop.test');
    }
  });

  test('HTTP/1.0 without Host gets the endpoint’s', async (t) => {
    const world = await World.start(t);
    const client = await world.client();
    client.send('GET /old HTTP/1.0\r\n\r\n');
    await client.response();
    const message = await seen(world);
    assert.equal(message.get('host'), `127.0.0.1:${world.origin.port}`);
    assert.equal(message.get('via'), '1.0 headgate');
    assert.equal(message.version, '1.1');
  });

  test('the path in its canonical form, the query as it came', async (t) => {
    const world = await World.start(t);
    await world.ask('GET /a/./b/../%7euser/%2b?q=%7e&r=a%2Fb/../c');
    assert.equal((await seen(world)).target, '/a/~user/%2B?q=%7e&r=a%2Fb/../c');
    await world.ask('GET http://abs.test/x?y');
    const message = await seen(world, 2);
    assert.deepEqual([message.target, message.get('host')], ['/x?y', 'abs.test']);
  });

  test('stripPrefix, rewrite of path and host', async (t) => {
    const world = await World.start(t, {
      routes: [
        { match: { path: '/orders/*' }, stripPrefix: '/orders', upstream: 'origin' },
        { match: { path: '/v1/*' }, rewrite: { path: '/v2/*', host: 'v2.test' }, upstream: 'origin' },
      ],
    });
    const paths = ['/orders/7?a=b', '/orders', '/v1/x/y?z', '/v1'];
    for (const path of paths) await world.ask(`GET ${path}`);
    const targets = await Promise.all([1, 2, 3, 4].map(async (n) => (await seen(world, n)).target));
    assert.deepEqual(targets, ['/7?a=b', '/', '/v2/x/y?z', '/v2']);
    assert.equal((await seen(world, 3)).get('host'), 'v2.test');
  });

  test('header edits: set, add and remove', async (t) => {
    const request = { set: { 'X-Set': 'new' }, add: { 'X-Add': ['one', 'two'] }, remove: ['X-Gone'] };
    const world = await World.start(t, { route: { headers: { request } } });
    await world.ask('GET /', ['x-set: old', 'X-SET: older', 'X-Add: zero', 'x-gone: 1', 'X-Gone: 2', 'X-Kept: é']);
    const message = await seen(world);
    assert.deepEqual(all(message, 'x-set'), ['new']);
    assert.deepEqual(all(message, 'x-add'), ['zero', 'one', 'two']);
    assert.deepEqual(all(message, 'x-gone'), []);
    assert.deepEqual(all(message, 'x-kept'), ['é']);
  });

  test('values are passed on byte for byte, repeated fields as separate lines in their order', async (t) => {
    const world = await World.start(t);
    const obs = Array.from({ length: 128 }, (_, n) => String.fromCharCode(128 + n)).join('');
    await world.ask('GET /', [
      `X-Obs: ${obs}`,
      'X-Two: b',
      'X-TWO: a',
      'X-Two: b',
      'Cookie: a=1',
      'Cookie: b=2',
      'X-Empty:',
    ]);
    const message = await seen(world);
    assert.equal(message.get('x-obs'), obs);
    assert.deepEqual(all(message, 'x-two'), ['b', 'a', 'b']);
    assert.deepEqual(all(message, 'cookie'), ['a=1', 'b=2']);
    assert.deepEqual(all(message, 'x-empty'), ['']);
    assert.deepEqual(
      message.fields.filter(([name]) => /two/i.test(name)).map(([name]) => name),
      ['X-Two', 'X-TWO', 'X-Two'],
    );
  });

  test('methods that nobody knows', async (t) => {
    const world = await World.start(t);
    assert.equal((await world.ask('PURGE /x')).status, 200);
    assert.equal((await seen(world)).method, 'PURGE');
  });
});

suite('what the client sees', { concurrency: true }, () => {
  test('header edits of responses, Set-Cookie line by line, values byte for byte, phrases as they came', async (t) => {
    const raw =
      'HTTP/1.1 299 Wohl bekomm´s\r\nSet-Cookie: a=1, x\r\nContent-Length: 2\r\nset-cookie: b=2\r\nX-Obs: \xfe\xff\r\n' +
      'Server: origin\r\nX-Set: old\r\nSet-Cookie: a=1, x\r\nDate: then\r\n\r\nok';
    const response = { set: { 'X-Set': 'new' }, add: { 'X-Add': 'a' }, remove: ['server'] };
    const world = await World.start(t, {
      origins: [(_, connection) => connection.send(raw)],
      route: { headers: { response } },
    });
    const client = await world.client();
    client.send(bytes('GET /'));
    const message = await client.response();
    assert.match(client.received.toString('latin1'), /^HTTP\/1\.1 299 Wohl bekomm´s\r\n/);
    assert.deepEqual(all(message, 'set-cookie'), ['a=1, x', 'b=2', 'a=1, x']);
    assert.deepEqual(all(message, 'x-obs'), ['\xfe\xff']);
    assert.deepEqual(all(message, 'server'), []);
    assert.deepEqual(all(message, 'x-set'), ['new']);
    assert.deepEqual(all(message, 'x-add'), ['a']);
    assert.deepEqual(all(message, 'date'), ['then']);
    assert.deepEqual(all(message, 'content-length'), ['2']);
  });

  test('header edits hold for the gateway’s own answers too', async (t) => {
    const response = { set: { 'Cache-Control': 'no-cache', 'X-Set': '1' } };
    const world = await World.start(t, {
      routes: [{ match: { path: '/own' }, respond: { status: 404, body: 'no' }, headers: { response } }],
      route: { headers: { response }, match: { methods: ['POST'] }, bodyLimit: 1 },
    });
    const own = await world.ask('GET /own');
    assert.deepEqual([own.status, own.text(), own.get('x-set')], [404, 'no', '1']);
    const problem = await world.ask('POST /', [], 'too much');
    assert.deepEqual([problem.status, all(problem, 'cache-control')], [413, ['no-cache']]);
  });

  test('HEAD, 204 and 304 have no body, and keep the length that they state', async (t) => {
    const world = await World.start(t, {
      origins: [
        ({ message }, connection) => {
          const path = message.target;
          if (path === '/204') connection.send('HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n');
          else if (path === '/304')
            connection.send('HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: "x"\r\n\r\n');
          else if (path === '/chunked') connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
          else if (path === '/close') connection.send('HTTP/1.1 200 OK\r\n\r\n');
          else connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n');
        },
      ],
    });
    const methods = ['HEAD', 'GET', 'GET', 'HEAD', 'HEAD', 'HEAD'];
    const client = await world.client({ methodOf: (index) => methods[index] as string });
    client.send(
      bytes('HEAD /') + bytes('GET /204') + bytes('GET /304') + bytes('HEAD /chunked') + bytes('HEAD /close'),
    );
    client.send(bytes('HEAD /204'));
    const last = await client.response(6);
    assert.equal(last.status, 204);
    assert.deepEqual(
      client.responses.map((message) => [message.status, message.get('content-length'), message.bodyBytes]),
      [
        [200, '1234', 0],
        [204, undefined, 0],
        [304, '99', 0],
        [200, undefined, 0],
        [200, undefined, 0],
        [204, undefined, 0],
      ],
    );
    assert.ok(world.origin.connections.length <= 2, 'the endpoint’s connections were kept');
  });

  test('HEAD of an answer of the gateway’s own tells the length that GET would have', async (t) => {
    const world = await World.start(t, { routes: [{ match: { path: '/own' }, respond: { body: 'hello' } }] });
    const client = await world.client({ methodOf: (index) => (index === 0 ? 'HEAD' : 'GET') });
    client.send(bytes('HEAD /own') + bytes('GET /own'));
    assert.equal((await client.response(2)).text(), 'hello');
    assert.equal(client.responses[0]?.get('content-length'), '5');
    assert.equal((await world.logged()).bytesOut, 0);
  });

  test('a response without a length: chunked for HTTP/1.1, until the end of the connection for HTTP/1.0', async (t) => {
    const world = await World.start(t, {
      origins: [
        (_, connection) => {
          connection.send('HTTP/1.1 200 OK\r\n\r\nhello ');
          connection.socket.end('world');
        },
      ],
    });
    const client = await world.client();
    client.send(bytes('GET /1') + bytes('GET /2'));
    const second = await client.response(2);
    assert.deepEqual([second.framing, second.text()], ['chunked', 'hello world']);
    const old = await world.client();
    old.send(bytes('GET / HTTP/1.0', ['Connection: keep-alive']));
    const response = await old.response();
    assert.deepEqual(
      [response.framing, response.text(), response.get('connection')],
      ['until-close', 'hello world', 'close'],
    );
    assert.equal(old.ended, true);
  });

  test('chunked from the endpoint is unwrapped for HTTP/1.0, trailers are left out', async (t) => {
    const world = await World.start(t, {
      origins: [(_, connection) => connection.send(chunkedReply(200, [], ['one', 'two'], [['X-T', '1']]))],
    });
    const old = await world.client();
    old.send(bytes('GET / HTTP/1.0'));
    const response = await old.response();
    assert.deepEqual([response.framing, response.text()], ['until-close', 'onetwo']);
    assert.equal(old.received.includes('X-T'), false);
  });

  test('HTTP/1.0 keeps its connection where it asks to', async (t) => {
    const world = await World.start(t, { routes: [{ match: { path: '/own' }, respond: { body: 'own' } }] });
    const client = await world.client();
    client.send(bytes('GET /a HTTP/1.0', ['Connection: keep-alive']));
    assert.equal((await client.response(1)).get('connection'), 'keep-alive');
    client.send(bytes('GET /own HTTP/1.0', ['Connection: keep-alive']));
    assert.equal((await client.response(2)).get('connection'), 'keep-alive');
    client.send(bytes('GET /c HTTP/1.0'));
    assert.equal((await client.response(3)).get('connection'), 'close');
    await client.untilEnded();
  });

  test('Connection: close is honoured on either side', async (t) => {
    const upstream = { timeouts: { idle: '10m' } };
    const world = await World.start(t, { origins: [answer(200, [['Connection', 'close']], 'ok')], upstream });
    const client = await world.client();
    client.send(bytes('GET /1'));
    await client.response();
    client.send(bytes('GET /2', ['Connection: close']) + bytes('GET /3'));
    assert.equal((await client.response(2)).get('connection'), 'close');
    await client.untilEnded();
    assert.equal(client.responses.length, 2);
    assert.equal(world.origin.connections.length, 2);
    for (const connection of world.origin.connections) await world.origin.untilClosed(connection);
  });
});

suite('1xx', { concurrency: true }, () => {
  const hints: Script = (_, connection) => {
    connection.send('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n');
    connection.send('HTTP/1.1 102 Processing\r\n\r\n');
    connection.send(reply(200, [], 'ok'));
  };

  test('are passed on before the response, without the fields of a connection', async (t) => {
    const world = await World.start(t, { origins: [hints] });
    const client = await world.client();
    client.send(bytes('GET /'));
    assert.equal((await client.response()).text(), 'ok');
    const [early, processing] = client.interim;
    assert.deepEqual([early?.status, early?.get('link'), early?.get('x-hop')], [103, '</a.css>', undefined]);
    assert.equal(processing?.status, 102);
  });

  test('are never sent to HTTP/1.0', async (t) => {
    const world = await World.start(t, { origins: [hints] });
    const client = await world.client();
    client.send(bytes('GET / HTTP/1.0'));
    assert.equal((await client.response()).text(), 'ok');
    assert.equal(client.interim.length, 0);
  });

  test('100-continue goes end to end', async (t) => {
    const world = await World.start(t, { origins: [{ continues: false }] });
    const client = await world.client();
    client.send(bytes('POST /', ['Expect: 100-continue', 'Content-Length: 5']));
    const { message, connection } = await world.origin.head();
    assert.equal(message.get('expect'), '100-continue');
    assert.equal(client.interim.length, 0, 'the gateway does not speak for the endpoint');
    connection.send('HTTP/1.1 100 Continue\r\n\r\n');
    await client.until('100', () => client.interim[0]);
    client.send('hello');
    const response = await client.response();
    assert.equal(JSON.parse(response.text()).bodyBytes, 5);
    assert.deepEqual(
      client.interim.map(({ status }) => status),
      [100],
    );
  });

  test('a final answer instead of 100 ends the request, and its body is never read as another', async (t) => {
    const world = await World.start(t, {
      origins: [{ continues: false, onHead: answer(413, [], 'no'), onRequest: answer(200) }],
    });
    const client = await world.client();
    client.send(bytes('POST /', ['Expect: 100-continue', 'Content-Length: 30']));
    const response = await client.response();
    assert.deepEqual([response.status, response.text(), response.get('connection')], [413, 'no', 'close']);
    client.send('GET /smuggled HTTP/1.1\r\nHost: x');
    await client.untilEnded();
    assert.equal(client.responses.length, 1);
    assert.equal(world.origin.heads.length, 1);
    await world.origin.untilClosed(world.origin.heads[0]!.connection);
  });

  test('a 100 that nobody asked for stays here, an expectation of HTTP/1.0 too, any other is refused', async (t) => {
    const world = await World.start(t, {
      origins: [(_, connection) => connection.send(`HTTP/1.1 100 Continue\r\n\r\n${reply(200, [], 'ok')}`)],
    });
    const client = await world.client();
    client.send(bytes('GET /'));
    await client.response();
    assert.equal(client.interim.length, 0);
    const old = await world.client();
    old.send(bytes('POST / HTTP/1.0', ['Expect: 100-continue'], 'abc'));
    await old.response();
    assert.equal((await seen(world, 2)).get('expect'), undefined);
    assert.equal((await world.ask('POST /', ['Expect: y 100-continue'], 'abc')).status, 417);
  });
});

suite('bodies and trailers', { concurrency: true }, () => {
  test('chunked requests: re-framed, extensions dropped, trailers passed on less those that frame or route', async (t) => {
    const world = await World.start(t);
    const client = await world.client();
    client.send(bytes('POST /', ['Transfer-Encoding: chunked', 'Trailer: X-Sum']));
    client.send(
      '3;a=b\r\nabc\r\n04\r\ndefg\r\n0\r\nX-Sum: 7\r\nHost: evil\r\nX-Forwarded-For: 1.2.3.4\r\nX-Last: é\r\n\r\n',
    );
    await client.response();
    const message = await seen(world);
    assert.deepEqual([message.framing, message.text()], ['chunked', 'abcdefg']);
    assert.deepEqual(
      message.trailers.map(([name, value]) => [name.toLowerCase(), value]),
      [
        ['x-sum', '7'],
        ['x-last', 'é'],
      ],
    );
  });

  test('chunked responses: their parts as they come, with trailers', async (t) => {
    const gate = new Gate();
    const whole = chunkedReply(200, [['Trailer', 'X-Sum']], ['first', 'second'], [['X-Sum', '11']]);
    const world = await World.start(t, {
      origins: [
        async (_, connection) => {
          connection.send(whole.slice(0, whole.indexOf('6\r\n')));
          await gate.opened;
          await connection.dribble(whole.slice(whole.indexOf('6\r\n')));
        },
      ],
    });
    const client = await world.client();
    client.send(bytes('GET /'));
    await client.until('the first part', () => (client.received.includes('first') ? true : undefined));
    gate.open();
    const response = await client.response();
    assert.deepEqual([response.text(), response.trailers], ['firstsecond', [['x-sum', '11']]]);
  });

  test('large chunks and many small ones arrive whole, both ways', async (t) => {
    const world = await World.start(t, {
      origins: [
        ({ message }, connection) => {
          connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
          const body = message.body();
          for (let at = 0, size = 1; at < body.length; at += size, size = (size * 7) % 50_021) {
            const part = body.subarray(at, at + size);
            connection.send(`${part.length.toString(16)}\r\n`);
            connection.send(part);
            connection.send('\r\n');
          }
          connection.send('0\r\n\r\n');
        },
      ],
    });
    const body = Buffer.from(Array.from({ length: 700_000 }, (_, n) => (n * 31 + (n >> 8)) & 255)).toString('latin1');
    const client = await world.client();
    client.send(bytes('POST /', ['Transfer-Encoding: chunked']));
    for (let at = 0, size = 1; at < body.length; at += size, size = (size * 11) % 70_001) {
      const part = body.slice(at, at + size);
      client.send(`${part.length.toString(16)}\r\n${part}\r\n`);
    }
    client.send('0\r\n\r\n');
    const response = await client.response();
    assert.equal((await seen(world)).text() === body, true, 'the request');
    assert.equal(response.text() === body, true, 'the response');
    const line = await world.logged();
    assert.deepEqual([line.bytesIn, line.bytesOut], [700_000, 700_000]);
  });

  test('GET and DELETE with a body keep it', async (t) => {
    const world = await World.start(t);
    await world.ask('GET /', [], 'abc');
    await world.ask('DELETE /', ['Transfer-Encoding: chunked'], '3\r\nabc\r\n0\r\n\r\n');
    assert.equal((await seen(world, 1)).text(), 'abc');
    assert.equal((await seen(world, 2)).text(), 'abc');
  });
});

suite('methods that end here', { concurrency: true }, () => {
  test('OPTIONS * is answered, Max-Forwards honoured', async (t) => {
    const world = await World.start(t);
    const star = await world.ask('OPTIONS *');
    assert.equal(star.status, 204);
    assert.match(star.get('allow') ?? '', /GET/);
    assert.equal((await world.ask('OPTIONS /x', ['Max-Forwards: 0'])).status, 204);
    assert.equal(world.origin.heads.length, 0);
    await world.ask('OPTIONS /x', ['Max-Forwards: 5']);
    await world.ask('GET /x', ['Max-Forwards: 0']);
    assert.deepEqual(all(await seen(world, 1), 'max-forwards'), ['4']);
    assert.deepEqual(all(await seen(world, 2), 'max-forwards'), ['0']);
  });

  test('TRACE is not allowed, CONNECT not implemented', async (t) => {
    const world = await World.start(t);
    const trace = await world.ask('TRACE /', ['Authorization: secret']);
    assert.equal(trace.status, 405);
    assert.match(trace.get('allow') ?? '', /GET/);
    assert.equal(trace.text().includes('secret'), false);
    const client = await world.client();
    client.send(bytes('CONNECT gw.test:443', ['Host: gw.test:443']));
    const response = await client.response();
    assert.deepEqual([response.status, JSON.parse(response.text()).reason], [501, 'DPE']);
    await client.untilEnded();
    assert.equal(world.origin.heads.length, 0);
  });

  test('respond and redirect need no endpoint', async (t) => {
    const world = await World.start(t, {
      routes: [
        { match: { path: '/hello' }, respond: { status: 201, headers: { 'X-A': '1' }, body: 'grüß dich' } },
        { match: { path: '/old' }, redirect: { to: '/new', status: 301 } },
      ],
    });
    const hello = await world.ask('GET /hello');
    assert.deepEqual([hello.status, hello.get('x-a'), hello.body().toString('utf8')], [201, '1', 'grüß dich']);
    assert.match(hello.get('x-request-id') ?? '', UUID_V7);
    assert.ok(hello.get('date') !== undefined);
    const old = await world.ask('POST /old', [], 'abc');
    assert.deepEqual([old.status, old.get('location'), old.get('connection')], [301, '/new', undefined]);
    assert.equal(world.origin.heads.length, 0);
  });

  test('no route: 404 with a problem document', async (t) => {
    const world = await World.start(t, { route: { match: { host: 'other.test' } } });
    const response = await world.ask('GET /x');
    const problem = JSON.parse(response.text());
    assert.equal(response.get('content-type'), 'application/problem+json');
    assert.deepEqual([response.status, problem.status, problem.reason, problem.title], [404, 404, 'NR', 'No route']);
    assert.equal(problem.instance, `/requests/${response.get('x-request-id')}`);
    assert.match(response.get('proxy-status') ?? '', /^headgate; error=destination_not_found; details="NR"$/);
  });
});

test('the log line of a request', async (t) => {
  const world = await World.start(t, { routes: [{ name: 'own', match: { path: '/own' }, respond: { body: 'own' } }] });
  await world.ask('POST /a/%7Eb?secret=1', ['Host: Shop.test:80', 'User-Agent: ua/1 é'], 'hello');
  const line = await world.logged();
  assert.deepEqual(
    [line.method, line.path, line.host, line.status, line.reason, line.protocol, line.userAgent],
    ['POST', '/a/~b', 'shop.test', 200, undefined, 'HTTP/1.1', 'ua/1 é'],
  );
  assert.deepEqual(
    [line.routeName, line.upstreamName, line.endpointName, line.attempts, line.clientIp, line.bytesIn],
    ['all', 'origin', `127.0.0.1:${world.origin.port}`, 1, '127.0.0.1', 5],
  );
  const { message } = await world.origin.request();
  assert.equal(line.id, message.get('x-request-id'));
  assert.ok(line.bytesOut > 100);
  const { durationMs, overheadMs, connectMs, upstreamMs } = line;
  for (const time of [durationMs, overheadMs, connectMs, upstreamMs]) assert.ok(time !== undefined && time >= 0);
  assert.ok(Math.abs(durationMs - overheadMs - (upstreamMs as number)) < 0.001);

  await world.ask('GET /own HTTP/1.0');
  const own = await world.logged(2);
  assert.deepEqual(
    [own.routeName, own.upstreamName, own.endpointName, own.attempts, own.protocol, own.bytesOut, own.upstreamMs],
    ['own', undefined, undefined, 0, 'HTTP/1.0', 3, undefined],
  );
  await world.ask('GET /own', ['Content-Length: x']);
  const bad = await world.logged(3);
  assert.deepEqual([bad.status, bad.reason, bad.method, bad.routeName], [400, 'DPE', 'GET', '']);
  assert.equal(await world.metric('headgate_http_requests_total', 'route="all",method="POST",status="200"'), 1);
  assert.equal(await world.metric('headgate_http_requests_total', 'status="400"'), 1);
  await world.untilIdle();
});
