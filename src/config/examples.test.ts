import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compileConfig } from './compile.ts';
import { formatIssue } from './issue.ts';
import { loadConfigFile } from './load.ts';

const folder = fileURLToPath(new URL('../../examples/', import.meta.url));

for (const name of readdirSync(folder).filter((file) => file.endsWith('.yaml'))) {
  test(`examples/${name} loads without a warning and compiles`, async () => {
    const result = await loadConfigFile(`${folder}${name}`, { HEADGATE_ADMIN_TOKEN: 'a-token' });
    assert.deepEqual(result.ok ? [] : result.errors.map(formatIssue), []);
    assert.ok(result.ok);
    assert.deepEqual(result.warnings.map(formatIssue), []);
    assert.ok(compileConfig(result.config).routes.length > 0);
  });
}
