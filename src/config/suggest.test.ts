import assert from 'node:assert/strict';
import { test } from 'node:test';
import { didYouMean, editDistance, nearest } from './suggest.ts';

test('distance counts insertions, deletions, substitutions and swaps', () => {
  const rows: [left: string, right: string, distance: number][] = [
    ['', '', 0],
    ['abc', 'abc', 0],
    ['', 'abc', 3],
    ['abc', 'abd', 1],
    ['abc', 'acb', 1],
    ['ca', 'abc', 3],
    ['kitten', 'sitting', 3],
  ];
  for (const [left, right, distance] of rows) {
    assert.equal(editDistance(left, right), distance);
    assert.equal(editDistance(right, left), distance);
  }
});

test('the nearest name is found, a far one is not', () => {
  const known = ['upstream', 'stripPrefix', 'limits', 'match', 'healthCheck'];
  assert.equal(nearest('upstraem', known), 'upstream');
  assert.equal(nearest('strip_prefix', known), 'stripPrefix');
  assert.equal(nearest('limit', known), 'limits');
  assert.equal(nearest('HEALTHCHECK', known), 'healthCheck');
  assert.equal(nearest('colour', known), undefined);
  assert.equal(didYouMean('mtach', known), ' (did you mean "match"?)');
  assert.equal(didYouMean('zzz', known), '');
});
