import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { LineRelay } from './line-relay.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('lines of two processes come whole, however they are cut; a line without an end is none', async () => {
  const [one, two, to] = [new PassThrough(), new PassThrough(), new PassThrough()];
  let written = '';
  to.setEncoding('utf8').on('data', (text: string) => {
    written += text;
  });
  for (const from of [one, two]) new LineRelay(from, to);
  const long = 'x'.repeat(9000);
  one.write(`{"a":"${long}`);
  two.write('{"b":1}\n{"b":');
  await turn();
  one.write(`${long}"}\n{"a":2}\n{"a"`);
  two.write('2}\n');
  one.end();
  await turn();
  await turn();
  assert.deepEqual(written.split('\n').sort(), ['', '{"a":2}', `{"a":"${long}${long}"}`, '{"b":1}', '{"b":2}'].sort());
});

test('however many workers wait for a reader, one listens', async () => {
  const to = new PassThrough();
  const all = Array.from({ length: 20 }, () => new PassThrough());
  for (const from of all) new LineRelay(from, to);
  const line = `${'z'.repeat(1024 * 1024)}\n`;
  for (const from of all) from.write(line);
  await turn();
  assert.ok(all.filter((from) => from.isPaused()).length > 10);
  assert.ok(to.listenerCount('drain') <= 1);
  let read = 0;
  to.on('data', (chunk: Buffer) => {
    read += chunk.length;
  });
  for (let turns = 0; turns < 500 && read < all.length * line.length; turns++) await turn();
  assert.equal(read, all.length * line.length);
  assert.deepEqual([to.listenerCount('drain'), to.listenerCount('error')], [0, 0]);
});

test('a reader who does not keep up stops the worker’s lines, not their order', async () => {
  const [from, to] = [new PassThrough(), new PassThrough()];
  new LineRelay(from, to);
  const line = `${'y'.repeat(65_535)}\n`;
  let accepted = 0;
  for (let sent = 0; sent < 100; sent++) {
    if (from.writableLength === 0) accepted++;
    from.write(line);
    await turn();
  }
  assert.ok(accepted < 30, `${accepted} of 100 were taken`);
  assert.equal(from.isPaused(), true);
  let read = 0;
  to.on('data', (chunk: Buffer) => {
    read += chunk.length;
  });
  for (let turns = 0; turns < 500 && read < 100 * line.length; turns++) await turn();
  assert.equal(read, 100 * line.length);
});
