import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FieldCode, maskOf } from '../field-code.ts';
import { FieldBlock, type OutgoingFields } from '../head.ts';
import { Http1RequestHead } from './request-head.ts';
import { Http1ResponseHead } from './response-head.ts';
import { type ResponseFraming, requestHeadText, responseHeadText } from './writer.ts';

const LIMITS = { maxHeaderBytes: 8192, maxHeaders: 100 };

function forwarded(raw: string, host?: string): string {
  const head = new Http1RequestHead(LIMITS);
  assert.equal(head.read(raw), undefined);
  return requestHeadText({
    method: head.method,
    target: head.target,
    host: host ?? head.authority,
    fields: head,
    dropCodes: 0,
    drop: head.connectionNamed,
    shared: undefined,
    requestId: '',
    varying: undefined,
    extra: ['X-Own', '1'],
    hasBody: head.hasBody,
    bodyLength: head.bodyLength,
    upgrade: head.upgrade,
    expectsContinue: head.expectsContinue,
  });
}

function answered(raw: string, framing?: ResponseFraming): string {
  const head = new Http1ResponseHead();
  assert.equal(head.read(raw, 'GET', 100), undefined);
  const fields: OutgoingFields = {
    fields: head,
    dropCodes: 0,
    drop: undefined,
    shared: undefined,
    requestId: '',
    varying: undefined,
    extra: undefined,
  };
  const own: ResponseFraming = { kind: 'length', length: head.bodyLength ?? 0 };
  return responseHeadText(head.status, head.reasonPhrase, fields, framing ?? own, '');
}

test('a request that nobody changed passes as it came, with what is added behind it', () => {
  assert.equal(
    forwarded('POST /a?b HTTP/1.1\r\nhOST: a.test:80\r\nX: y\r\nContent-Length: 5\r\n\r\n'),
    'POST /a?b HTTP/1.1\r\nhOST: a.test:80\r\nX: y\r\nContent-Length: 5\r\nX-Own: 1\r\n\r\n',
  );
  assert.equal(
    forwarded('GET / HTTP/1.1\r\nA: 1\r\nConnection: keep-alive, x-b\r\nX-B: 2\r\nHost: h\r\nTE: gzip\r\n\r\n'),
    'GET / HTTP/1.1\r\nA: 1\r\nHost: h\r\nX-Own: 1\r\n\r\n',
  );
});

test('of TE the word trailers goes on, and nothing else (RFC 9110 §10.1.4)', () => {
  for (const te of ['trailers', 'gzip;q=0.5, Trailers', 'trailers , deflate']) {
    assert.equal(
      forwarded(`GET / HTTP/1.1\r\nHost: h\r\nTE: ${te}\r\nConnection: TE\r\n\r\n`),
      'GET / HTTP/1.1\r\nHost: h\r\nX-Own: 1\r\nConnection: TE\r\nTE: trailers\r\n\r\n',
    );
  }
  for (const te of ['', 'gzip', 'x-trailers', 'trailers;q=0']) {
    assert.equal(
      forwarded(`GET / HTTP/1.1\r\nHost: h\r\nTE: ${te}\r\nConnection: TE\r\n\r\n`),
      'GET / HTTP/1.1\r\nHost: h\r\nX-Own: 1\r\n\r\n',
    );
  }
});

test('a request whose Host, version, form or length is another is put together anew', () => {
  const changed = [
    forwarded('GET /a HTTP/1.1\r\nHost: h\r\n\r\n', 'other'),
    forwarded('GET /a HTTP/1.0\r\nHost: other\r\n\r\n'),
    forwarded('GET /a HTTP/1.2\r\nHost: other\r\n\r\n'),
    forwarded('GET http://other/a HTTP/1.1\r\nHost: h\r\n\r\n'),
  ];
  for (const text of changed) assert.equal(text, 'GET /a HTTP/1.1\r\nHost: other\r\nX-Own: 1\r\n\r\n');
  const odd = forwarded('POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0010\r\n\r\n');
  assert.equal(odd, 'POST /a HTTP/1.1\r\nHost: h\r\nX-Own: 1\r\nContent-Length: 10\r\n\r\n');
});

test('a response passes as it came where it is sound, and is mended where it is lax', () => {
  assert.equal(
    answered('HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n'),
    'HTTP/1.1 200 Fine\r\nContent-Length: 3\r\n\r\n',
  );
  assert.equal(answered('HTTP/1.1 200\r\nContent-Length: 010\r\n\r\n'), 'HTTP/1.1 200 \r\nContent-Length: 10\r\n\r\n');
  assert.equal(
    answered('HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n'),
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n',
  );
  assert.equal(
    answered('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', { kind: 'chunked' }),
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
});

test('what is forwarded reads as one request with one Host, one length and no field of the connection', () => {
  const line = fc.constantFrom(
    'Host: h',
    'X-A: 1',
    'Connection: x-a',
    'Connection: close',
    'TE: gzip',
    'Content-Length: 7',
  );
  const more = fc.constantFrom(
    'Keep-Alive: timeout=1',
    'Upgrade: h2c',
    'Content-Length: 07',
    'Proxy-Connection: x',
    'Via: a',
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(line, more), { maxLength: 8 }),
      fc.constantFrom('/', '/a?b', 'http://g/x'),
      (lines, target) => {
        const raw = `POST ${target} HTTP/1.1\r\n${lines.map((one) => `${one}\r\n`).join('')}\r\n`;
        const head = new Http1RequestHead(LIMITS);
        if (head.read(raw) !== undefined) return;
        const again = new Http1RequestHead(LIMITS);
        assert.equal(again.read(forwarded(raw)), undefined);
        assert.deepEqual(
          [again.path, again.query, again.host, again.bodyLength],
          [head.path, head.query, head.host, head.bodyLength],
        );
        const named = head.connectionNamed?.has('x-a') === true;
        for (const name of [
          'connection',
          'te',
          'keep-alive',
          'upgrade',
          'proxy-connection',
          named ? 'x-a' : 'connection',
        ]) {
          assert.equal(again.get(name), undefined, name);
        }
      },
    ),
  );
});

const BLOCKS = [undefined, new FieldBlock(['Via', '1.1 headgate']), new FieldBlock(['Via', '1.0 other', 'X-A', 'b'])];
const HEADS = ['Server: one\r\nX-Q: 1', 'Server: two', 'X-Q: 2\r\nDate: now'].map(
  (lines) => `HTTP/1.1 200 OK\r\n${lines}\r\nContent-Length: 3\r\n\r\n`,
);
const written = fc.record({
  raw: fc.constantFrom(...HEADS),
  shared: fc.constantFrom(...BLOCKS),
  varying: fc.constantFrom(...BLOCKS),
  dropCodes: fc.constantFrom(0, maskOf(FieldCode.date)),
  drop: fc.constantFrom(undefined, new Set(['x-q'])),
  requestId: fc.constantFrom('', 'one', 'two'),
});

test('a head object that is used again writes each head as a new one would, however alike they are', () => {
  fc.assert(
    fc.property(fc.array(written, { minLength: 2, maxLength: 12 }), (messages) => {
      const kept = new Http1ResponseHead();
      for (const { raw, ...edits } of messages) {
        const [again, anew] = [kept, new Http1ResponseHead()].map((head) => {
          assert.equal(head.read(raw, 'GET', 100), undefined);
          const fields: OutgoingFields = { fields: head, extra: undefined, ...edits };
          return responseHeadText(200, 'OK', fields, { kind: 'length', length: 3 }, '');
        });
        assert.equal(again, anew);
      }
    }),
  );
});
