import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { proxyV1, proxyV2 } from '../../test/kit/proxy-header.ts';
import { crc32c } from './crc32c.ts';
import { MAX_PROXY_HEADER_BYTES, readProxyPreface } from './proxy-protocol.ts';

const octets = (text: string): Buffer => Buffer.from(text, 'latin1');
const kindOf = (bytes: string | Buffer): string =>
  readProxyPreface(typeof bytes === 'string' ? octets(bytes) : bytes).kind;

/** For whom a whole header speaks. */
function source(bytes: string | Buffer): string {
  const header = typeof bytes === 'string' ? octets(bytes) : bytes;
  const preface = readProxyPreface(Buffer.concat([header, octets('GET / HTTP/1.1\r\n')]));
  assert.equal(preface.kind, 'header');
  assert.ok(preface.kind === 'header');
  assert.equal(preface.length, header.length);
  return preface.from.kind === 'address' ? preface.from.address : preface.from.kind;
}

test('CRC-32C gives the published value', () => {
  assert.equal(crc32c(octets('123456789')), 0xe3069283);
});

test('version 1 names the client', () => {
  assert.equal(source('PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n'), '203.0.113.7');
  assert.equal(source('PROXY TCP6 2001:DB8:0:0::7 ::1 56324 443\r\n'), '2001:db8::7');
  assert.equal(source('PROXY TCP6 ::ffff:203.0.113.7 ::1 0 65535\r\n'), '203.0.113.7');
  assert.equal(source('PROXY UNKNOWN\r\n'), 'unknown');
  assert.equal(source('PROXY UNKNOWN ffff::1 ffff::2 1 2 and more\r\n'), 'unknown');
});

test('version 1 that is not to the letter is invalid', () => {
  for (const line of [
    'PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\n',
    'PROXY  TCP4 203.0.113.7 10.0.0.1 56324 443\r\n',
    'PROXY TCP4 203.0.113.7 10.0.0.1 56324\r\n',
    'PROXY TCP4 203.0.113.7 10.0.0.1 56324 443 \r\n',
    'PROXY TCP4 203.0.113.7 10.0.0.1 056324 443\r\n',
    'PROXY TCP4 203.0.113.7 10.0.0.1 65536 443\r\n',
    'PROXY TCP4 203.0.113.300 10.0.0.1 1 443\r\n',
    'PROXY TCP4 2001:db8::7 2001:db8::8 1 443\r\n',
    'PROXY TCP6 203.0.113.7 10.0.0.1 1 443\r\n',
    'PROXY TCP6 203.0.113.7:80 2001:db8::8 1 443\r\n',
    'PROXY TCP6 [2001:db8::7] 2001:db8::8 1 443\r\n',
    'PROXY TCP6 fe80::1%eth0 2001:db8::8 1 443\r\n',
    'PROXY UDP4 203.0.113.7 10.0.0.1 1 443\r\n',
    'PROXY \r\n',
  ]) {
    assert.equal(kindOf(line), 'invalid', line);
  }
});

test('a line of version 1 has 107 octets at most', () => {
  const longest = `PROXY UNKNOWN ${'x'.repeat(107 - 16)}\r\n`;
  assert.equal(longest.length, 107);
  assert.equal(source(longest), 'unknown');
  assert.equal(kindOf(longest.replace('x', 'xx')), 'invalid');
  assert.equal(kindOf(longest.slice(0, 106)), 'partial');
});

test('version 2 names the client', () => {
  assert.equal(source(proxyV2('203.0.113.7')), '203.0.113.7');
  assert.equal(source(proxyV2(Buffer.from('20010db8000000000000000000000007', 'hex'))), '2001:db8::7');
  assert.equal(source(proxyV2(Buffer.from('00000000000000000000ffffcb007107', 'hex'))), '203.0.113.7');
  assert.equal(source(proxyV2('203.0.113.7', { command: 0 })), 'local');
  assert.equal(source(proxyV2('203.0.113.7', { command: 0, family: 0 })), 'local');
  assert.equal(source(proxyV2('203.0.113.7', { family: 0x12 })), 'unknown', 'datagrams');
  assert.equal(source(proxyV2(Buffer.alloc(106), { family: 0x31 })), 'unknown', 'a unix socket');
});

test('version 2: what follows the addresses is walked, and a checksum must hold', () => {
  const authority = [2, octets('a.test')] as const;
  assert.equal(source(proxyV2('203.0.113.7', { tlvs: [authority, [4, Buffer.alloc(300)]] })), '203.0.113.7');
  assert.equal(source(proxyV2('203.0.113.7', { tlvs: [authority], checksum: 'right' })), '203.0.113.7');
  assert.equal(kindOf(proxyV2('203.0.113.7', { tlvs: [authority], checksum: 'wrong' })), 'invalid');
  assert.equal(kindOf(proxyV2('203.0.113.7', { tlvs: [[3, Buffer.alloc(3)]] })), 'invalid', 'no checksum has 3 octets');
  const cut = proxyV2('203.0.113.7', { tlvs: [authority] });
  cut[28 + 2] = 7;
  assert.equal(kindOf(cut), 'invalid', 'a value beyond the header');
  const short = Buffer.concat([proxyV2('203.0.113.7'), Buffer.from([4, 0])]);
  short[15] = 14;
  assert.equal(kindOf(short), 'invalid', 'no room for a length');
});

test('version 2 that is wrong is invalid as soon as that shows', () => {
  const patched = (at: number, octet: number): Buffer => {
    const header = proxyV2('203.0.113.7');
    header[at] = octet;
    return header.subarray(0, 16);
  };
  assert.equal(kindOf(patched(12, 0x11)), 'invalid', 'version 1');
  assert.equal(kindOf(patched(12, 0x22)), 'invalid', 'a command of its own');
  assert.equal(kindOf(patched(13, 0x41)), 'invalid', 'a family of its own');
  assert.equal(kindOf(patched(13, 0x13)), 'invalid', 'a protocol of its own');
  assert.equal(kindOf(patched(13, 0x21)), 'invalid', 'no room for the addresses');
  assert.equal(kindOf(patched(14, (MAX_PROXY_HEADER_BYTES >> 8) + 1)), 'invalid', 'too long');
  assert.equal(kindOf(patched(14, 1)), 'partial');
});

test('what is no header is told at the first octet that differs', () => {
  for (const text of ['GET / HTTP/1.1', 'POST /', 'PUT', '\x16\x03\x01', '\r\nG', '\r\n\r\n\r', 'PROXYX']) {
    assert.equal(kindOf(text), 'none', JSON.stringify(text));
  }
  for (const text of ['', 'P', 'PR', 'PROXY', '\r\n', '\r\n\r\n\0']) assert.equal(kindOf(text), 'partial', text);
});

test('a header that comes in pieces is partial until its last octet', () => {
  const headers = [
    octets(proxyV1('203.0.113.7')),
    octets(proxyV1('2001:db8::7')),
    proxyV2('203.0.113.7', { tlvs: [[4, Buffer.alloc(200)]], checksum: 'right' }),
  ];
  for (const header of headers) {
    for (let length = 0; length < header.length; length++) {
      assert.equal(readProxyPreface(header.subarray(0, length)).kind, 'partial', `${length}`);
    }
    assert.equal(readProxyPreface(header).kind, 'header');
  }
});

test('no octets make it throw, and more of them never turn a verdict', () => {
  const starts = fc.constantFrom('', 'PROXY ', 'PROXY TCP4 ', '\r\n\r\n\0\r\nQUIT\n', '\r\n\r\n\0\r\nQUIT\n\x21\x11\0');
  fc.assert(
    fc.property(starts, fc.uint8Array({ maxLength: 300 }), fc.nat(300), (start, tail, at) => {
      const bytes = Buffer.concat([octets(start), tail]);
      const early = readProxyPreface(bytes.subarray(0, Math.min(at, bytes.length)));
      const late = readProxyPreface(bytes);
      if (early.kind !== 'partial') assert.deepEqual(late, early);
    }),
    { numRuns: 2000 },
  );
});
