// Before the tests: the build (end-to-end tests run the built CLI) and a redis-server on PATH.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
const run = (program, args) => spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;

if (!has('redis-server')) {
  const root = process.getuid?.() === 0;
  if (root && has('apt-get')) {
    process.env.DEBIAN_FRONTEND = 'noninteractive';
    run('apt-get', ['update', '-qq']);
    // The package must not start a server of its own: the tests start theirs on free ports.
    run('sh', ['-c', 'apt-get install -y -qq --no-install-recommends redis-server >/dev/null']);
  }
  if (!has('redis-server')) {
    process.stderr.write(
      'The tests need redis-server on PATH (Debian: apt-get install redis-server; macOS: brew install redis).\n',
    );
    process.exit(1);
  }
}
const build = spawnSync(process.execPath, ['scripts/build.mjs', '--if-needed'], { cwd: root, stdio: 'inherit' });
process.exit(build.status ?? 1);
