// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileConfig } from './compile.ts';
import { formatIssue } from './issue.ts';
import { type LoadedConfig, loadConfigText, parseConfig } from './load.ts';
import { CONFIG_TEMPLATE, proxyConfig, proxyYaml, toYaml } from './template.ts';

function load(text: string): LoadedConfig {
  const result = loadConfigText(text, 'headgate.yaml');
  assert.deepEqual(result.ok ? [] : result.errors.map(formatIssue), []);
  return result as LoadedConfig;
}

test('the file that init writes loads without a warning', () => {
  const { config, warnings } = load(CONFIG_TEMPLATE);
  assert.deepEqual(warnings, []);
  assert.equal(compileConfig(config).routes[0]?.limits[0]?.name, 'per-client');
});

test('what it shows in comments works when it is uncommented', () => {
  const lines = CONFIG_TEMPLATE.split('\n');
  const isField = (line: string) => /^\s*# (- )?[A-Za-z-]+: |^\s*# - \{/.test(line) && !line.includes('Check it');
  const inRoute = (line: string) => /# {3}(respond|redirect)/.test(line);
  const text = lines
    .map((line) =>
      isField(line) ? line.replace('# ', '') : inRoute(line) ? line.replace('#', ' ').replace(/^ {2} {2}/, '  ') : line,
    )
    .join('\n');
  const { config } = load(text);
  assert.deepEqual([config.routes.length, Object.keys(config.limits).length], [3, 3]);
  assert.equal(config.store, 'redis://127.0.0.1:6379');
});

test('the flags of proxy are a configuration, which is printed as a file', () => {
  const flags = { to: ['http://127.0.0.1:3000', 'http://127.0.0.1:3001'], port: 8081 };
  const config = proxyConfig({ ...flags, limit: '10/s', limitKey: 'client.ip', store: 'redis://127.0.0.1' });
  const result = parseConfig(config);
  assert.ok(result.ok);
  const model = compileConfig(result.config);
  assert.deepEqual(model.listeners[0]?.address, { kind: 'tcp', host: '127.0.0.1', port: 8081 });
  assert.deepEqual(model.routes[0]?.limits[0]?.spec, { kind: 'window', limit: 10, windowUs: 1_000_000 });
  assert.equal(model.upstreams.get('app')?.endpoints.length, 2);
  assert.equal(compileConfig(load(proxyYaml(config)).config).hash, model.hash);
  const bare = parseConfig(proxyConfig({ ...flags, limit: undefined, limitKey: 'client.ip', store: undefined }));
  assert.ok(bare.ok);
  assert.deepEqual([bare.config.store, bare.config.routes[0]?.limits], ['memory', undefined]);
});

test('texts with references are printed so that they are read back', () => {
  const body = 'a ${b} $${c} * "q" #\n';
  const { config } = load(toYaml({ routes: [{ respond: { body } }] }));
  assert.equal(config.routes[0]?.respond?.body, body);
});
