import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  checkCorePurity,
  checkLayers,
  checkLengths,
  checkPackages,
  checkTests,
  importsOf,
  packagesLoadedWith,
  type Sources,
  unusedEdges,
  unusedLayers,
} from './checker.ts';
import { layerOf, parseLayers } from './layers.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Files that are nothing but a table. */
const TABLES = new Set<string>();

function read(folder: string): Map<string, string> {
  const sources = new Map<string, string>();
  const base = join(ROOT, folder);
  for (const entry of readdirSync(base, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    sources.set(relative(base, path).split(sep).join('/'), readFileSync(path, 'utf8'));
  }
  return sources;
}

const src = read('src');
const testsOfSrc = new Map([...src].filter(([file]) => /\.test\.ts$|-contract\.ts$/.test(file)));

test('src/ keeps to the table of ARCHITECTURE.md', () => {
  const layers = parseLayers(readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8'));
  assert.deepEqual(checkLayers(src, layers), []);
  assert.deepEqual(unusedLayers(src, layers), []);
  assert.deepEqual(unusedEdges(src, layers), []);
});

test('core/ has no clock, timer, randomness or process', () => {
  assert.deepEqual(checkCorePurity(src), []);
});

test('each npm package is imported by one folder', () => {
  assert.deepEqual(checkPackages(src), []);
});

test('what few need is loaded where it is needed: a worker starts in a fraction of a second', () => {
  assert.deepEqual(packagesLoadedWith(src, 'workers/worker-main.ts'), ['pino']);
  assert.deepEqual(packagesLoadedWith(src, 'cli/start.ts'), ['pino', 'yaml', 'zod']);
});

test('tests never sleep, and none is singled out', () => {
  assert.deepEqual(checkTests(testsOfSrc), []);
  // Scripts of test/chaos pace a load by the clock: timing is what they measure.
  const paced = (file: string): boolean => file.startsWith('chaos/');
  assert.deepEqual(checkTests(new Map([...read('test')].filter(([file]) => !paced(file)))), []);
});

test('files stay short', (t) => {
  for (const [file, text] of src) {
    const lines = text.split('\n').length - 1;
    if (lines > 300 && !file.endsWith('.test.ts')) t.diagnostic(`${file}: ${lines} lines`);
  }
  assert.deepEqual(checkLengths(src, TABLES), []);
});

// From here on: the checks can fail.

const TABLE = [
  '# A',
  '```layers',
  'core ->',
  'core/limit -> core',
  'ports -> core  # interfaces',
  'adapters/net -> core, ports',
  '```',
];
const layers = parseLayers(TABLE.join('\n'));
const files = (map: Record<string, string>): Sources => new Map(Object.entries(map));

test('the table: longest name wins; unknown names, repetitions and cycles are errors', () => {
  assert.equal(layerOf(layers, 'core/limit/rate.ts'), 'core/limit');
  assert.equal(layerOf(layers, 'core/clock.ts'), 'core');
  assert.equal(layerOf(layers, 'ports.ts'), 'ports');
  assert.equal(layerOf(layers, 'cli/main.ts'), undefined);
  const block = (...lines: string[]): string => ['```layers', ...lines, '```'].join('\n');
  assert.throws(() => parseLayers('none'), /no ```layers/);
  assert.throws(() => parseLayers(block('a -> b')), /no such entry/);
  assert.throws(() => parseLayers(block('a ->', 'a ->')), /twice/);
  assert.throws(() => parseLayers(block('a b')), /not "folder/);
  assert.throws(() => parseLayers(block('a -> b', 'b -> c', 'c -> a')), /cycle/);
  assert.throws(() => parseLayers(block('a/x -> b', 'b -> a')), /cycle/);
  assert.equal(parseLayers(block('a/x ->', 'a/y ->', 'b -> a')).size, 3);
});

test('an import against the table is found, whatever its form', () => {
  const good = files({
    'core/clock.ts': '',
    'core/limit/rate.ts': `import { a } from '../clock.ts';`,
    'ports.ts': `import type { Clock } from './core/clock.ts'; // import './adapters/net/x.ts'`,
    'adapters/net/x.ts': `import { createServer } from 'node:net'; export * from '../../core/limit/rate.ts';`,
    'core/clock.test.ts': `import { x } from '../adapters/net/x.ts';`,
  });
  assert.deepEqual(checkLayers(good, layers), []);
  const forms = [
    `import { x } from '../adapters/net/x.ts';`,
    `import type { X } from '../adapters/net/x.ts';`,
    `export * from '../adapters/net/x.ts';`,
    `const x = await import('../adapters/net/x.ts');`,
    `import '../adapters/net/x.ts';`,
  ];
  for (const form of forms) {
    const problems = checkLayers(files({ 'core/a.ts': form, 'adapters/net/x.ts': '' }), layers);
    assert.deepEqual(problems, ['core/a.ts: core may not import adapters/net (adapters/net/x.ts)'], form);
  }
  assert.match(checkLayers(files({ 'core/a.ts': `import 'node:fs';` }), layers)[0]!, /core imports node:fs/);
  assert.match(checkLayers(files({ 'core/a.ts': `import 'zod';` }), layers)[0]!, /core imports zod/);
  assert.match(checkLayers(files({ 'ports.ts': `import 'node:net';` }), layers)[0]!, /I\/O of its own/);
  assert.match(checkLayers(files({ 'core/a.ts': `import './gone.ts';` }), layers)[0]!, /no source file/);
  assert.match(checkLayers(files({ 'new/a.ts': '' }), layers)[0]!, /in no entry/);
  const viaTest = files({ 'core/a.ts': `import './b.test.ts';`, 'core/b.test.ts': '' });
  assert.match(checkLayers(viaTest, layers)[0]!, /imports a test/);
  assert.equal(unusedLayers(files({ 'core/limit/a.ts': '' }), layers).length, 2);
});

test('an edge that no import needs is found; a test or a suite is no need', () => {
  const wide = parseLayers(['```layers', 'core ->', 'a/x -> core', 'a/y -> core', 'b -> core, a', '```'].join('\n'));
  const sources = {
    'core/deep/c.ts': '',
    'a/x/x.ts': `import '../../core/deep/c.ts'; import 'core';`,
    'a/y/y.test.ts': `import '../../core/deep/c.ts';`,
    'a/y/y-contract.ts': `import '../../core/deep/c.ts';`,
    'b/b.ts': `export type { X } from '../a/x/x.ts';`,
  };
  assert.deepEqual(
    unusedEdges(files(sources), wide).map((problem) => problem.split(':')[0]),
    ['a/y -> core', 'b -> core'],
  );
});

test('a package with two owners is found', () => {
  const problems = checkPackages(
    files({
      'config/a.ts': `import { z } from 'zod';`,
      'adapters/redis/a.ts': `import type { z } from 'zod/v4'; import 'ioredis';`,
      'adapters/redis/b.ts': `import 'ioredis';`,
      'cli/a.test.ts': `import 'ioredis';`,
    }),
  );
  assert.deepEqual(problems, ['zod: imported by adapters/redis and config']);
});

test('what is loaded with a file are its static imports and theirs, without types', () => {
  const sources = files({
    'a.ts': `import type { A } from 'types'; import './b.ts'; export type { B } from 'more-types'; await import('later');`,
    'b.ts': `export { c } from './a.ts'; export * from 'yaml'; import { type D } from 'zod'; import 'node:fs';`,
  });
  assert.deepEqual(packagesLoadedWith(sources, 'a.ts'), ['yaml', 'zod']);
});

test('impurity in core is found, names of our own are not', () => {
  const impure = ['Date.now()', 'new Date()', 'performance.now()', 'process.env', 'Math.random()', 'setTimeout(f, 1)'];
  impure.push('setInterval(f)', 'setImmediate(f)', 'const g = { process }', 'globalThis.x', 'let d: Date');
  for (const code of impure) assert.equal(checkCorePurity(files({ 'core/a.ts': code })).length, 1, code);
  const pure = `// Date.now()\nconst s = 'Date'; x.process(); const y = { Date: 1 }; interface Z { performance: number }; Math.max(1);`;
  assert.deepEqual(checkCorePurity(files({ 'core/a.ts': pure, 'http/a.ts': 'Date.now()' })), []);
});

test('a test that sleeps or is singled out is found, a guard or a turn of the loop is not', () => {
  const bad = [
    'await new Promise((r) => setTimeout(r, 5));',
    'await new Promise<void>((resolve) => { setTimeout(() => resolve(), 5); });',
    'await new Promise(function (done) { setTimeout(() => { x(); done(1); }, 5); });',
    `import { setTimeout as sleep } from 'node:timers/promises';`,
    `test.only('x', () => {});`,
    `test('x', { only: true }, () => {});`,
    `describe.only('x', () => {});`,
  ];
  for (const code of bad) assert.equal(checkTests(files({ 'a.test.ts': code })).length, 1, code);
  const good = [
    'await new Promise((r) => setImmediate(r));',
    'await new Promise((resolve, reject) => { const g = setTimeout(() => reject(new Error()), 9); on(() => resolve(1)); });',
    `const options = { only: true }; list.only('x');`,
  ];
  for (const code of good) assert.deepEqual(checkTests(files({ 'a.test.ts': code })), [], code);
});

test('a long file is found, a table or a test is not', () => {
  const long = '\n'.repeat(401);
  const sources = files({ 'a.ts': long, 'table.ts': long, 'a.test.ts': long, 'b.ts': '\n'.repeat(400) });
  assert.deepEqual(checkLengths(sources, new Set(['table.ts'])), ['a.ts: 401 lines']);
});

test('every form of import is read', () => {
  const text = `import a from 'a'; import type { B } from 'b'; export { c } from 'c'; const d = import('d'); type E = import('e').E;`;
  assert.deepEqual(importsOf(text).sort(), ['a', 'b', 'c', 'd', 'e']);
});
