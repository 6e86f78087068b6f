// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what is tested.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectiveConfig } from './effective.ts';
import { loadConfigText, parseConfig } from './load.ts';
import { redact } from './redact.ts';
import type { HeadgateConfig } from './schema.ts';

function shown(input: HeadgateConfig): HeadgateConfig {
  const result = parseConfig(input);
  assert.ok(result.ok);
  return redact(result.config, result.secrets) as HeadgateConfig;
}

test('passwords, tokens and keys are hidden, all else is shown', () => {
  const config = shown({
    secret: 'hunter2',
    store: { url: 'redis://user:hunter2@host:6379/0', prefix: 'hg' },
    admin: { tokens: [{ token: 'hunter2', role: 'write' }] },
    upstreams: { a: { endpoints: ['http://a'], healthCheck: { headers: { Authorization: 'Basic hunter2' } } } },
    routes: [
      {
        upstream: 'a',
        headers: { request: { set: { 'X-Api-Key': 'hunter2', 'X-Env': 'prod' }, add: { cookie: ['hunter2'] } } },
      },
    ],
  });
  const text = JSON.stringify(config);
  assert.ok(!text.includes('hunter2'), text);
  assert.ok(text.includes('redis://user:***@host:6379/0') && text.includes('"prefix":"hg"') && text.includes('prod'));
  assert.equal(config.secret, '***');
});

test('a store that is a URL', () => {
  assert.equal(shown({ store: 'redis://:hunter2@h' }).store, 'redis://:***@h');
  assert.equal(shown({ store: 'redis://h:6379' }).store, 'redis://h:6379');
  assert.equal(shown({}).store, 'memory');
});

test('a secret of the defaults is hidden in the routes that take it', () => {
  const text = 'defaults: { headers: { request: { set: { x: "${file:/f}" } } } }\nroutes: [{ upstream: http://a }]';
  const result = loadConfigText(text, 'headgate.yaml', {}, () => 'hunter2');
  assert.ok(result.ok);
  const effective = effectiveConfig(result.config);
  assert.equal(effective.routes[0]?.headers?.request?.set.x, 'hunter2');
  assert.ok(!JSON.stringify(redact(effective, result.secrets)).includes('hunter2'));
});

test('what came from files and from variables that are named like secrets is hidden wherever it stands', () => {
  const text = `routes:
  - respond: { body: "a \${file:/f} b \${MY_TOKEN} c \${PLACE}" }
listeners: [{ maxHeaders: "\${MAX_KEY}" }]`;
  const env = { MY_TOKEN: 'hunter3', PLACE: 'here', MAX_KEY: '77' };
  const result = loadConfigText(text, 'headgate.yaml', env, () => 'hunter2\n');
  assert.ok(result.ok);
  assert.equal(result.config.routes[0]?.respond?.body, 'a hunter2 b hunter3 c here');
  const hidden = redact(result.config, result.secrets);
  assert.equal(hidden.routes[0]?.respond?.body, 'a *** b *** c here');
  assert.equal(String(hidden.listeners[0]?.maxHeaders), '***');
  assert.equal(result.config.listeners[0]?.maxHeaders, 77, 'the configuration itself is not changed');
});
