import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileConfig } from './compile.ts';
import { effectiveConfig } from './effective.ts';
import { loadConfigText, parseConfig } from './load.ts';
import { redact } from './redact.ts';

/** Something in every field, so that a change anywhere meets a check. */
const whole = {
  listeners: [{ address: ':8080', trustedProxies: ['10.0.0.0/8'], timeouts: { idle: '75s' }, maxHeaderBytes: '32kb' }],
  store: { url: 'redis://u:p@h:6379/0', prefix: 'hg', timeout: '20ms' },
  limits: {
    a: { window: '100/1m', key: ['client.ip', 'path.id'], except: { ip: ['private'], path: ['/x/*'] }, cost: 2 },
    b: { rate: '5/s', burst: 9, scope: 'route', mode: 'shadow' },
    c: { quota: '5/day', timezone: 'UTC' },
  },
  upstreams: {
    u: {
      endpoints: ['http://a', { url: 'http://b:1', weight: 2 }],
      host: 'x.test',
      healthCheck: { status: '200-399', headers: { a: 'b' } },
      outlierDetection: { on: ['connect', 502], maxEjected: '50%' },
      timeouts: { connect: '1s' },
    },
  },
  routes: [
    {
      name: 'r',
      match: { host: ['a.test'], path: '/u/:id/*', methods: ['GET'], headers: { x: '/a/' }, query: { q: true } },
      upstream: 'u',
      limits: ['a', 'b'],
      timeout: { response: '1s', stream: '5m' },
      retry: { attempts: 3, on: ['reset', 503] },
      rewrite: { path: '/v/*', host: 'y.test' },
      headers: { request: { set: { x: '1' }, add: { y: ['1'] }, remove: ['z'] } },
      bodyLimit: '1mb',
    },
    { respond: { status: 200, body: 'x', headers: { a: 'b' } } },
    { redirect: { to: '/x', status: 308 } },
  ],
  defaults: { limits: ['c'], timeout: '5s', retry: false },
  admin: { address: ':9901', tokens: [{ token: 't', role: 'read' }], allowedHosts: ['a'] },
  log: { level: 'info', access: 'json' },
  workers: 2,
  shutdown: { delay: '1s', grace: '2s' },
};

/** Values that stand for others in a configuration, beside any JSON. */
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(
    undefined,
    false,
    true,
    null,
    0,
    -1,
    1.5,
    '',
    'a',
    '5s',
    '1/s',
    '/a/*',
    [],
    {},
    [[]],
    '*',
    'memory',
    Number.NaN,
  ),
  fc.constantFrom<unknown>('http://a', '10%', ':0', '1/day', 'u', 'b', ['b'], { window: '1/s' }, '/(/', 1e300, () => 1),
);

/** Takes a few steps down and puts a value there, or one beside. */
function change(target: unknown, steps: readonly number[], put: unknown, field: string): void {
  let at = target as Record<string, unknown>;
  for (const [index, step] of steps.entries()) {
    const names = Object.keys(at);
    const name = names[step % Math.max(names.length, 1)] ?? field;
    const next = at[name];
    if (index === steps.length - 1 || typeof next !== 'object' || next === null) {
      at[step % 7 === 0 && !Array.isArray(at) ? field : name] = put;
      return;
    }
    at = next as Record<string, unknown>;
  }
}

const edit = fc.tuple(
  fc.array(fc.nat(50), { minLength: 1, maxLength: 6 }),
  value,
  fc.constantFrom('window', 'upstream', 'x', 'name', 'limits'),
);

test('whatever stands in it, a configuration is either refused with reasons or compiles', () => {
  let compiled = 0;
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
      const input = structuredClone(whole);
      for (const [steps, put, field] of edits) change(input, steps, put, field);
      const result = parseConfig(input, {});
      if (!result.ok)
        return assert.ok(result.errors.length > 0 && result.errors.every(({ message }) => message !== ''));
      compiled++;
      assert.match(compileConfig(result.config).hash, /^[0-9a-f]{12}$/);
      assert.ok(!JSON.stringify(redact(effectiveConfig(result.config))).includes('u:p@'));
      return undefined;
    }),
    { numRuns: 3000 },
  );
  assert.ok(compiled > 20, `only ${compiled} compiled`);
});

test('no text makes the reader throw', () => {
  const piece = fc.constantFrom(
    'a: ',
    '- ',
    '\n',
    '  ',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '&x ',
    '*x',
    '${',
    '}',
    '!!',
    '|',
    '>',
    '%',
    '#',
    ':',
    '\t',
    '---\n',
    'limits',
    'routes',
    '<<',
  );
  const text = fc
    .array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 25 })
    .map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(text, fc.boolean(), (source, isJson) => {
      const result = loadConfigText(source, isJson ? 'a.json' : 'a.yaml');
      if (!result.ok) for (const { line, column } of result.errors) assert.ok(line! >= 1 && column! >= 1);
    }),
    { numRuns: 3000 },
  );
});
