// Builds dist/: plain tsc, then the files tsc does not know (Lua scripts). `--if-needed` skips when dist/ was built from
// the very sources that are there: a stamp with their names and times is written last, once everything succeeded.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));
const stamp = join(root, 'dist/.stamp');

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

const sources = files(join(root, 'src')).filter((file) => !file.endsWith('.test.ts'));
const settings = ['package.json', 'tsconfig.json', 'tsconfig.build.json'].map((name) => join(root, name));

/** Names and times of all that dist/ is made from. */
function state() {
  const hash = createHash('sha256');
  for (const file of [...sources, ...settings, script].sort()) {
    hash.update(`${relative(root, file)} ${statSync(file).mtimeMs}\n`);
  }
  return hash.digest('hex');
}

// Taken before the build: what changes while it runs is not in it.
const present = state();
if (process.argv.includes('--if-needed') && existsSync(stamp)) {
  if (!existsSync(join(root, 'node_modules/typescript'))) process.exit(0);
  if (readFileSync(stamp, 'utf8') === present) process.exit(0);
}

rmSync(join(root, 'dist'), { recursive: true, force: true });
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const result = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (result.status !== 0) process.exit(result.status ?? 1);
for (const file of sources.filter((name) => name.endsWith('.lua'))) {
  const target = join(root, 'dist', relative(join(root, 'src'), file));
  mkdirSync(dirname(target), { recursive: true });
  cpSync(file, target);
}
chmodSync(join(root, 'dist/cli/main.js'), 0o755);
writeFileSync(stamp, present);
