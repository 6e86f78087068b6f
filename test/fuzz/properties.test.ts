import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { type Fields, ListFields } from '../../src/http/fields.ts';
import type { OutgoingRequest } from '../../src/http/head.ts';
import { BodyDecoder, type BodyEvents } from '../../src/http/http1/body-decoder.ts';
import type { Framing } from '../../src/http/http1/framing.ts';
import { Http1RequestHead } from '../../src/http/http1/request-head.ts';
import { RequestParser } from '../../src/http/http1/request-parser.ts';
import { Http1ResponseHead } from '../../src/http/http1/response-head.ts';
import { ResponseParser } from '../../src/http/http1/response-parser.ts';
import { lastChunkText, requestHeadText, responseHeadText } from '../../src/http/http1/writer.ts';
import { keptBytes } from './insides.ts';

const LIMITS = { maxHeaderBytes: 4096, maxHeaders: 50 };
const octetsOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Any octets, and octets that look like HTTP. */
const junk = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc
    .string({ unit: fc.constantFrom(...'0123456789abcdef;="\\:, \t\r\nHTP/1.GE\0\x7f\xff'), maxLength: 60 })
    .map(octetsOf),
  fc
    .array(fc.constantFrom('5\r\nhello\r\n', '0\r\n', '\r\n', 'X: y\r\n', '0', '\r', '\n', ';a=b\r\n'), {
      maxLength: 8,
    })
    .map((all) => octetsOf(all.join(''))),
);
const cuts = fc.array(fc.nat(), { maxLength: 6 });

function pieces(octets: Buffer, at: readonly number[]): Buffer[] {
  const edges = [...new Set([0, ...at.map((one) => one % (octets.length + 1)), octets.length])].sort((a, b) => a - b);
  return edges.slice(1).map((end, index) => Buffer.from(octets.subarray(edges[index], end)));
}

/** What a decoder made of its input. */
class Recorder implements BodyEvents {
  body = '';
  ended = false;
  trailers: [string, string][] = [];

  onData(chunk: Uint8Array): void {
    assert.ok(!this.ended, 'data behind the end');
    this.body += Buffer.from(chunk).toString('latin1');
  }

  onEnd(trailers: Fields | undefined): void {
    assert.ok(!this.ended, 'ended twice');
    this.ended = true;
    trailers?.each((name, value) => this.trailers.push([name, value]));
  }
}

function decoded(input: readonly Buffer[], framing: Framing): { recorder: Recorder; read: number } {
  const recorder = new Recorder();
  const decoder = new BodyDecoder(LIMITS.maxHeaderBytes);
  decoder.start(framing);
  let read = 0;
  for (const piece of input) {
    if (decoder.done) break;
    const end = decoder.decode(piece, 0, recorder);
    if (end < 0) return { recorder, read: -1 };
    assert.ok(end <= piece.length);
    read += end;
  }
  return { recorder, read };
}

test('a body decoder takes any octets, cut anywhere, to the same end', () => {
  const framings = fc.constantFrom<Framing>('chunked', 'chunked', 'until-close', 7);
  fc.assert(
    fc.property(junk, cuts, framings, (octets, at, framing) => {
      assert.deepEqual(decoded(pieces(octets, at), framing), decoded([octets], framing));
    }),
    { numRuns: 5000 },
  );
});

const text = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 80 });
const name = fc
  .string({ unit: fc.constantFrom(..."abcXYZ019!#$%&'*+-.^_`|~"), minLength: 1, maxLength: 12 })
  .map((letters) => `x-${letters}`);
const value = fc
  .string({ unit: fc.constantFrom(...'abc019 \t:;,="\\/\x80\xa0\xff'), maxLength: 20 })
  .map((raw) => raw.replace(/^[ \t]+|[ \t]+$/g, ''));
const fields = fc.array(fc.tuple(name, value), { maxLength: 8 });
const rendered = (lines: readonly (readonly [string, string])[]): string =>
  lines.map(([key, val]) => `${key}: ${val}\r\n`).join('');

function listed(from: Fields): [string, string][] {
  const lines: [string, string][] = [];
  from.each((key, val) => lines.push([key, val]));
  return lines;
}

const lower = (lines: readonly (readonly [string, string])[]): [string, string][] =>
  lines.map(([key, val]) => [key.toLowerCase(), val]);

suite('what is written is read as the same', () => {
  test('chunked bodies with trailers', () => {
    fc.assert(
      fc.property(
        fc.array(
          text.filter((chunk) => chunk !== ''),
          { maxLength: 5 },
        ),
        fields,
        cuts,
        (chunks, trailers, at) => {
          const body = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
          const octets = octetsOf(body + lastChunkText(new ListFields(trailers)));
          const { recorder, read } = decoded(pieces(octets, at), 'chunked');
          assert.equal(read, octets.length);
          assert.ok(recorder.ended);
          assert.equal(recorder.body, chunks.join(''));
          assert.deepEqual(recorder.trailers, lower(trailers));
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('request heads', () => {
    const methods = fc.constantFrom('GET', 'POST', 'purge', 'M-SEARCH');
    const targets = fc.constantFrom('/', '/a/b?c=d', '//x', '/%2B;v=1', '/?');
    const hosts = fc.constantFrom('h', 'h.test:80', '[::1]:8080', '127.0.0.1');
    const lengths = fc.constantFrom(undefined, 0, 5, 9_007_199_254_740_991);
    fc.assert(
      fc.property(
        methods,
        targets,
        hosts,
        fields,
        lengths,
        fc.boolean(),
        (method, target, host, lines, length, asItCame) => {
          const raw = new Http1RequestHead(LIMITS);
          const stated = length === undefined ? '' : `Content-Length: ${length}\r\n`;
          assert.equal(
            raw.read(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${rendered(lines)}${stated}\r\n`),
            undefined,
          );
          const from = asItCame ? raw : new ListFields(lines);
          const rest = {
            dropCodes: 0,
            drop: undefined,
            shared: undefined,
            requestId: '',
            varying: undefined,
            extra: undefined,
            upgrade: undefined,
            expectsContinue: false,
          };
          const request: OutgoingRequest = {
            method,
            target,
            host,
            fields: from,
            hasBody: raw.hasBody,
            bodyLength: raw.bodyLength,
            ...rest,
          };
          const again = new Http1RequestHead(LIMITS);
          assert.equal(again.read(requestHeadText(request)), undefined);
          assert.deepEqual([again.method, again.target, again.authority], [method, target, host]);
          assert.equal(again.bodyLength, length);
          const own = new Set(['host', 'content-length', 'transfer-encoding']);
          assert.deepEqual(
            listed(again).filter(([key]) => !own.has(key)),
            lower(lines),
          );
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('response heads', () => {
    const statuses = fc.constantFrom(200, 206, 299, 404, 503);
    const phrases = fc.constantFrom('OK', '', 'Wohl bekomm\xb4s', 'a b');
    const kinds = fc.constantFrom<'length' | 'chunked' | 'until-close'>('length', 'chunked', 'until-close');
    fc.assert(
      fc.property(statuses, phrases, fields, kinds, (status, phrase, lines, kind) => {
        const head = {
          fields: new ListFields(lines),
          dropCodes: 0,
          drop: undefined,
          shared: undefined,
          requestId: '',
          varying: undefined,
          extra: undefined,
        };
        const framing = kind === 'length' ? ({ kind, length: 3 } as const) : ({ kind } as const);
        const again = new Http1ResponseHead();
        assert.equal(again.read(responseHeadText(status, phrase, head, framing, ''), 'GET', 50), undefined);
        assert.deepEqual([again.status, again.reasonPhrase], [status, phrase]);
        assert.equal(again.framing, kind === 'length' ? 3 : kind);
        const own = new Set(['content-length', 'transfer-encoding']);
        assert.deepEqual(
          listed(again).filter(([key]) => !own.has(key)),
          lower(lines),
        );
      }),
      { numRuns: 2000 },
    );
  });
});

suite('input without end is bounded', () => {
  const nothing = { onHead: () => {}, onData: () => {}, onEnd: () => {}, onInformational: () => {} };
  const CHUNKED = 'Host: h\r\nTransfer-Encoding: chunked\r\n\r\n';
  const endless: Record<string, [start: string, more: string]> = {
    'a request line': ['GET /', 'a'],
    'a field name': ['GET / HTTP/1.1\r\n', 'n'],
    'a field value': ['GET / HTTP/1.1\r\nX: ', 'v'],
    'many fields': ['GET / HTTP/1.1\r\n', 'X: 1\r\n'],
    'zeros of a chunk size': [`POST / HTTP/1.1\r\n${CHUNKED}`, '0'],
    'a chunk extension': [`POST / HTTP/1.1\r\n${CHUNKED}5;a="`, 'x'],
    'a trailer': [`POST / HTTP/1.1\r\n${CHUNKED}0\r\nX: `, 'v'],
    'many trailers': [`POST / HTTP/1.1\r\n${CHUNKED}0\r\n`, 'X: 1\r\n'],
  };
  for (const [what, [start, more]] of Object.entries(endless)) {
    test(`requests: ${what}`, () => {
      let refused = false;
      const refuse = (): void => {
        refused = true;
      };
      const parser = new RequestParser({ ...nothing, onHeadError: refuse, onBodyError: refuse }, LIMITS);
      const chunk = octetsOf(more.repeat(100));
      let at = 0;
      for (const octets of [octetsOf(start), ...new Array<Buffer>(400).fill(chunk)]) {
        for (at = 0; at < octets.length && !refused; ) at = parser.execute(octets, at);
        assert.ok(keptBytes(parser) <= 4 * LIMITS.maxHeaderBytes, `${keptBytes(parser)} octets are kept`);
        if (refused) break;
      }
      assert.ok(refused);
    });
  }

  const responses: Record<string, [start: string, more: string]> = {
    'a status line': ['HTTP/1.1 200 ', 'a'],
    'a field value': ['HTTP/1.1 200 OK\r\nX: ', 'v'],
    'many fields': ['HTTP/1.1 200 OK\r\n', 'X: 1\r\n'],
    'a chunk extension': ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=', 'x'],
    'many trailers': ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', 'X: 1\r\n'],
  };
  for (const [what, [start, more]] of Object.entries(responses)) {
    test(`responses: ${what}`, () => {
      let refused = false;
      const onError = (): void => {
        refused = true;
      };
      const parser = new ResponseParser({ ...nothing, onError }, LIMITS);
      parser.expect('GET');
      const chunk = octetsOf(more.repeat(100));
      for (const octets of [octetsOf(start), ...new Array<Buffer>(400).fill(chunk)]) {
        if (!refused) parser.execute(octets);
        assert.ok(keptBytes(parser) <= 4 * LIMITS.maxHeaderBytes, `${keptBytes(parser)} octets are kept`);
      }
      assert.ok(refused);
    });
  }
});

test('a response parser takes any octets, cut anywhere, to the same end', () => {
  const heads = [
    '',
    'HTTP/1.1 200 OK\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n',
  ];
  const observed = (input: readonly Buffer[]): string => {
    const recorder = new Recorder();
    const seen: unknown[] = [];
    const events = {
      onHead: (head: Http1ResponseHead): void => void seen.push(head.status, listed(head)),
      onInformational: (head: Http1ResponseHead): void => void seen.push(head.status),
      onData: (chunk: Uint8Array): void => recorder.onData(chunk),
      onEnd: (trailers: Fields | undefined): void => recorder.onEnd(trailers),
      onError: (): void => void seen.push('refused'),
    };
    const parser = new ResponseParser(events, LIMITS);
    parser.expect('GET');
    for (const piece of input) if (parser.busy) assert.ok(parser.execute(piece) <= piece.length);
    return JSON.stringify([seen, recorder, parser.busy]);
  };
  fc.assert(
    fc.property(fc.constantFrom(...heads), junk, cuts, (head, noise, at) => {
      const octets = Buffer.concat([octetsOf(head), noise]);
      assert.equal(observed(pieces(octets, at)), observed([octets]));
    }),
    { numRuns: 5000 },
  );
});
