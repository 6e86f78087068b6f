// Before the tests: the build (end-to-end tests run the built CLI) and the programs of others that the tests talk to.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const succeeds = (program, ...args) => spawnSync(program, args, { stdio: 'ignore' }).status === 0;
const has = (...programs) => programs.some((program) => succeeds('sh', '-c', `command -v ${program}`));

/** What the tests need beside Node: the package of Debian and the formula of Homebrew (or how else) that has it. */
const NEEDED = [
  { what: 'redis-server', debian: 'redis-server', mac: 'brew install redis', there: () => has('redis-server') },
  { what: 'curl', debian: 'curl', mac: 'brew install curl', there: () => has('curl') },
  { what: 'openssl', debian: 'openssl', mac: 'brew install openssl', there: () => has('openssl') },
  {
    what: 'chromium',
    debian: 'chromium',
    mac: 'brew install chromium',
    there: () => has('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'),
  },
  {
    what: 'python3 with the module websockets',
    debian: 'python3-websockets',
    mac: 'pip3 install websockets',
    // The system's Python beside another that hides it: the package is for the system's.
    there: () => ['/usr/bin/python3', 'python3'].some((python) => succeeds(python, '-c', 'import websockets')),
  },
];

const missing = () => NEEDED.filter(({ there }) => !there());

/** As root on Debian they are installed; elsewhere one line says what to install. */
function install(packages) {
  if (process.getuid?.() !== 0 || !has('apt-get')) return;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => spawnSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  apt('update');
  // Packages must not start servers of their own: the tests start theirs on free ports.
  apt('install', '-y', '--no-install-recommends', ...packages);
}

if (missing().length > 0) install(missing().map(({ debian }) => debian));
const still = missing();
if (still.length > 0) {
  const names = still.map(({ what }) => what).join(', ');
  const debian = `apt-get install ${still.map((one) => one.debian).join(' ')}`;
  const mac = still.map((one) => one.mac).join(' && ');
  process.stderr.write(`The tests need ${names} (Debian: ${debian}; macOS: ${mac}).\n`);
  process.exit(1);
}
const build = spawnSync(process.execPath, ['scripts/build.mjs', '--if-needed'], { cwd: root, stdio: 'inherit' });
process.exit(build.status ?? 1);
