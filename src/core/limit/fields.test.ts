import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeUpstreamFields, policyItem, RemainingItems, wholeSeconds } from './fields.ts';
import { parseStringList } from './structured-list.ts';

test('policy items: q of a rate is the larger of count and burst; w only in whole seconds', () => {
  assert.equal(policyItem('a', { kind: 'rate', count: 20, periodUs: 60_000_000, burst: 20 }, 0), '"a";q=20;w=60');
  assert.equal(policyItem('a', { kind: 'rate', count: 50, periodUs: 1_000_000, burst: 100 }, 0), '"a";q=100;w=1');
  assert.equal(policyItem('a', { kind: 'rate', count: 5, periodUs: 500_000, burst: 1 }, 0), '"a";q=5');
  assert.equal(policyItem('a', { kind: 'window', limit: 1000, windowUs: 3_600_000_000 }, 0), '"a";q=1000;w=3600');
  const daily = { kind: 'quota', limit: 9, period: 'day', timezone: 'Europe/Berlin' } as const;
  assert.equal(policyItem('a', daily, 82_800_000_000), '"a";q=9;w=82800');
});

test('seconds are whole, rounded up, at least one', () => {
  assert.deepEqual([0, 1, 1000, 1001, 2500].map(wholeSeconds), [1, 1, 1, 2, 3]);
  const items = new RemainingItems('a', (text) => text);
  assert.equal(items.item(0, 2001), '"a";r=0;t=3');
  assert.equal(items.item(0, undefined), '"a";r=0');
});

test('lists of strings are told from everything else', () => {
  assert.deepEqual(parseStringList('"a";q=1;w=2, "b";x;y=?1;z=:aGk=:;d=1.5;s="t\\"u";k=tok/en'), ['a', 'b']);
  assert.deepEqual(parseStringList(''), []);
  assert.deepEqual(parseStringList('  "a\\\\b" ,\t"c"  '), ['a\\b', 'c']);
  for (const bad of [
    'limit=100, remaining=1',
    '100;w=60',
    '"a",',
    '"a',
    '"a" "b"',
    '"a";',
    '"a";Q=1',
    '"é"',
    'a',
    '("a")',
  ]) {
    assert.equal(parseStringList(bad), undefined, bad);
  }
});

test('an upstream keeps its fields; ours come after, renamed on a clash, or not at all', () => {
  const own = { policy: '"a";q=1;w=60, "b";q=2', limit: '"a";r=0;t=3' };
  assert.deepEqual(mergeUpstreamFields(own, { policy: undefined, limit: undefined }), own);
  assert.deepEqual(mergeUpstreamFields(own, { policy: '"x";q=9', limit: '"x";r=1' }), {
    policy: '"x";q=9, "a";q=1;w=60, "b";q=2',
    limit: '"x";r=1, "a";r=0;t=3',
  });
  assert.deepEqual(mergeUpstreamFields(own, { policy: '"a";q=9', limit: undefined }), {
    policy: '"a";q=9, "headgate/a";q=1;w=60, "b";q=2',
    limit: '"headgate/a";r=0;t=3',
  });
  const old = { policy: '100;w=60', limit: '"a";r=1' };
  assert.deepEqual(mergeUpstreamFields(own, old), old);
});

test('an item kept as text is never given for other numbers', () => {
  const items = new RemainingItems('a', (text) => text);
  const large = [0, 1, 63, 64, 65, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1];
  for (let round = 0; round < 2; round++) {
    for (const remaining of [...large, ...Array.from({ length: 300 }, (_, at) => at)]) {
      for (const t of [undefined, 1, 2, 64, 65, 2678400]) {
        const expected = t === undefined ? `"a";r=${remaining}` : `"a";r=${remaining};t=${t}`;
        assert.equal(items.item(remaining, t === undefined ? undefined : t * 1000), expected);
      }
    }
  }
});
