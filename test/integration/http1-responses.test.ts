import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { chunkedReply, reply, type Script } from '../kit/raw-origin.ts';
import { Gate, turn } from '../kit/wait.ts';
import { all, bytes, World } from './world.ts';

/** What endpoints send, rule by rule of RFC 9112: what is no response is no answer, what is one passes as it is meant. */

const says = (text: string): Script => {
  return (_, connection) => connection.send(text);
};

const OK = 'HTTP/1.1 200 OK\r\n';
const EMPTY = 'Content-Length: 0\r\n\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n';

suite('no response: 502 UPE, nothing of it passes, the connection is closed', { concurrency: 8 }, () => {
  const bad: Record<string, string> = {
    'RFC 9112 §4: a lower-case name of the protocol': `http/1.1 200 OK\r\n${EMPTY}`,
    'RFC 9112 §4: no version': `HTTP 200 OK\r\n${EMPTY}`,
    'RFC 9112 §4: HTTP/3': `HTTP/3.0 200 OK\r\n${EMPTY}`,
    'RFC 9112 §4: HTTP/1.10': `HTTP/1.10 200 OK\r\n${EMPTY}`,
    'RFC 9112 §4: ICY': `ICY 200 OK\r\n${EMPTY}`,
    'RFC 9112 §4: two blanks before the status': `HTTP/1.1  200 OK\r\n${EMPTY}`,
    'RFC 9112 §4: HTAB before the status': `HTTP/1.1\t200 OK\r\n${EMPTY}`,
    'RFC 9112 §4: four digits': `HTTP/1.1 2000 OK\r\n${EMPTY}`,
    'RFC 9112 §4: a status with a letter': `HTTP/1.1 2x0 OK\r\n${EMPTY}`,
    'RFC 9112 §4: a status below 100': `HTTP/1.1 099 OK\r\n${EMPTY}`,
    'RFC 9112 §4: a signed status': `HTTP/1.1 +20 OK\r\n${EMPTY}`,
    'RFC 9112 §4: HTAB behind the status': `HTTP/1.1 200\tOK\r\n${EMPTY}`,
    'RFC 9112 §4: NUL in the phrase': `HTTP/1.1 200 O\0K\r\n${EMPTY}`,
    'RFC 9112 §4: a control character in the phrase': `HTTP/1.1 200 O\x1bK\r\n${EMPTY}`,
    'RFC 9112 §2.2: a bare CR in the phrase': `HTTP/1.1 200 O\rK\r\n${EMPTY}`,
    'RFC 9112 §2.2: an empty line before': `\r\n${OK}${EMPTY}`,
    'RFC 9112 §2.2: a blank before': ` ${OK}${EMPTY}`,
    'RFC 9112 §2.2: bare LF behind the status line': `HTTP/1.1 200 OK\n${EMPTY}`,
    'RFC 9112 §2.2: bare LF behind a field': `${OK}X: y\n${EMPTY}`,
    'RFC 9112 §2.2: a bare CR in a value': `${OK}X: y\rz\r\n${EMPTY}`,
    'RFC 9112 §2.2: a blank before the first field': `${OK} X: y\r\n${EMPTY}`,
    'RFC 9110 §5.5: NUL in a value': `${OK}X: y\0z\r\n${EMPTY}`,
    'RFC 9110 §5.5: DEL in a value': `${OK}X: \x7f\r\n${EMPTY}`,
    'RFC 9112 §5.2: a folded field, HTAB': `${OK}X: y\r\n\tz\r\n${EMPTY}`,
    'RFC 9112 §5.1: HTAB before the colon': `${OK}X\t: y\r\n${EMPTY}`,
    'RFC 9112 §5: no colon': `${OK}XY\r\n${EMPTY}`,
    'RFC 9112 §5: no name': `${OK}: y\r\n${EMPTY}`,
    'RFC 9110 §5.1: a name that is no token': `${OK}X(: y\r\n${EMPTY}`,
    'RFC 9110 §5.1: a name beyond ASCII': `${OK}X\xe9: y\r\n${EMPTY}`,
    'RFC 9112 §6.3: a signed length': `${OK}Content-Length: +3\r\n\r\nabc`,
    'RFC 9112 §6.3: a hexadecimal length': `${OK}Content-Length: 0x3\r\n\r\nabc`,
    'RFC 9112 §6.3: an empty length': `${OK}Content-Length:\r\n\r\nabc`,
    'RFC 9112 §6.3: a length with a fraction': `${OK}Content-Length: 3.0\r\n\r\nabc`,
    'RFC 9112 §6.3: a length above 2^53': `${OK}Content-Length: 9007199254740993\r\n\r\nabc`,
    'RFC 9112 §6.3: two lengths, one of them no number': `${OK}Content-Length: 3\r\nContent-Length: x\r\n\r\nabc`,
    'RFC 9112 §6.3: length and coding': `${OK}Content-Length: 3\r\n${CHUNKED}3\r\nabc\r\n0\r\n\r\n`,
    'RFC 9112 §6.1: chunked twice': `${OK}Transfer-Encoding: chunked, ${CHUNKED.slice(19)}0\r\n\r\n`,
    'RFC 9112 §6.1: chunked not last': `${OK}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    'RFC 9112 §6.1: a quoted coding': `${OK}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`,
    'RFC 9112 §6.1: identity': `${OK}Transfer-Encoding: identity\r\n\r\nabc`,
    'RFC 9112 §6.1: a coding in HTTP/1.0': `HTTP/1.0 200 OK\r\n${CHUNKED}3\r\nabc\r\n0\r\n\r\n`,
    'RFC 9112 §6.1: U+00A0 around the coding': `${OK}Transfer-Encoding: \xa0chunked\xa0\r\n\r\n0\r\n\r\n`,
    'a head of more than 64 KiB in many fields': `${OK}${`X: ${'y'.repeat(1000)}\r\n`.repeat(70)}${EMPTY}`,
    'a 1xx that is none': `HTTP/1.1 103 Early Hints\r\nLink : x\r\n\r\n${OK}${EMPTY}`,
    'RFC 9110 §15.2.2: 101 to a request without Upgrade':
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
  };
  for (const [name, raw] of Object.entries(bad)) {
    test(name, async (t) => {
      const world = await World.start(t, { origins: [says(raw)], route: { retry: false } });
      const response = await world.ask('GET /');
      const { reason, detail } = JSON.parse(response.text());
      assert.deepEqual([response.status, reason], [502, 'UPE'], detail);
      await world.origin.untilClosed(await world.origin.connection());
      assert.equal(world.origin.connections.length, 1);
    });
  }
});

suite('no chunk (RFC 9112 §7.1): the client sees a cut, the connection is closed', { concurrency: 8 }, () => {
  const bad: Record<string, string> = {
    'a size that is none': 'xyz\r\n',
    'no size': '\r\n',
    'a negative size': '-5\r\nhello\r\n0\r\n\r\n',
    'a size with 0x': '0x5\r\nhello\r\n0\r\n\r\n',
    'a size beyond 2^53': '10000000000000005\r\nhello\r\n0\r\n\r\n',
    'a blank before the size': ' 5\r\nhello\r\n0\r\n\r\n',
    'a blank behind the size': '5 \r\nhello\r\n0\r\n\r\n',
    'bare LF behind the size': '5\nhello\r\n0\r\n\r\n',
    'bare LF behind an extension': '5;a\nhello\r\n0\r\n\r\n',
    'CRLF in a quoted extension': '5;a="\r\nhello\r\n0\r\n\r\n"\r\n',
    'an extension without a name': '5;=a\r\nhello\r\n0\r\n\r\n',
    'a chunk that is longer than its size': '5\r\nhello!\r\n0\r\n\r\n',
    'bare LF behind the data': '5\r\nhello\n0\r\n\r\n',
    'bare CR behind the data': '5\r\nhello\r0\r\n\r\n',
    'a trailer without a colon': '5\r\nhello\r\n0\r\nXY\r\n\r\n',
    'a blank before the colon of a trailer': '5\r\nhello\r\n0\r\nX : y\r\n\r\n',
    'a folded trailer': '5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n',
    'bare LF behind a trailer': '5\r\nhello\r\n0\r\nX: y\n\r\n',
  };
  for (const [name, body] of Object.entries(bad)) {
    test(name, async (t) => {
      const gate = new Gate();
      const world = await World.start(t, {
        route: { retry: false },
        origins: [
          async ({ message }, connection) => {
            // Together with the head, and behind it.
            if (message.target === '/behind') {
              connection.send(OK + CHUNKED);
              await gate.opened;
              connection.send(body);
            } else connection.send(OK + CHUNKED + body);
          },
        ],
      });
      const together = await world.client();
      const behind = await world.client();
      together.send(bytes('GET /together'));
      behind.send(bytes('GET /behind'));
      await behind.head();
      gate.open();
      for (const client of [together, behind]) {
        await client.untilEnded();
        const [only] = client.responses;
        // Where not even the head had left, the answer may be a 502 of the gateway's own.
        if (only !== undefined) assert.equal(only.status, 502);
        else assert.ok(client.malformed !== undefined, 'it looks complete');
      }
      for (const connection of world.origin.connections) await world.origin.untilClosed(connection);
      await world.logged(2);
      assert.deepEqual(new Set(world.log.map(({ reason }) => reason)), new Set(['UPE']));
      await world.untilIdle();
    });
  }
});

suite('odd, and a response', { concurrency: 8 }, () => {
  interface Odd {
    readonly raw: string;
    readonly method?: string;
    readonly status?: number;
    readonly text?: string;
    readonly fields?: Readonly<Record<string, string | undefined>>;
    readonly trailers?: readonly (readonly [string, string])[];
    readonly interim?: readonly number[];
  }
  const HELLO = '5\r\nhello\r\n0\r\n\r\n';
  const odd: Record<string, Odd> = {
    'RFC 9112 §4: no phrase': { raw: `HTTP/1.1 200 \r\n${EMPTY}` },
    'RFC 9112 §4: no phrase and no blank': { raw: `HTTP/1.1 200\r\n${EMPTY}` },
    'RFC 9110 §15: a status that nobody knows': { raw: `HTTP/1.1 299 \xdcber\r\n${EMPTY}`, status: 299 },
    'RFC 9110 §8.6: zeros before the length': {
      raw: `${OK}Content-Length: 0005\r\n\r\nhello`,
      text: 'hello',
      fields: { 'content-length': '5' },
    },
    'RFC 9110 §5.5: blanks around the length': { raw: `${OK}Content-Length:\t5 \t\r\n\r\nhello`, text: 'hello' },
    'RFC 9110 §8.6: an odd length of 304': {
      raw: 'HTTP/1.1 304 N\r\nContent-Length: 007\t\r\n\r\n',
      status: 304,
      fields: { 'content-length': '7' },
    },
    'RFC 9110 §8.6: an odd length of HEAD': {
      raw: `${OK}Content-Length: 007\r\n\r\n`,
      method: 'HEAD',
      fields: { 'content-length': '7' },
    },
    'RFC 9112 §7: a coding in capitals': { raw: `${OK}TRANSFER-ENCODING:\tCHUNKED \r\n\r\n${HELLO}`, text: 'hello' },
    'RFC 9112 §7.1.1: extensions with blanks': {
      raw: `${OK}${CHUNKED}5 ; a = "b;\\"c"\r\nhello\r\n0\t;z\r\n\r\n`,
      text: 'hello',
    },
    'RFC 9112 §7.1: zeros before a size': { raw: `${OK}${CHUNKED}0005\r\nhello\r\n000\r\n\r\n`, text: 'hello' },
    'RFC 9112 §6.3: 204 with a length has no body': {
      raw: 'HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n',
      status: 204,
      fields: { 'content-length': undefined },
    },
    'RFC 9112 §6.3: 204 with a coding has no body': {
      raw: `HTTP/1.1 204 No\r\n${CHUNKED}`,
      status: 204,
      fields: { 'transfer-encoding': undefined },
    },
    'RFC 9110 §15.3.6: 205 is framed as any other': {
      raw: 'HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n',
      status: 205,
      fields: { 'content-length': '0' },
    },
    'RFC 9112 §6.3: HEAD with a coding has no body': { raw: `${OK}${CHUNKED}`, method: 'HEAD' },
    'RFC 9110 §15.2: 1xx one after the other': {
      raw: `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 199 X\r\n\r\n${OK}${EMPTY}`,
      interim: [102, 103, 199],
    },
    'RFC 9110 §15.2: a 1xx with a length has no body': {
      raw: `HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\n${OK}Content-Length: 5\r\n\r\nhello`,
      interim: [103],
      text: 'hello',
    },
    'RFC 9110 §5.5: obs-text and empty values': {
      raw: `${OK}X-A: \x80\xff\r\nX-B:\r\n${EMPTY}`,
      fields: { 'x-a': '\x80\xff', 'x-b': '' },
    },
    'RFC 9110 §7.6.1: what Connection names, over several lines': {
      raw: `${OK}Connection: x-a\r\nX-A: 1\r\nX-B: 2\r\nConnection: ,X-B ,\r\nX-C: 3\r\n${EMPTY}`,
      fields: { 'x-a': undefined, 'x-b': undefined, 'x-c': '3' },
    },
    'RFC 9110 §6.5.1: of trailers those that frame or route stay here': {
      raw: `${OK}Connection: x-hop\r\n${CHUNKED}5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\nSet-Cookie: a=1\r\nX-Hop: 1\r\nX_Forwarded_For: x\r\nX-Sum: 2\r\n\r\n`,
      text: 'hello',
      trailers: [
        ['x-sum', '1'],
        ['x-sum', '2'],
      ],
    },
    '200 fields': {
      raw: `${OK}${Array.from({ length: 200 }, (_, n) => `X-${n}: ${n}\r\n`).join('')}${EMPTY}`,
      fields: { 'x-199': '199' },
    },
    'a head of 60 KB': { raw: `${OK}X-A: ${'a'.repeat(60_000)}\r\n${EMPTY}`, fields: { 'x-a': 'a'.repeat(60_000) } },
  };
  for (const [name, { raw, method, status, text, fields, trailers, interim }] of Object.entries(odd)) {
    test(name, async (t) => {
      const dribbles: Script = ({ message }, connection) =>
        message.target === '/dribble' && raw.length < 1000 ? connection.dribble(raw) : connection.send(raw);
      const world = await World.start(t, { origins: [dribbles] });
      const client = await world.client({ methodOf: () => method ?? 'GET' });
      for (const [index, target] of ['/whole', '/dribble', '/whole'].entries()) {
        client.send(bytes(`${method ?? 'GET'} ${target}`));
        const response = await client.response(index + 1);
        assert.equal(response.status, status ?? 200);
        assert.equal(response.text(), text ?? '');
        for (const [field, value] of Object.entries(fields ?? {})) assert.equal(response.get(field), value, field);
        assert.deepEqual(response.trailers, trailers ?? []);
      }
      const seen = client.interim.map((message) => message.status);
      assert.deepEqual(seen, [...(interim ?? []), ...(interim ?? []), ...(interim ?? [])]);
      assert.equal(world.origin.connections.length, 1, 'its connection is used again');
    });
  }
});

suite('an endpoint of HTTP/1.0 (RFC 9112 §9.3)', { concurrency: true }, () => {
  test('its connection ends with the answer, unless it says otherwise', async (t) => {
    const raw: Record<string, string> = {
      '/closes': 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
      '/keeps': 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok',
    };
    const world = await World.start(t, {
      origins: [({ message }, connection) => connection.send(raw[message.target] as string)],
    });
    const client = await world.client();
    for (const [index, target] of ['/keeps', '/keeps', '/closes', '/keeps'].entries()) {
      client.send(bytes(`GET ${target}`));
      const response = await client.response(index + 1);
      assert.deepEqual([response.version, response.text(), response.get('via')], ['1.1', 'ok', '1.0 headgate']);
    }
    assert.equal(world.origin.connections.length, 2);
    await world.origin.untilClosed(world.origin.connections[0]!);
  });

  test('without a length the end of the connection is the end of the body', async (t) => {
    const world = await World.start(t, {
      origins: [(_, connection) => void connection.socket.end('HTTP/1.0 200 OK\r\n\r\nuntil the end')],
    });
    const response = await world.ask('GET /');
    assert.deepEqual([response.framing, response.text()], ['chunked', 'until the end']);
  });
});

suite('octets that nobody asked for (RFC 9112 §9.2)', { concurrency: true }, () => {
  const evil = reply(200, [], 'somebody else’s');

  test('on an idle connection, while the next request is on its way', async (t) => {
    const world = await World.start(t, {
      origins: [says(reply(200, [], 'yours'))],
      upstream: { timeouts: { idle: '10m' } },
    });
    const client = await world.client();
    for (let n = 1; n <= 40; n += 2) {
      client.send(bytes('GET /'));
      assert.equal((await client.response(n)).text(), 'yours');
      await turn();
      // Both are there in one poll of the gateway's, which is told of them in the order they came.
      const connection = world.origin.connections.at(-1)!;
      if (n % 4 === 1) client.send(bytes('GET /'));
      connection.send(evil);
      if (n % 4 !== 1) client.send(bytes('GET /'));
      assert.equal((await client.response(n + 1)).text(), 'yours', `answer ${n + 1}`);
    }
    assert.equal(client.malformed, undefined);
  });

  test('behind every kind of whole response', async (t) => {
    const whole = [
      reply(200, [], 'yours'),
      chunkedReply(200, [], ['yo', 'urs']),
      chunkedReply(200, [], ['yours'], [['X-T', '1']]),
      'HTTP/1.1 204 No Content\r\n\r\n',
      'HTTP/1.1 304 Not Modified\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    ];
    for (const [index, good] of whole.entries()) {
      for (const extra of [evil, '\r\n', '0\r\n\r\n', '\0']) {
        const world = await World.start(t, { origins: [says(good + extra)] });
        const client = await world.client();
        for (let n = 1; n <= 2; n++) {
          client.send(bytes(`GET /${n}`));
          const response = await client.response(n);
          assert.equal(response.text(), index < 3 ? 'yours' : '', JSON.stringify(good + extra));
        }
        assert.equal(world.origin.connections.length, 2);
        assert.equal(client.malformed, undefined);
      }
    }
  });
});

suite('requests on their way (RFC 9110 §7.6, §10.1)', { concurrency: true }, () => {
  test('of TE the word trailers goes on with Connection: TE, and trailers come back', async (t) => {
    const world = await World.start(t, { origins: [says(chunkedReply(200, [], ['hi'], [['X-Sum', '2']]))] });
    const response = await world.ask('GET /', ['TE: gzip;q=0.5, trailers', 'Connection: TE']);
    const { message } = await world.origin.request();
    assert.deepEqual([all(message, 'te'), all(message, 'connection')], [['trailers'], ['TE']]);
    assert.deepEqual(response.trailers, [['x-sum', '2']]);
  });

  test('a trailer that Connection names stays here', async (t) => {
    const world = await World.start(t);
    const body = '2\r\nhi\r\n0\r\nX-Hop: 1\r\nX-End: 2\r\n\r\n';
    await world.ask('POST /', ['Transfer-Encoding: chunked', 'Connection: x-hop'], body);
    const { message } = await world.origin.request();
    assert.deepEqual(message.trailers, [['x-end', '2']]);
  });

  test('100 and 103 reach a client of HTTP/1.1, and never one of HTTP/1.0', async (t) => {
    const raw = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n${reply(200, [], 'ok')}`;
    const world = await World.start(t, { origins: [{ continues: false, onRequest: says(raw) }] });
    const client = await world.client();
    client.send(bytes('POST /', ['Expect: 100-continue'], 'abc'));
    await client.response();
    const old = await world.client();
    old.send(bytes('POST / HTTP/1.0', ['Expect: 100-continue'], 'abc'));
    assert.equal((await old.response()).text(), 'ok');
    const statuses = [client, old].map(({ interim }) => interim.map(({ status }) => status));
    assert.deepEqual(statuses, [[100, 103], []]);
  });

  test('an expectation that nobody knows: 417, closed, and its body is no request', async (t) => {
    const world = await World.start(t);
    for (const value of ['200-ok', '100-continue, x', '100-continue;q=1', '"100-continue"']) {
      const client = await world.client();
      client.send(bytes('POST /', [`Expect: ${value}`], bytes('GET /smuggled')));
      const response = await client.response();
      assert.deepEqual([response.status, response.get('connection')], [417, 'close'], value);
      await client.untilEnded();
      assert.equal(client.responses.length, 1);
    }
    assert.equal(world.origin.heads.length, 0);
  });

  test('//host/path is a path: neither host nor route change', async (t) => {
    const world = await World.start(t, {
      routes: [{ match: { host: 'evil.test' }, respond: { body: 'evil' } }],
    });
    assert.equal((await world.ask('GET //evil.test/x?y')).status, 200);
    const { message } = await world.origin.request();
    assert.deepEqual([message.target, message.get('host')], ['//evil.test/x?y', 'gw.test']);
  });

  test('what is matched is what is forwarded (RFC 3986 §6.2.2), and nothing is decoded twice', async (t) => {
    const world = await World.start(t, {
      routes: [{ match: { path: '/admin/*' }, respond: { status: 403, body: 'no' } }],
    });
    const into = [
      '/admin',
      '/pub/../admin',
      '/./admin/x',
      '/%61dmin',
      '/pub/%2e%2e/admin',
      '/a/..//../admin',
      '/admin/../admin',
    ];
    for (const path of into) assert.equal((await world.ask(`GET ${path}`)).status, 403, path);
    const refused = [
      '/pub/..%2fadmin',
      '/pub%2f..%2fadmin',
      '/pub\\..\\admin',
      '/pub/..;/admin',
      '/%2e%2e%5cadmin',
      '/pub/%2e%2e%3b/admin',
    ];
    for (const path of refused) assert.equal((await world.ask(`GET ${path}`)).status, 400, path);
    const passing = [
      '/%252e%252e/admin',
      '/pub/%252e%252e/admin',
      '/Admin',
      '/administrator',
      '/pub/...//admin',
      '//admin',
    ];
    for (const [index, path] of passing.entries()) {
      assert.equal((await world.ask(`GET ${path}`)).status, 200, path);
      assert.equal((await world.origin.request(index + 1)).message.target, path);
    }
    assert.equal(world.origin.heads.length, passing.length);
  });
});
