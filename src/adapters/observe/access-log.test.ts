import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ExchangeRecord } from '../../ports.ts';
import { FakeClock } from '../../testing/fake-clock.ts';
import { combinedAccessLine, jsonAccessLine, readableAccessLine } from './access-line.ts';
import { LineAccessLog } from './access-log.ts';
import { LineSink } from './line-sink.ts';

const record: ExchangeRecord = {
  arrivedUs: 1_772_721_441_000_093,
  id: '0195-abc',
  method: 'GET',
  path: '/orders/7',
  host: 'api.example.com',
  status: 429,
  reason: 'RL',
  reasonDetail: 'limit "per-client"',
  retryAfterMs: 2500,
  routeName: 'orders',
  upstreamName: undefined,
  endpointName: undefined,
  attempts: 0,
  clientIp: '192.0.2.7',
  userAgent: 'curl/8.5.0',
  referer: 'https://example.com/a?b="c"',
  bytesIn: 12,
  bytesOut: 345,
  durationMs: 1.23456,
  overheadMs: 0.1,
  connectMs: undefined,
  upstreamMs: undefined,
  protocol: 'HTTP/1.1',
  limits: [
    {
      name: 'per-client',
      keyHash: 'a1b2c3',
      cost: 1,
      ok: false,
      remaining: 0,
      waitMs: 2500,
      mode: 'strict',
      atUs: 1_772_721_441_417_090,
      shadow: false,
    },
  ],
};

const FIELDS = [
  ...['kind', 'time', 'id', 'method', 'path', 'host', 'status', 'reason', 'reasonDetail', 'retryAfterMs', 'route'],
  ...['upstream', 'endpoint', 'attempts', 'client', 'consumer', 'userAgent', 'bytesIn', 'bytesOut', 'durationMs'],
  ...['overheadMs', 'connectMs', 'upstreamMs', 'protocol', 'traceId', 'limits'],
];

test('a line has the documented fields and no other', () => {
  const line = JSON.parse(jsonAccessLine(record));
  assert.deepEqual(Object.keys(line), FIELDS);
  assert.equal(line.kind, 'access');
  assert.equal(line.time, '2026-03-05T14:37:21.000093Z');
  assert.equal(line.durationMs, 1.235);
  assert.equal(line.upstream, null);
  assert.deepEqual(line.limits, [
    {
      name: 'per-client',
      key: 'a1b2c3',
      cost: 1,
      ok: false,
      remaining: 0,
      mode: 'strict',
      at: 1_772_721_441_417_090,
    },
  ]);
});

test('a request without route, limits and durations is a line with the same fields', () => {
  const line = JSON.parse(jsonAccessLine({ ...record, routeName: '', limits: undefined, durationMs: Number.NaN }));
  assert.deepEqual(Object.keys(line), FIELDS);
  assert.equal(line.route, null);
  assert.equal(line.durationMs, null);
  assert.deepEqual(line.limits, []);
});

test('no query string is written', () => {
  const asked = { ...record, path: '/a?token=secret' };
  for (const line of [jsonAccessLine(asked), combinedAccessLine(asked), readableAccessLine(asked)]) {
    assert.ok(!line.includes('secret'));
  }
});

/** Any UTF-16, lone surrogates and controls included. */
const anyText = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', '"', '\\', '\u2028', '\u2029', '\u007f', '\u0085', '\ud800', '\n', '\0') }),
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((codes) => String.fromCharCode(...codes)),
  fc.array(fc.integer({ min: 0, max: 0xff })).map((codes) => String.fromCharCode(...codes)),
);

test('whatever clients send, a line is one JSON object without control characters, and says what they sent', () => {
  fc.assert(
    fc.property(anyText, anyText, anyText, fc.integer({ min: 0, max: 2 ** 51 }), (id, host, userAgent, arrivedUs) => {
      const line = jsonAccessLine({ ...record, id, host, userAgent, method: id, clientIp: host, arrivedUs });
      assert.ok(line.endsWith('}\n'));
      assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      const parsed = JSON.parse(line);
      assert.equal(parsed.id, id);
      assert.equal(parsed.host, host);
      assert.equal(parsed.userAgent, userAgent);
      assert.equal(parsed.method, id);
      assert.equal(parsed.client, host);
      assert.equal(Date.parse(parsed.time), Math.floor(arrivedUs / 1000));
    }),
    { numRuns: 1000 },
  );
});

test('numbers are those that JSON would write, and each line says what its own request said', () => {
  const ms = fc.oneof(fc.double({ min: 0, max: 5000, noNaN: true }), fc.double({ min: 0, max: 1e12, noNaN: true }));
  const us = fc.oneof(fc.integer({ min: 1_772_721_441_000_000, max: 1_772_721_443_000_000 }), fc.nat());
  const text = fc.constantFrom('a', 'b"', 'c\u2028');
  fc.assert(
    fc.property(fc.array(fc.tuple(ms, us, text), { maxLength: 8 }), (requests) => {
      for (const [durationMs, atUs, name] of requests) {
        const limits = (record.limits ?? []).map((limit) => ({ ...limit, atUs, name, keyHash: name }));
        const line = jsonAccessLine({ ...record, durationMs, limits, path: `/${name}`, host: name, userAgent: name });
        const { durationMs: written, limits: entries, path, host, userAgent } = JSON.parse(line);
        assert.equal(written, Math.round(durationMs * 1000) / 1000);
        assert.deepEqual(
          [entries[0].name, entries[0].key, path, host, userAgent],
          [name, name, `/${name}`, name, name],
        );
        assert.equal(entries[0].at, atUs);
      }
    }),
  );
});

test('the combined format is one printable line, quotes and controls escaped', () => {
  assert.equal(
    combinedAccessLine(record),
    '192.0.2.7 - - [05/Mar/2026:14:37:21 +0000] "GET /orders/7 HTTP/1.1" 429 345 ' +
      '"https://example.com/a?b=\\x22c\\x22" "curl/8.5.0"\n',
  );
  fc.assert(
    fc.property(anyText, (userAgent) => {
      const line = combinedAccessLine({ ...record, userAgent });
      assert.match(line, /^[ -~]*\n$/);
      assert.equal(line.split('"').length, 7);
    }),
  );
});

test('a line for people holds no control character', () => {
  fc.assert(
    fc.property(anyText, (path) => {
      assert.doesNotMatch(readableAccessLine({ ...record, path }).slice(0, -1), /[\u0000-\u001f\u007f-\u009f]/);
    }),
  );
});

/** A reader that takes a chunk only when told. */
class SlowReader extends Writable {
  readonly taken: string[] = [];
  #release: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 1 });
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.taken.push(chunk.toString());
    this.#release = done;
  }

  take(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }
}

test('lines are gathered and written after a while, in order', () => {
  const clock = new FakeClock();
  const reader = new SlowReader();
  const log = new LineAccessLog(new LineSink(reader, clock), 'json', false);
  log.write(record);
  log.write({ ...record, id: 'second' });
  assert.equal(reader.taken.length, 0);
  clock.advanceSync(100);
  assert.equal(reader.taken.length, 1);
  const ids = String(reader.taken[0])
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).id);
  assert.deepEqual(ids, ['0195-abc', 'second']);
});

test('a reader that stands still costs lines, which are counted, and bounded memory', () => {
  const reader = new SlowReader();
  const sink = new LineSink(reader, new FakeClock(), 100_000);
  for (let count = 0; count < 10_000; count++) sink.write(`${'x'.repeat(99)}\n`);
  assert.ok(reader.writableLength < 120_000, `${reader.writableLength} bytes wait`);
  assert.ok(sink.dropped > 8_000 && sink.dropped < 9_100, `${sink.dropped} dropped`);
});

test('drain waits for the reader, and no longer than it was told', async () => {
  const clock = new FakeClock();
  const reader = new SlowReader();
  const sink = new LineSink(reader, clock);
  sink.write('one\n');
  const drained = sink.drain(1000);
  reader.take();
  reader.take();
  await new Promise(setImmediate);
  reader.take();
  await drained;
  sink.write('two\n');
  const stuck = sink.drain(1000);
  clock.advanceSync(1000);
  await stuck;
});

test('many sinks on one stream listen to it once, also while they drain', async () => {
  const reader = new SlowReader();
  const clock = new FakeClock();
  const sinks = Array.from({ length: 20 }, () => new LineSink(reader, clock));
  for (const sink of sinks) {
    sink.write('one\n');
    const drained = sink.drain(1000);
    clock.advanceSync(1000);
    await drained;
  }
  assert.equal(reader.listenerCount('error'), 1);
});

test('a reader that is gone does not end the gateway', async () => {
  const reader = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('gone'), { code: 'EPIPE' })),
  });
  const sink = new LineSink(reader, new FakeClock());
  sink.write('one\n');
  await sink.drain(1000);
  await new Promise(setImmediate);
  sink.write('two\n');
  assert.equal(sink.dropped, 1);
});
