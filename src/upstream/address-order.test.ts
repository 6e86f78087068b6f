import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressOrder } from './address-order.ts';

const BOTH = ['2001:db8::1', '2001:db8::2', '10.0.0.1', '10.0.0.2', '10.0.0.3'];

test('families take turns, IPv6 first', () => {
  const expected = ['2001:db8::1', '10.0.0.1', '2001:db8::2', '10.0.0.2', '10.0.0.3'];
  assert.deepEqual(new AddressOrder().next('a', BOTH, 0), expected);
});

test('every order begins one address further on, name by name', () => {
  const order = new AddressOrder();
  const firsts = [1, 2, 3, 4].map(() => order.next('a', BOTH.slice(2), 0)[0]);
  assert.deepEqual(firsts, ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.1']);
  assert.equal(order.next('b', BOTH.slice(2), 0)[0], '10.0.0.1');
  assert.equal(new Set([1, 2].map(() => order.next('c', BOTH, 0)[0])).size, 2);
});

test('nothing is lost or doubled', () => {
  const order = new AddressOrder();
  for (let turn = 0; turn < 12; turn++) assert.deepEqual([...order.next('a', BOTH, 0)].sort(), [...BOTH].sort());
  assert.deepEqual(order.next('a', [], 0), []);
});

test('IPv4 goes first for a minute after it won', () => {
  const order = new AddressOrder();
  const [first] = order.next('a', BOTH, 0);
  order.won('a', '10.0.0.1', first!, 0);
  assert.match(order.next('a', BOTH, 59_999)[0]!, /^10/);
  assert.match(order.next('a', BOTH, 60_000)[0]!, /^2001/);
  order.won('a', '10.0.0.1', '2001:db8::1', 60_000);
  order.won('a', '2001:db8::1', '10.0.0.1', 60_001);
  assert.match(order.next('a', BOTH, 60_002)[0]!, /^2001/, 'IPv6 came back');
});
