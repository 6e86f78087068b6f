import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import fc from 'fast-check';
import { readAskedName } from './client-hello.ts';

/** What Node's own client sends first. */
function helloOf(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _, done) {
        resolve(Buffer.from(chunk));
        done();
      },
    });
    connect({ socket: wire, ...options }).on('error', () => {});
  });
}

/** The same message in records of so many octets. */
function inRecordsOf(size: number, hello: Buffer): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

test('the name is read, whatever the version and whatever stands beside it', async () => {
  const expected = { kind: 'name', name: 'a.test' };
  for (const options of [
    {},
    { maxVersion: 'TLSv1.2' },
    { minVersion: 'TLSv1.3', ALPNProtocols: ['h2', 'http/1.1'] },
  ] as ConnectionOptions[]) {
    assert.deepEqual(readAskedName(await helloOf({ servername: 'a.test', ...options })), expected);
  }
  const long = `${'x'.repeat(60)}.`.repeat(4).slice(0, -1);
  assert.deepEqual(readAskedName(await helloOf({ servername: long })), { kind: 'name', name: long });
});

test('no name is none', async () => {
  assert.deepEqual(readAskedName(await helloOf({})), { kind: 'none' });
});

test('a hello is partial until its last octet, in one record or in many', async () => {
  const whole = await helloOf({ servername: 'a.test' });
  for (const bytes of [whole, inRecordsOf(100, whole), inRecordsOf(1, whole)]) {
    for (let length = 0; length < bytes.length; length += length < 20 ? 1 : 13) {
      assert.equal(readAskedName(bytes.subarray(0, length)).kind, 'partial', `${length} of ${bytes.length}`);
    }
    assert.deepEqual(readAskedName(bytes), { kind: 'name', name: 'a.test' });
  }
});

test('what is no hello, or too long a one, is none: TLS itself will say what is wrong with it', () => {
  assert.equal(readAskedName(Buffer.from('GET / HTTP/1.1\r\n')).kind, 'none');
  assert.equal(readAskedName(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])).kind, 'none');
  const endless = Buffer.concat([Buffer.from([22, 3, 1, 255, 255, 1, 255, 255, 255]), Buffer.alloc(16 * 1024)]);
  assert.equal(readAskedName(endless).kind, 'none');
  assert.equal(readAskedName(endless.subarray(0, 16_000)).kind, 'partial');
});

test('no octets make it throw or read a name that is not there', async () => {
  const whole = await helloOf({ servername: 'a.test', ALPNProtocols: ['http/1.1'] });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 8 }), (damage) => {
      const bytes = Buffer.from(whole);
      for (const [at, octet] of damage) bytes[at] = octet;
      const asked = readAskedName(bytes);
      if (asked.kind === 'name') assert.ok(bytes.includes(Buffer.from(asked.name, 'latin1')));
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (tail) => void readAskedName(Buffer.from([22, 3, 1, ...tail]))),
  );
});
