// The verbs that need no running gateway, on the source.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { LATER_OPTIONS, LATER_VERBS, VERBS } from '../../src/cli/verbs.ts';
import { type CliResult, REPOSITORY, runCli } from '../kit/cli.ts';

const SOURCE = [process.execPath, '--import', import.meta.resolve('tsx'), join(REPOSITORY, 'src/cli/main.ts')];

interface Folder {
  readonly path: string;
  write(name: string, text: string): void;
  read(name: string): string;
  headgate(...args: string[]): Promise<CliResult>;
}

function folder(t: TestContext): Folder {
  const path = mkdtempSync(join(tmpdir(), 'headgate-verbs-'));
  t.after(() => rmSync(path, { recursive: true }));
  return {
    path,
    write: (name, text) => writeFileSync(join(path, name), text),
    read: (name) => readFileSync(join(path, name), 'utf8'),
    headgate: (...args) => runCli(args, { command: SOURCE, cwd: path }),
  };
}

const lines = (text: string): string[] => text.trimEnd().split('\n');

test('--version is that of the package', async (t) => {
  const { headgate } = folder(t);
  const { version } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'));
  const result = await headgate('--version');
  assert.equal(result.stdout, `${version}\n`);
  assert.equal(result.code, 0);
});

test('--help lists every verb; each verb has its own', async (t) => {
  const { headgate } = folder(t);
  const overview = await headgate('--help');
  assert.equal(overview.code, 0);
  for (const name of VERBS.keys()) assert.match(overview.stdout, new RegExp(`^ {2}${name} `, 'm'));
  for (const [name, { load }] of VERBS) {
    const { help } = await load();
    assert.ok(help.startsWith(`Usage: headgate ${name}`), name);
  }
  const own = await headgate('explain', '--help');
  assert.equal(own.code, 0);
  assert.match(own.stdout, /^Usage: headgate explain /);
});

test('what cannot be understood is one line on standard error and exit 2', async (t) => {
  const { headgate } = folder(t);
  for (const [args, message] of [
    [['chekc'], 'headgate: no verb "chekc" (did you mean "check"?)'],
    [[LATER_VERBS[0]!], `headgate: "${LATER_VERBS[0]}" is known, not in this version`],
    [['check', '--strikt'], "headgate check: Unknown option '--strikt'"],
    [['check', 'a.yaml'], 'headgate check: unexpected argument "a.yaml"'],
    [['proxy'], 'headgate proxy: --to is needed: where shall requests go?'],
  ] as const) {
    const result = await headgate(...args);
    assert.equal(result.code, 2, args.join(' '));
    assert.equal(lines(result.stderr)[0], message);
    assert.equal(result.stdout, '');
  }
  for (const option of LATER_OPTIONS) {
    const [verb, flag] = option.split(' ') as [string, string];
    const { code, stderr } = await headgate(verb, 'GET', '/', flag, 'x');
    assert.deepEqual([code, lines(stderr)[0]], [2, `headgate ${verb}: ${flag} is known, not in this version`]);
  }
  const nothing = await headgate();
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /Usage/);
});

test('init writes a file that check takes, and overwrites none', async (t) => {
  const { headgate, read, write } = folder(t);
  assert.equal((await headgate('init')).code, 0);
  const checked = await headgate('check', '--strict');
  assert.equal(checked.code, 0, checked.stderr);
  assert.match(checked.stdout, /^headgate\.yaml: no errors/);
  write('headgate.yaml', '# mine\n');
  const again = await headgate('init');
  assert.equal(again.code, 1);
  assert.equal(lines(again.stderr).length, 1);
  assert.equal(read('headgate.yaml'), '# mine\n');
});

test('a file that is not there is one clear line', async (t) => {
  const { headgate } = folder(t);
  for (const verb of ['start', 'check', 'config']) {
    const result = await headgate(verb);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /^headgate: no headgate\.yaml in this folder: .*\n$/);
  }
  assert.equal((await headgate('start', '-c', 'gone.yaml')).stderr, 'headgate: no file "gone.yaml"\n');
});

test('three mistakes are three errors with their places', async (t) => {
  const { headgate, write } = folder(t);
  write(
    'bad.yaml',
    'limits:\n  a: { window: 5/1x }\nrouts: []\nroutes:\n  - { limits: [b], respond: { status: 200 } }\n',
  );
  for (const verb of ['check', 'start', 'config']) {
    const result = await headgate(verb, '-c', 'bad.yaml');
    assert.equal(result.code, 1);
    const errors = lines(result.stderr);
    assert.equal(errors.pop(), '3 errors');
    assert.deepEqual(
      errors.map((error) => error.split(':').slice(0, 2).join(':')),
      ['bad.yaml:2', 'bad.yaml:3', 'bad.yaml:5'],
    );
  }
  const json = await headgate('check', '-c', 'bad.yaml', '--json');
  assert.equal(json.code, 1);
  const report = JSON.parse(json.stdout);
  assert.equal(report.ok, false);
  assert.deepEqual(
    report.errors.map((error: { line: number }) => error.line),
    [2, 3, 5],
  );
});

test('warnings fail only with --strict', async (t) => {
  const { headgate, write } = folder(t);
  write('headgate.yaml', 'limits: { unused: { window: 5/1m } }\nroutes: [{ respond: { status: 200 } }]\n');
  const lenient = await headgate('check');
  assert.equal(lenient.code, 0);
  assert.match(lenient.stderr, /^warning: headgate\.yaml:1:\d+: limits\.unused/);
  assert.equal((await headgate('check', '--strict')).code, 1);
});

test('config fills in defaults and hides secrets', async (t) => {
  const { headgate, write } = folder(t);
  write(
    'headgate.yaml',
    'store: redis://user:hunter2@127.0.0.1:6379\nsecret: hunter3\nadmin: { tokens: [{ token: hunter4, role: read }] }\n',
  );
  const result = await headgate('config', '--json');
  assert.equal(result.code, 0, result.stderr);
  assert.doesNotMatch(result.stdout, /hunter/);
  const shown = JSON.parse(result.stdout);
  assert.equal(shown.shutdown.grace, '20s');
  assert.equal(shown.listeners[0].address, '127.0.0.1:8080');
  assert.doesNotMatch((await headgate('config')).stdout, /hunter/);
});

const ROUTED = `
limits:
  per-client: { key: client.ip, window: 100/1m }
  per-key: { key: [header.x-api-key, path.id], rate: 50/s, burst: 100, mode: shadow, except: { methods: [OPTIONS] } }
upstreams:
  orders: { endpoints: [http://10.0.0.1:9000, http://10.0.0.2:9000] }
routes:
  - name: orders
    match: { host: api.example.com, path: /orders/:id/*, methods: [GET] }
    limits: [per-client, per-key]
    rewrite: { path: /v2/* }
    upstream: orders
  - name: health
    match: { path: /healthz }
    respond: { status: 204 }
`;

test('explain says which route, limits with keys, upstream and rewritten request, and why not the others', async (t) => {
  const { headgate, write } = folder(t);
  write('headgate.yaml', ROUTED);
  const url = 'http://API.example.com:80/orders/7/lines?full=1';
  const asked = ['explain', 'GET', url, '-H', 'X-Api-Key: abc', '--client', '2001:db8::1'];
  const result = await headgate(...asked, '--json');
  assert.equal(result.code, 0, result.stderr);
  const explanation = JSON.parse(result.stdout);
  assert.equal(explanation.route.name, 'orders');
  assert.deepEqual(explanation.route.params, { id: '7' });
  assert.equal(explanation.route.forward.upstream, 'orders');
  assert.equal(explanation.route.forward.target, '/v2/lines?full=1');
  assert.equal(explanation.route.forward.host, 'API.example.com:80');
  assert.deepEqual(explanation.limits[0].key, [{ part: 'client.ip', value: '2001:db8::/64' }]);
  assert.deepEqual(explanation.limits[1].key, [
    { part: 'header.x-api-key', value: 'abc' },
    { part: 'path.id', value: '7' },
  ]);
  assert.equal(explanation.limits[1].shadow, true);
  assert.deepEqual(explanation.others, [{ name: 'health', why: 'path' }]);
  const text = (await headgate(...asked)).stdout;
  for (const part of ['orders', '/v2/lines?full=1', 'header.x-api-key = abc', 'shadow', 'health: path']) {
    assert.ok(text.includes(part), `${part} in ${text}`);
  }
});

test('explain matches on secrets and shows none', async (t) => {
  const { headgate, write } = folder(t);
  write('secret', 'hunter2\n');
  write(
    'headgate.yaml',
    `
upstreams:
  app: { endpoints: [http://10.0.0.1:9000], host: "$SECRET.internal" }
routes:
  - name: hooks
    match: { path: /hooks/*, headers: { X-Hook: "$SECRET" } }
    rewrite: { path: "/in/$SECRET/*" }
    headers: { request: { set: { X-Api-Key: hunter2, X-From: "of $SECRET", X-Env: prod }, add: { x-b: ["$SECRET"] } } }
    upstream: app
  - { match: { path: /go/* }, redirect: { to: "https://other.example/$SECRET/*" } }
`.replaceAll('$SECRET', `\${file:secret}`),
  );
  const ask = ['explain', 'GET', 'http://a/hooks/7'];
  const forwarded = await headgate(...ask, '-H', 'X-Hook: hunter2', '--json');
  assert.equal(forwarded.code, 0, forwarded.stderr);
  const { forward } = JSON.parse(forwarded.stdout).route;
  assert.deepEqual(forward.set, [
    ['x-api-key', '***'],
    ['x-from', 'of ***'],
    ['x-env', 'prod'],
  ]);
  assert.deepEqual(forward.add, [['x-b', '***']]);
  assert.deepEqual([forward.target, forward.host], ['/in/***/7', '***.internal']);
  const redirected = await headgate('explain', 'GET', 'http://a/go/on');
  assert.match(redirected.stdout, /redirect {3}308 to https:\/\/other\.example\/\*\*\*\/on/);
  const missed = await headgate(...ask, '-H', 'X-Hook: ***');
  assert.equal(missed.code, 1);
  for (const { stdout } of [forwarded, redirected, missed]) assert.doesNotMatch(stdout, /hunter/);
});

test('explain without a route, or with a request that is refused, ends with 1', async (t) => {
  const { headgate, write } = folder(t);
  write('headgate.yaml', ROUTED);
  const none = await headgate('explain', 'POST', 'http://api.example.com/orders/7/lines');
  assert.equal(none.code, 1);
  assert.match(none.stdout, /none: 404/);
  assert.match(none.stdout, /orders: method/);
  const refused = await headgate('explain', 'GET', '/orders%2f7', '--json');
  assert.equal(refused.code, 1);
  assert.equal(JSON.parse(refused.stdout).refused.status, 400);
});

test('schema prints a JSON Schema', async (t) => {
  const { headgate } = folder(t);
  const result = await headgate('schema');
  assert.equal(result.code, 0);
  assert.equal(JSON.parse(result.stdout).$schema, 'https://json-schema.org/draft/2020-12/schema');
});

test('proxy --print-config prints a file to go on with', async (t) => {
  const { headgate, write } = folder(t);
  const to = ['--to', 'localhost:3000', '--to', 'http://127.0.0.1:3001'];
  const printed = await headgate('proxy', ...to, '--limit', '10/s', '--port', '8081', '--print-config');
  assert.equal(printed.code, 0, printed.stderr);
  write('headgate.yaml', printed.stdout);
  assert.equal((await headgate('check', '--strict')).code, 0);
  const explained = JSON.parse((await headgate('explain', 'GET', '/', '--json')).stdout);
  assert.deepEqual(explained.route.forward.endpoints, ['localhost:3000', '127.0.0.1:3001']);
  assert.equal(explained.limits[0].value, '10/1s');
});

test('proxy --print-config leaves the password of the store to the environment', async (t) => {
  const { headgate, path, write } = folder(t);
  const print = (store: string) => headgate('proxy', '--to', 'localhost:1', '--store', store, '--print-config');
  const secret = await print('redis://:hunter2@127.0.0.1:6379/1');
  assert.equal(secret.code, 0, secret.stderr);
  assert.doesNotMatch(secret.stdout + secret.stderr, /hunter/);
  assert.match(secret.stdout, /^store: \$\{HEADGATE_STORE\} # .*--store/m);
  write('headgate.yaml', secret.stdout);
  const env = { HEADGATE_STORE: 'redis://:hunter2@127.0.0.1:6379/1' };
  const config = await runCli(['config'], { command: SOURCE, cwd: path, env });
  assert.match(config.stdout, /^store: redis:\/\/:\*\*\*@127\.0\.0\.1:6379\/1$/m);
  assert.match((await print('redis://127.0.0.1:6379')).stdout, /^store: redis:\/\/127\.0\.0\.1:6379$/m);
});

test('proxy names the flag that is wrong', async (t) => {
  const { headgate } = folder(t);
  for (const [flag, value] of [
    ['--limit', '10/x'],
    ['--limit-key', 'clientip'],
    ['--store', 'mysql://x'],
    ['--to', 'ftp://x'],
  ] as const) {
    const others = flag === '--to' ? [] : ['--to', 'localhost:1', '--limit', '10/s'];
    const result = await headgate('proxy', ...others, flag, value);
    assert.equal(result.code, 1, `${flag} ${value}`);
    assert.match(result.stderr, new RegExp(`^headgate proxy: ${flag}: [^\\n]+\\n$`));
  }
});
