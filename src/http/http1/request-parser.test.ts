import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Fields } from '../fields.ts';
import type { Http1RequestHead } from './request-head.ts';
import { type RequestEvents, RequestParser } from './request-parser.ts';

const LIMITS = { maxHeaderBytes: 8192, maxHeaders: 20 };

/** What a parser made of its input, in a form that does not depend on how the input was cut. */
class Recorder implements RequestEvents {
  readonly events: string[] = [];
  private body = '';

  onHead(head: Http1RequestHead): void {
    const fields: string[] = [];
    head.each((name, value) => fields.push(`${name}=${value}`));
    this.events.push(`head ${head.method} ${head.path}${head.query} ${head.version} ${head.host} ${fields.join('|')}`);
    if (!head.hasBody) this.events.push('end');
  }

  onData(chunk: Uint8Array): void {
    this.body += Buffer.from(chunk).toString('latin1');
  }

  onEnd(trailers: Fields | undefined): void {
    let text = '';
    trailers?.each((name, value) => {
      text += `${name}=${value};`;
    });
    this.events.push(`body ${this.body}`, `trailers ${text}`);
    this.body = '';
  }

  onHeadError(error: { kind: string }): void {
    this.events.push(`refused ${error.kind}`);
  }

  onBodyError(): void {
    this.body = '';
    this.events.push('bad body');
  }
}

function parse(pieces: readonly Buffer[]): string[] {
  const recorder = new Recorder();
  const parser = new RequestParser(recorder, LIMITS);
  for (const piece of pieces) {
    let at = 0;
    while (at < piece.length) at = parser.execute(piece, at);
  }
  return recorder.events;
}

test('what is refused before it was read has not the method and path of the request before', () => {
  for (const text of ['GET /b HTTP/1.1\nHost: h\n\n', '\rX', `GET /c HTTP/1.1\r\nX: ${'y'.repeat(9000)}\r\n\r\n`]) {
    const parser = new RequestParser(new Recorder(), LIMITS);
    const first = Buffer.from('PUT /a HTTP/1.1\r\nHost: h\r\n\r\n');
    parser.execute(first, 0);
    assert.equal(parser.head.path, '/a');
    parser.execute(Buffer.from(text), 0);
    assert.deepEqual([parser.head.method, parser.head.path], ['', '']);
  }
});

const parseText = (text: string): string[] => parse([Buffer.from(text, 'latin1')]);

function cut(bytes: Buffer, positions: readonly number[]): Buffer[] {
  const sorted = [...new Set(positions.map((at) => at % (bytes.length + 1)))].sort((a, b) => a - b);
  const edges = [0, ...sorted, bytes.length];
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
}

const SAMPLES = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /a?b=c HTTP/1.1\r\nHost: a.test:80\r\nX:  y \t\r\n\r\nGET /2 HTTP/1.0\r\n\r\n',
  'POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\r\nGET /q HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x="a;b"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nT: 1\r\n\r\n',
  'GET http://b.test/x HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /a HTTP/1.1\nHost: a\n\n',
  'GET / HTTP/1.1\r\nHost : a\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
];

test('a request is read into its parts', () => {
  assert.deepEqual(parseText(SAMPLES[1] as string), [
    'head GET /a?b=c HTTP/1.1 a.test host=a.test:80|x=y',
    'end',
    'head GET /2 HTTP/1.0  ',
    'end',
  ]);
  assert.deepEqual(parseText(SAMPLES[3] as string), [
    'head POST /c HTTP/1.1 a host=a|transfer-encoding=chunked',
    'body hello0123456789',
    'trailers t=1;',
  ]);
  assert.deepEqual(parseText(SAMPLES[4] as string), ['head GET /x HTTP/1.1 b.test host=a', 'end']);
});

const refusals: [string, string][] = [
  ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', 'version-not-supported'],
  ['GET / HTTP/1.1\r\n\r\n', 'bad-request'],
  ['GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 'bad-request'],
  ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n', 'bad-request'],
  ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9007199254740993\r\n\r\n', 'bad-request'],
  ['GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 'not-implemented'],
  ['GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n', 'bad-request'],
  ['GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n', 'expectation-failed'],
  ['CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 'not-implemented'],
  ['CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n', 'not-implemented'],
  ['CONNECT http://a/x HTTP/1.1\r\nHost: a\r\n\r\n', 'not-implemented'],
  [`GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 'target-too-long'],
  [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(9000)}\r\n\r\n`, 'fields-too-large'],
  [`GET / HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(21)}\r\n`, 'fields-too-large'],
  ['GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n', 'bad-request'],
];

for (const [text, kind] of refusals) {
  test(`${JSON.stringify(text.slice(0, 70))} is refused as ${kind}`, () => {
    assert.deepEqual(parseText(text), [`refused ${kind}`]);
  });
}

test('where the input is cut makes no difference', () => {
  fc.assert(
    fc.property(fc.constantFrom(...SAMPLES), fc.array(fc.nat(), { maxLength: 12 }), (text, positions) => {
      const bytes = Buffer.from(text, 'latin1');
      assert.deepEqual(parse(cut(bytes, positions)), parse([bytes]));
    }),
    { numRuns: 2000 },
  );
});

/** A head that comes in pieces may be refused before the rule that its whole would break is reached. */
const withoutKinds = (events: string[]): string[] => events.map((event) => event.replace(/^refused .*/, 'refused'));

test('any octets, cut anywhere, are read without an exception', () => {
  const noise = fc.string({ unit: fc.constantFrom(...'GETPOS /\r\n:;0aF\0"HT1.,\t'), maxLength: 80 });
  fc.assert(
    fc.property(
      fc.constantFrom('', ...SAMPLES),
      noise,
      fc.nat(),
      fc.array(fc.nat(), { maxLength: 6 }),
      (sample, junk, at, cuts) => {
        const where = at % (sample.length + 1);
        const bytes = Buffer.from(sample.slice(0, where) + junk + sample.slice(where), 'latin1');
        assert.deepEqual(withoutKinds(parse(cut(bytes, cuts))), withoutKinds(parse([bytes])));
      },
    ),
    { numRuns: 3000 },
  );
});
