import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CidrSet, canonicalIp, cidrProblem, clientOf } from './ip.ts';

test('canonical text: one for every way of writing an address', () => {
  const cases: [string, string][] = [
    ['1.2.3.4', '1.2.3.4'],
    ['1.2.3.4:8080', '1.2.3.4'],
    [' 1.2.3.4 ', '1.2.3.4'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::ffff:102:304', '1.2.3.4'],
    ['0:0:0:0:0:FFFF:0102:0304', '1.2.3.4'],
    ['[::ffff:1.2.3.4]:80', '1.2.3.4'],
    ['64:ff9b::1.2.3.4', '1.2.3.4'],
    ['64:ff9b::102:304', '1.2.3.4'],
    ['255.255.255.255', '255.255.255.255'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8::0001', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::', '::'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['64:ff9b:1::102:304', '64:ff9b:1::102:304'],
  ];
  for (const [text, canonical] of cases) assert.equal(canonicalIp(text), canonical, text);
});

test('what is no address is none', () => {
  const bad = [
    '',
    'unknown',
    '_hidden',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4:',
    '1.2.3.4:x',
    '1.2.3.',
  ];
  bad.push(
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    '::1.2.3',
    '[::1',
    '[::1]x',
    '1.2.3.4%a',
    '::g',
  );
  bad.push('1:2:3:4:5:6:7::8', '1.2.3.4::');
  for (const text of bad) assert.equal(canonicalIp(text), undefined, text);
});

test('canonical text is a fixed point', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV6(), fc.ipV4()), (address) => {
      const canonical = canonicalIp(address);
      assert.ok(canonical !== undefined, address);
      assert.equal(canonicalIp(canonical), canonical);
    }),
  );
});

test('an IPv6 client is its prefix, an IPv4 one itself', () => {
  assert.equal(clientOf('2001:db8:1:2:3:4:5:6', 64), '2001:db8:1:2::/64');
  assert.equal(clientOf('2001:db8:1:2ff::1', 56), '2001:db8:1:200::/56');
  assert.equal(clientOf('2001:db8::1', 128), '2001:db8::1');
  assert.equal(clientOf('10.1.2.3', 64), '10.1.2.3');
});

test('blocks hold the addresses inside them', () => {
  const set = new CidrSet(['10.0.0.0/8', '192.168.1.7', 'fd00::/8', '2001:db8::/33', '::ffff:172.16.0.0/108']);
  for (const inside of ['10.255.0.1', '::ffff:10.0.0.1', '192.168.1.7', 'fdff::1', '2001:db8:7fff::', '172.31.9.9']) {
    assert.ok(set.contains(inside), inside);
  }
  for (const outside of ['11.0.0.0', '192.168.1.8', 'fc00::1', '2001:db8:8000::', '172.32.0.0', 'garbage', '::']) {
    assert.ok(!set.contains(outside), outside);
  }
  assert.ok(new CidrSet(['0.0.0.0/0']).contains('8.8.8.8') && !new CidrSet(['0.0.0.0/0']).contains('2001::'));
  assert.ok(new CidrSet(['::/0']).contains('2001::') && new CidrSet(['::/0']).contains('1.2.3.4'));
});

test('a block that is none is named', () => {
  for (const bad of ['10.0.0.0/33', 'x/8', '::/129', '10.0.0.0/', '10.0.0.0:80', '[::1]/128', '1.2.3.4/-1']) {
    assert.match(cidrProblem(bad) ?? '', /is no address or CIDR block/, bad);
  }
  assert.equal(cidrProblem('10.0.0.0/8'), undefined);
});
