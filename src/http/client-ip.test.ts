import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientIp, proxyTrust, trustsPeer } from './client-ip.ts';

const none = proxyTrust([], undefined);
const inside = proxyTrust(['10.0.0.0/8', '::1'], undefined);
const oneHop = proxyTrust(['10.0.0.0/8'], 1);
const twoHops = proxyTrust([], 2);

test('who is not trusted is not believed', () => {
  assert.equal(clientIp('203.0.113.9', '1.1.1.1', 'for=1.1.1.1', none), '203.0.113.9');
  assert.equal(clientIp('203.0.113.9', '1.1.1.1', undefined, inside), '203.0.113.9');
  assert.equal(trustsPeer('203.0.113.9', inside), false);
  assert.equal(trustsPeer('10.1.1.1', inside), true);
  assert.equal(trustsPeer('203.0.113.9', oneHop), true);
});

test('networks: walked from the right, past what is trusted, to the first that is not', () => {
  assert.equal(clientIp('10.0.0.1', undefined, undefined, inside), '10.0.0.1');
  assert.equal(clientIp('10.0.0.1', '6.6.6.6, 198.51.100.7, 10.0.0.2', undefined, inside), '198.51.100.7');
  assert.equal(clientIp('10.0.0.1', '10.0.0.3, 10.0.0.2', undefined, inside), '10.0.0.3');
  assert.equal(clientIp('10.0.0.1', '[2001:db8::1]:4711', undefined, inside), '2001:db8::1');
  assert.equal(clientIp('10.0.0.1', '::ffff:198.51.100.7', undefined, inside), '198.51.100.7');
});

test('what is no address ends the walk before it', () => {
  assert.equal(clientIp('10.0.0.1', '6.6.6.6, garbage', undefined, inside), '10.0.0.1');
  assert.equal(clientIp('10.0.0.1', '6.6.6.6, , 10.0.0.2', undefined, inside), '10.0.0.2');
  assert.equal(clientIp('10.0.0.1', '', 'for=6.6.6.6', inside), '10.0.0.1');
  assert.equal(clientIp('10.0.0.1', ','.repeat(8192), undefined, inside), '10.0.0.1');
});

test('hops: exactly so many, however much was put in front', () => {
  assert.equal(clientIp('10.0.0.1', '6.6.6.6, 7.7.7.7, 198.51.100.7', undefined, oneHop), '198.51.100.7');
  assert.equal(clientIp('10.0.0.1', '6.6.6.6, 198.51.100.7, 10.0.0.2', undefined, twoHops), '198.51.100.7');
  assert.equal(clientIp('10.0.0.1', '198.51.100.7', undefined, twoHops), '198.51.100.7');
});

test('Forwarded counts where there is no X-Forwarded-For', () => {
  const forwarded = 'for=6.6.6.6, proto=https;For="[2001:db8::1]:99";by=x , for=10.0.0.2';
  assert.equal(clientIp('10.0.0.1', undefined, forwarded, inside), '2001:db8::1');
  assert.equal(clientIp('10.0.0.1', undefined, 'for=6.6.6.6, for=_hidden', inside), '10.0.0.1');
  assert.equal(clientIp('10.0.0.1', '198.51.100.7', forwarded, inside), '198.51.100.7');
});
