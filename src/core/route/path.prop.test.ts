import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalPath } from './path.ts';

/** Paths made of what readers differ about. */
const piece = fc.constantFrom(
  ...[
    '/',
    '.',
    '..',
    '%2e',
    '%2E',
    '%2f',
    '%5c',
    '%25',
    '%',
    '%4',
    '%41',
    '%c3',
    '%00',
    ';',
    '%3b',
    '\\',
    'a',
    'B',
    '~',
    '%7e',
    '//',
    '*',
    ':',
  ],
);
const path = fc
  .array(fc.oneof({ weight: 8, arbitrary: piece }, { weight: 1, arbitrary: fc.string({ maxLength: 3 }) }), {
    maxLength: 14,
  })
  .map((pieces) => `/${pieces.join('')}`);

test('is idempotent', () => {
  fc.assert(
    fc.property(path, (raw) => {
      const once = canonicalPath(raw);
      if (once !== undefined) assert.equal(canonicalPath(once), once);
    }),
    { numRuns: 5000 },
  );
});

test('leaves nothing that a reader could take for a dot segment or a separator', () => {
  fc.assert(
    fc.property(path, (raw) => {
      const canonical = canonicalPath(raw);
      if (canonical === undefined) return;
      assert.match(canonical, /^\/[!-~]*$/);
      assert.doesNotMatch(canonical, /[\\#?]|%2f|%5c|%[01]|%7f|%2e/i);
      for (const segment of canonical.split('/')) assert.ok(!/^\.\.?(;|%3b|$)/i.test(segment), canonical);
    }),
    { numRuns: 5000 },
  );
});

test('decodes once: an encoded percent sign keeps what follows it from being decoded', () => {
  const encodedPercent = fc.constantFrom('%252e', '%2541', '%252f', '%25zz', '%25%34%31');
  fc.assert(
    fc.property(fc.array(encodedPercent, { minLength: 1, maxLength: 5 }), (pieces) => {
      const canonical = canonicalPath(`/${pieces.join('')}`)!;
      assert.equal(canonical.split('%25').length - 1, pieces.length);
      assert.equal(canonical.replaceAll('%25', '').includes('%'), false);
    }),
  );
});

test('agrees with the WHATWG parser where both take dot segments out of plain paths', () => {
  const segment = fc.constantFrom('.', '..', 'a', 'b', '', '%2e', '%2E%2e');
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 8 }), (segments) => {
      const raw = `/${segments.join('/')}`;
      assert.equal(canonicalPath(raw), new URL(`http://h${raw}`).pathname);
    }),
    { numRuns: 2000 },
  );
});
