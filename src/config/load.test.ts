// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Environment } from './interpolate.ts';
import { formatIssue } from './issue.ts';
import { type LoadedConfig, type LoadResult, loadConfigFile, loadConfigText, parseConfig } from './load.ts';

const noFile = (path: string): string => {
  throw Object.assign(new Error(path), { code: 'ENOENT' });
};

function load(text: string, env: Environment = {}, files: Readonly<Record<string, string>> = {}): LoadResult {
  return loadConfigText(text, 'headgate.yaml', env, (path) => files[path] ?? noFile(path));
}

function errorsOf(result: LoadResult): string[] {
  return result.ok ? [] : result.errors.map(formatIssue);
}

function good(result: LoadResult): LoadedConfig {
  assert.deepEqual(errorsOf(result), []);
  return result as LoadedConfig;
}

describe('errors', () => {
  test('three mistakes are three errors, each with its line and column', () => {
    const text = `limits:
  per-client: { key: client.ip, windw: 100/1m }
upstreams:
  orders:
    endpoints: [http://10.0.0.1:9000]
    timeouts: { connect: 5 sec }
routes:
  - match: { path: /orders/* }
    limits: [per-cleint]
    upstream: orders
`;
    assert.deepEqual(errorsOf(load(text)), [
      'headgate.yaml:2:33: limits.per-client.windw: unknown field (did you mean "window"?)',
      'headgate.yaml:6:26: upstreams.orders.timeouts.connect: expected a duration such as 250ms, 5s, 1m, 1h or 1d, got "5 sec"',
      'headgate.yaml:9:14: routes[0].limits[0]: no limit is named "per-cleint" (did you mean "per-client"?)',
    ]);
  });

  const single: [name: string, text: string, error: string][] = [
    ['a field of a later version', 'tracing: {}', '1:1: tracing: known, not in this version'],
    [
      'a field of a later version below',
      'upstreams:\n  a:\n    endpoints: [http://a]\n    sticky: { cookie: hg }\n',
      '4:5: upstreams.a.sticky: known, not in this version',
    ],
    [
      'what is missing beside a field of a later version is no second error',
      'store: { nodes: [a] }',
      '1:10: store.nodes: known, not in this version',
    ],
    [
      'a value of a later version',
      'upstreams: { a: { endpoints: [http://a], balance: hash } }',
      '1:51: upstreams.a.balance: hash is known, not in this version',
    ],
    [
      'an h2c endpoint',
      'upstreams: { a: { endpoints: [h2c://a] } }',
      '1:31: upstreams.a.endpoints[0]: h2c:// is known, not in this version',
    ],
    [
      'http2',
      'listeners: [{ protocols: [http2] }]',
      '1:27: listeners[0].protocols[0]: http2 is known, not in this version',
    ],
    [
      'a limit by consumer',
      'limits: { a: { window: 1/s, key: [consumer] } }',
      '1:35: limits.a.key[0]: consumer is known, not in this version',
    ],
    [
      'a cost from a header',
      'limits: { a: { window: 1/s, cost: header.x } }',
      '1:35: limits.a.cost: a cost from the request is known, not in this version',
    ],
    ['a misspelt section', 'upstrems: {}', '1:1: upstrems: unknown field (did you mean "upstreams"?)'],
    ['a missing field', 'upstreams: { a: { weight: 1 } }', '1:19: upstreams.a.weight: unknown field'],
    ['a required field', 'upstreams:\n  a: {}', '2:3: upstreams.a.endpoints: is missing: expected a list'],
    ['a wrong type', 'routes: { a: 1 }', '1:1: routes: expected a list, got an object'],
    [
      'a wrong number',
      'upstreams: { a: { endpoints: [http://a], maxConnections: 0 } }',
      '1:58: upstreams.a.maxConnections: expected at least 1, got 0',
    ],
    ['a wrong word', 'log: { level: loud }', '1:15: log.level: expected one of debug, info, warn, error, got "loud"'],
    [
      'a bad name',
      'limits: { Per Client: { window: 1/s } }',
      '1:11: limits["Per Client"]: a name has lower-case letters, digits, ".", "_" and "-", at most 64, first a letter or digit',
    ],
    [
      'a wrong form',
      'routes: [{ upstream: http://a, timeout: 5 }]',
      '1:41: routes[0].timeout: expected a duration, false, or an object with response and stream, got 5',
    ],
    [
      'a wrong form below',
      'routes: [{ upstream: http://a, timeout: { response: 5 } }]',
      '1:53: routes[0].timeout.response: expected a duration or false, got 5',
    ],
    ['the whole', '- a\n- b', '1:1: expected an object, got a list'],
    ['a field that is there twice', 'log: { level: info }\nlog: { level: warn }', '2:1: the field log is there twice'],
    [
      'an unquoted star',
      'routes: [{ match: { host: *.example.com }, upstream: http://a }]',
      '1:27: routes[0].match.host: nothing is named &.example.com; a text that starts with "*" is put in quotes, as in "*.example.com"',
    ],
    [
      'a field that reaches a prototype',
      'limits:\n  __proto__: { window: 1/s }',
      '2:3: limits.__proto__: no field may have this name',
    ],
    ['an endless alias', 'limits: &x { a: *x }', '1:17: limits.a: the alias unfolds without end'],
  ];
  for (const [name, text, error] of single) {
    test(name, () => assert.deepEqual(errorsOf(load(text)), [`headgate.yaml:${error}`]));
  }

  test('broken YAML', () => {
    const errors = errorsOf(load('routes:\n  - match: { path: /a\n  - b: 1\n'));
    assert.equal(errors.length, 1, 'what follows from the first is not reported');
    assert.match(errors[0]!, /^headgate\.yaml:\d+:\d+: no valid YAML: /);
    assert.match(errorsOf(load('log: { level: ${LEVEL} }'))[0]!, /^headgate\.yaml:1:\d+: .* put in quotes/);
  });

  test('fields that are there twice come with all other errors', () => {
    assert.deepEqual(errorsOf(load('tracing: {}\nlog: {}\nlog: {}')), [
      'headgate.yaml:1:1: tracing: known, not in this version',
      'headgate.yaml:3:1: the field log is there twice',
    ]);
  });
});

describe('references', () => {
  const endpoint = (url: string) => `upstreams: { a: { endpoints: ["${url}"] } }`;

  test('variables, defaults and files are put in', () => {
    const text = 'store: "redis://${REDIS:-127.0.0.1}:${PORT}/${DB:-0}"\nsecret: ${file:secrets/key}\n';
    const files = { [join(process.cwd(), 'secrets/key')]: 's3cret\n' };
    const { config } = good(load(text, { PORT: '6380', DB: '' }, files));
    assert.equal(config.store, 'redis://127.0.0.1:6380/0');
    assert.equal(config.secret, 's3cret');
  });

  test('a number or boolean takes the type that its field wants', () => {
    const text = 'listeners: [{ maxHeaders: "${MAX}" }]\nadmin: ${ADMIN:-false}\nsecret: ${DIGITS}';
    const { config } = good(load(text, { MAX: '50', DIGITS: '123456' }));
    assert.equal(config.listeners[0]?.maxHeaders, 50);
    assert.equal(config.admin, false);
    assert.equal(config.secret, '123456');
  });

  test('$${ is a plain ${', () => {
    const text = 'routes: [{ respond: { body: "a $${b} c" } }]';
    assert.equal(good(load(text)).config.routes[0]?.respond?.body, 'a ${b} c');
  });

  const wrong: [text: string, error: string][] = [
    [endpoint('${HOST}'), '1:31: upstreams.a.endpoints[0]: the variable HOST is not set'],
    [endpoint('${HOST:?which one}'), '1:31: upstreams.a.endpoints[0]: HOST: which one'],
    [endpoint('${HOST:?}'), '1:31: upstreams.a.endpoints[0]: the variable HOST is not set'],
    ['secret: ${file:/nope}', '1:9: secret: cannot read /nope: no such file'],
    ['secret: "${a b}"', '1:9: secret: "${a b}" is no reference (write "$${" for the text itself)'],
    ['secret: "${open"', '1:9: secret: "${" has no "}" (write "$${" for the text itself)'],
  ];
  for (const [text, error] of wrong) {
    test(error, () => assert.deepEqual(errorsOf(load(text)), [`headgate.yaml:${error}`]));
  }

  test('a secret stands in no error', () => {
    const text =
      'limits: { a: { window: "${API_TOKEN}" } }\nstore: redis//u:hunter2@h\nadmin: { address: "${file:/f}" }';
    const errors = errorsOf(load(text, { API_TOKEN: 'hunter2' }, { '/f': 'hunter2' }));
    assert.equal(errors.length, 3);
    for (const error of errors) assert.ok(!error.includes('hunter2'), error);
  });
});

describe('the environment', () => {
  const env = { HEADGATE_LISTEN: ':8080', HEADGATE_ADMIN: ':9901', HEADGATE_STORE: 'redis://r' };

  test('says what the file does not', () => {
    const { config } = good(load('admin: { tokens: [{ token: t }] }\nlisteners: [{ trustedProxies: private }]', env));
    assert.equal(config.listeners[0]?.address, ':8080');
    assert.equal(config.listeners[0]?.trustedProxies, 'private');
    assert.deepEqual(config.admin, { address: ':9901', tokens: [{ token: 't', role: 'read' }], allowedHosts: [] });
    assert.equal(config.store, 'redis://r');
    assert.equal(good(load('', env)).config.listeners[0]?.address, ':8080');
  });

  test('changes nothing that the file says', () => {
    const text = 'listeners: [{ address: "127.0.0.1:1" }]\nadmin: false\nstore: memory';
    const { config } = good(load(text, env));
    assert.equal(config.listeners[0]?.address, '127.0.0.1:1');
    assert.equal(config.admin, false);
    assert.equal(config.store, 'memory');
  });

  test('is named in errors', () => {
    assert.deepEqual(errorsOf(load('', { HEADGATE_LISTEN: '8080', HEADGATE_STORE: 'mysql://x' })), [
      'HEADGATE_LISTEN: expected host:port, :port, [::1]:port or unix:/path, got "8080"',
      'HEADGATE_STORE: expected "memory" or a URL such as redis://127.0.0.1:6379',
    ]);
  });
});

describe('sources', () => {
  test('JSON, also with tabs', () => {
    const text = '{\n\t"routes": [\n\t\t{ "upstream": "http://a", "nmae": "x" }\n\t]\n}';
    assert.deepEqual(errorsOf(loadConfigText(text, 'headgate.json')), [
      'headgate.json:3:29: routes[0].nmae: unknown field (did you mean "name"?)',
    ]);
    good(loadConfigText('{\n\t"log": { "access": false }\n}', 'headgate.json'));
  });

  test('an empty file is the defaults', () => {
    assert.deepEqual(
      good(load('')).config.listeners.map(({ address }) => address),
      ['127.0.0.1:8080'],
    );
    assert.deepEqual(good(load('limits:\nroutes:\n')).config.routes, []);
  });

  test('an object', () => {
    const config = { routes: [{ upstream: 'http://a', workers: 1 }], log: { level: '${L}' as 'info' } };
    assert.deepEqual(errorsOf(parseConfig(config, { L: 'info' })), ['routes[0].workers: unknown field']);
    assert.deepEqual(errorsOf(parseConfig(config)), [
      'routes[0].workers: unknown field',
      'log.level: expected one of debug, info, warn, error, got "${L}"',
    ]);
    assert.deepEqual(errorsOf(parseConfig(JSON.parse('{"constructor": {}, "__proto__": 1}'))), [
      'constructor: no field may have this name',
      '__proto__: no field may have this name',
    ]);
    assert.equal(config.log.level, '${L}', 'what was handed in is not changed');
    const endless: Record<string, unknown> = {};
    endless.routes = [endless];
    assert.ok(errorsOf(parseConfig(endless)).length > 0);
    for (const nonsense of [1, 'x', [], null, undefined, () => 1]) parseConfig(nonsense);
  });

  test('modules, read anew each time, and files that are not there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-'));
    try {
      const file = join(folder, 'headgate.config.mjs');
      writeFileSync(file, 'export default { routes: [{ upstream: "http://a" }] };');
      assert.equal(good(await loadConfigFile(file, {})).config.routes.length, 1);
      writeFileSync(file, 'export default { routes: [], log: { level: "${LEVEL}" } };');
      assert.equal(good(await loadConfigFile(file, { LEVEL: 'warn' })).config.log.level, 'warn');
      writeFileSync(file, 'export default { route: [] };');
      assert.deepEqual(errorsOf(await loadConfigFile(file, {})), [
        `${file}: route: unknown field (did you mean "routes"?)`,
      ]);
      writeFileSync(file, 'export const a = 1;');
      assert.match(errorsOf(await loadConfigFile(file, {}))[0]!, /has no default export/);
      writeFileSync(file, 'throw new Error("boom");');
      assert.match(errorsOf(await loadConfigFile(file, {}))[0]!, /cannot load the module: boom/);
      const missing = join(folder, 'nope.yaml');
      assert.deepEqual(errorsOf(await loadConfigFile(missing, {})), [`${missing}: cannot read the file: no such file`]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a runtime without TypeScript says what to do', async () => {
    const importModule = () => Promise.reject(Object.assign(new Error('x'), { code: 'ERR_UNKNOWN_FILE_EXTENSION' }));
    const result = await loadConfigFile('headgate.config.ts', {}, { readText: noFile, importModule });
    assert.match(errorsOf(result)[0]!, /^headgate\.config\.ts: Node .* does not run TypeScript: use Node 22\.18/);
  });
});

describe('warnings', () => {
  const warningsOf = (text: string) => good(load(text)).warnings.map(formatIssue);

  test('what no route uses, what is never reached, what a key misses', () => {
    const text = `limits:
  unused: { window: 1/s }
  by-user: { key: path.user, window: 1/s }
upstreams:
  spare: { endpoints: [http://a] }
routes:
  - { match: { path: /u/:id, host: A.test }, limits: [by-user], upstream: http://b }
  - { match: { host: [a.test], path: [/u/:id] }, upstream: http://c }
  - { match: { path: /x/* }, stripPrefix: /y, upstream: http://d }
`;
    assert.deepEqual(warningsOf(text), [
      'headgate.yaml:2:3: limits.unused: no route uses it',
      'headgate.yaml:5:3: upstreams.spare: no route uses it',
      `headgate.yaml:7:55: routes[0].limits[0]: the limit "by-user" is keyed by path.user, which this route's paths do not all have`,
      'headgate.yaml:8:5: routes[1]: is never reached: routes[0] has the same match',
      'headgate.yaml:9:43: routes[2].stripPrefix: no path of this route starts with it',
    ]);
  });

  test('a tidy file has none', () => {
    const text = `limits: { a: { key: path.id, window: 1/s } }
routes:
  - { match: { path: [/u/:id, /v/:id/*] }, stripPrefix: /u, limits: [a], upstream: http://b }
  - { match: { path: /u/:id, methods: [GET] }, limits: [a], upstream: http://b }
`;
    assert.deepEqual(warningsOf(text), []);
  });
});

test('a file that is one replaced scalar is refused like any other scalar', () => {
  for (const text of ['${V}', '"${V}"', '- ${V}']) {
    for (const V of ['0', '007', 'true']) {
      const result = loadConfigText(text, 'headgate.yaml', { V });
      assert.equal(result.ok, false);
    }
  }
});

test('digits with leading zeros from the environment are a number where one is wanted', () => {
  const text = 'listeners:\n  - address: 127.0.0.1:8080\n    maxHeaders: ${MAX}\n';
  const result = loadConfigText(text, 'headgate.yaml', { MAX: '007' });
  assert.equal(result.ok && result.config.listeners[0]?.maxHeaders, 7);
});
