import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const module = new URL('./fast-strings.ts', import.meta.url).href;
const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Whether V8 has the methods of strings at hand, after `class extends String` and then `after`. */
function isFast(after: string): boolean {
  const program = `
    import { keepStringsFast } from ${JSON.stringify(module)};
    class Text extends String {}
    ${after};
    process.stdout.write(String(%HasFastProperties(String.prototype)));
  `;
  const options = ['--allow-natives-syntax', '--import', 'tsx', '--input-type=module', '--eval', program];
  const { stdout, stderr } = spawnSync(process.execPath, options, { cwd: root, encoding: 'utf8' });
  assert.match(stdout, /^(true|false)$/, stderr);
  return stdout === 'true';
}

test('strings are fast again after a class that extends String', () => {
  // The first line says why it is needed: where it fails, this V8 needs it no more.
  assert.equal(isFast(''), false);
  assert.equal(isFast('keepStringsFast()'), true);
  assert.equal(isFast("keepStringsFast(); await import('ioredis'); keepStringsFast()"), true);
});
