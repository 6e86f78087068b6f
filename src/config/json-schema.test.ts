import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fieldsAt, forms, type JsonSchema, jsonSchema, placeOf } from './json-schema.ts';
import { answersPage, configurationPage, laterPage } from './reference-pages.ts';

test('the committed schema and reference pages are what the source gives', () => {
  const script = fileURLToPath(new URL('../../scripts/generate.mjs', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

test('every field is described, and no object takes unknown fields', () => {
  let count = 0;
  const walk = (schema: JsonSchema, at: string): void => {
    for (const form of forms(schema)) {
      if (form.properties !== undefined) assert.equal(form.additionalProperties, false, at);
      for (const [name, field] of Object.entries(form.properties ?? {})) {
        assert.ok(field.description, `${at}.${name} has no description`);
        count++;
        walk(field, `${at}.${name}`);
      }
      if (form.items !== undefined) walk(form.items, `${at}[]`);
      if (typeof form.additionalProperties === 'object') walk(form.additionalProperties, `${at}.*`);
    }
  };
  walk(jsonSchema(), '');
  assert.ok(count > 100);
  assert.equal(jsonSchema().additionalProperties, false);
});

test('fields and places are found along a path', () => {
  assert.ok(fieldsAt([]).includes('upstreams'));
  assert.deepEqual(fieldsAt(['upstreams', 'x', 'timeouts']), ['connect', 'idle']);
  assert.deepEqual(fieldsAt(['upstreams', 'x', 'endpoints', 0]), ['url', 'weight']);
  assert.deepEqual(fieldsAt(['routes', 0, 'timeout']), ['response', 'stream']);
  assert.deepEqual(fieldsAt(['nowhere', 'at', 'all']), []);
  assert.equal(placeOf(['upstreams', 'x', 'endpoints', 3]), 'upstreams.*.endpoints[]');
  assert.equal(placeOf([]), '');
});

test('the pages name what they are about', () => {
  const page = configurationPage();
  for (const text of ['## `routes[].match`', '## `upstreams.<name>.outlierDetection`', '`100mb`', '(later.md)']) {
    assert.ok(page.includes(text), text);
  }
  const later = laterPage(['plan']);
  for (const text of ['`tracing`', '`routes[]`', '`rediss://…`', '`headgate plan`'])
    assert.ok(later.includes(text), text);
  assert.ok(answersPage().includes('| `rate-limited` | 429 | `RL` |'));
});
