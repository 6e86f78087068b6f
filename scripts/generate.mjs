// Writes what is made from the source and from bench/results: the JSON Schema, the reference pages, the page of benchmarks.
// `--check` writes nothing and exits 1 naming each file that is stale.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));

if (!process.execArgv.includes('tsx')) {
  const args = ['--import', 'tsx', script, ...process.argv.slice(2)];
  process.exit(spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1);
}

const { jsonSchema } = await import('../src/config/json-schema.ts');
const { answersPage, configurationPage, laterPage } = await import('../src/config/reference-pages.ts');
const { LATER_OPTIONS, LATER_VERBS } = await import('../src/cli/verbs.ts');
const { benchmarkFiles } = await import('../bench/page/page.mjs');

const files = {
  'schema/headgate.schema.json': `${JSON.stringify(jsonSchema(), null, 2)}\n`,
  'docs/reference/configuration.md': configurationPage(),
  'docs/reference/answers.md': answersPage(),
  'docs/reference/later.md': laterPage([...LATER_VERBS, ...LATER_OPTIONS]),
  ...benchmarkFiles(),
};

let stale = 0;
for (const [name, text] of Object.entries(files)) {
  const path = join(root, name);
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
  if (process.argv.includes('--check')) {
    process.stderr.write(`${name} is stale: run "npm run generate" and commit it\n`);
    stale++;
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    process.stdout.write(`wrote ${name}\n`);
  }
}
process.exitCode = stale > 0 ? 1 : 0;
