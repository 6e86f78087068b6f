// Builds dist/: plain tsc, then the files tsc does not know (Lua scripts). `--if-needed` skips when dist is newer than every source.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'dist/cli/main.js');

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

const sources = files(join(root, 'src'));
if (process.argv.includes('--if-needed') && existsSync(stamp)) {
  const built = statSync(stamp).mtimeMs;
  if (!existsSync(join(root, 'node_modules/typescript'))) process.exit(0);
  if ([...sources, join(root, 'package.json')].every((file) => statSync(file).mtimeMs <= built)) process.exit(0);
}

rmSync(join(root, 'dist'), { recursive: true, force: true });
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const result = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (result.status !== 0) process.exit(result.status ?? 1);
for (const file of sources.filter((name) => name.endsWith('.lua'))) {
  const target = file.replace(join(root, 'src'), join(root, 'dist'));
  mkdirSync(dirname(target), { recursive: true });
  cpSync(file, target);
}
chmodSync(stamp, 0o755);
