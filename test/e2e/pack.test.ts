import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CliProcess, freePort, REPOSITORY, runCli } from '../kit/cli.ts';
import { get } from '../kit/http-client.ts';

/** npm works on the registry and the disk of a machine we do not know. */
const NPM_GUARD_MS = 180_000;

test('the packed tarball installs in an empty folder, and its demo runs', { timeout: 2 * NPM_GUARD_MS }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-pack-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const npm = async (args: string[], cwd: string): Promise<string> => {
    const result = await runCli(args, { command: ['npm'], cwd }, NPM_GUARD_MS);
    assert.equal(result.code, 0, `npm ${args.join(' ')}\n${result.stdout}\n${result.stderr}`);
    return result.stdout;
  };

  // The build is the one that the tests run on; prepack would make it again under their feet.
  await npm(['pack', '--ignore-scripts', '--pack-destination', folder], REPOSITORY);
  const [tarball] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  assert.ok(tarball !== undefined);
  const home = join(folder, 'home');
  await npm(['install', '--prefix', home, '--no-audit', '--no-fund', join(folder, tarball)], folder);

  const installed = join(home, 'node_modules/headgate');
  const files = await readdir(installed, { recursive: true });
  for (const wanted of ['dist/index.js', 'dist/index.d.ts', 'dist/core/index.js', 'dist/testing.js', 'LICENSE']) {
    assert.ok(files.includes(wanted), `${wanted} is not in the package`);
  }
  assert.deepEqual(
    files.filter((name) => /\.test\.|^src|^test\/|^node_modules/.test(name)),
    [],
  );
  const { version } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as { version: string };
  const imports = `for (const name of ['', '/core', '/testing']) await import('headgate' + name)`;
  const result = await runCli(['--input-type=module', '-e', imports], { command: [process.execPath], cwd: home });
  assert.equal(result.code, 0, result.stderr);

  const printed = await runCli(
    ['--no-install', 'headgate', '--version'],
    { command: ['npx'], cwd: home },
    NPM_GUARD_MS,
  );
  assert.match(printed.stdout, new RegExp(version.replaceAll('.', '\\.')));

  // What `npx headgate demo` runs, without npx in between: so the process is ours to signal by its pid.
  const bin = join(home, 'node_modules/.bin/headgate');
  const demo = new CliProcess(['demo'], {
    command: [bin],
    cwd: home,
    env: {
      HEADGATE_LISTEN: `127.0.0.1:${await freePort()}`,
      HEADGATE_ADMIN: `127.0.0.1:${await freePort()}`,
    },
  });
  t.after(() => demo.kill());
  const [, url] = await demo.output(/^\s*curl -i (http:\/\/\S+)\s*$/m);
  const answer = await get(url!);
  assert.equal(answer.status, 200);
  assert.match(answer.get('ratelimit') ?? '', /^"[^"]+";r=\d+/);
  assert.match(answer.get('ratelimit-policy') ?? '', /^"[^"]+";q=5;w=10$/);
  demo.signal('SIGINT');
  await demo.exited();
});
