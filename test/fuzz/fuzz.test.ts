import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { canonicalPath } from '../../src/core/route/path.ts';
import { REQUEST_MUTANTS, RESPONSE_MUTANTS } from './mutants.ts';
import { pathTarget } from './path-target.ts';
import { requestTarget } from './request-target.ts';
import { responseTarget } from './response-target.ts';
import type { FuzzTarget } from './target.ts';

/** Every run of the tests tries the same inputs; `npm run fuzz` tries others. */
const SEED = 20_260_101;

/** The first seed for which something is wrong, with what it is. */
function firstFinding(target: FuzzTarget, inputs: number): string | undefined {
  for (let seed = SEED; seed < SEED + inputs; seed++) {
    const problem = target.run(seed);
    if (problem !== undefined) return `seed ${seed}: ${problem}`;
  }
  return undefined;
}

suite('a short fuzz finds nothing', () => {
  for (const target of [requestTarget(), responseTarget(), pathTarget()]) {
    test(target.name, () => assert.equal(firstFinding(target, 10_000), undefined));
  }
});

suite('the fuzz finds what is broken', () => {
  for (const [name, maker] of Object.entries(REQUEST_MUTANTS)) {
    test(`requests: ${name}`, () => assert.notEqual(firstFinding(requestTarget(maker), 50_000), undefined));
  }
  for (const [name, maker] of Object.entries(RESPONSE_MUTANTS)) {
    test(`responses: ${name}`, () => assert.notEqual(firstFinding(responseTarget(maker), 50_000), undefined));
  }
  test('paths: %25 is decoded', () => {
    const twice = (path: string): string | undefined => canonicalPath(path.replace(/%25(?=2e)/gi, '%'));
    assert.notEqual(firstFinding(pathTarget(twice), 10_000), undefined);
  });
  test('paths: dot segments stay', () => {
    const lazy = (path: string): string | undefined => canonicalPath(path.replaceAll('/../', '/x/'));
    assert.notEqual(firstFinding(pathTarget(lazy), 10_000), undefined);
  });
});
