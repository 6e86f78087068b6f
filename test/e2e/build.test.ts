// When `npm run build` builds again: on a small project of the same shape.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { REPOSITORY } from '../kit/cli.ts';

class Project {
  readonly root = mkdtempSync(join(tmpdir(), 'headgate-build-'));
  private seconds = 1_700_000_000;

  constructor(t: TestContext) {
    t.after(() => rmSync(this.root, { recursive: true }));
    for (const name of ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/build.mjs']) {
      mkdirSync(dirname(join(this.root, name)), { recursive: true });
      cpSync(join(REPOSITORY, name), join(this.root, name));
    }
    symlinkSync(join(REPOSITORY, 'node_modules'), join(this.root, 'node_modules'));
    this.write('src/cli/main.ts', 'export const answer: number = 42;\n');
    this.write('src/adapters/redis/scripts/take.lua', 'return 1\n');
  }

  /** Each write is a second younger than the one before, and older than anything that is built. */
  write(name: string, text: string): void {
    const path = join(this.root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    this.seconds += 1;
    utimesSync(path, this.seconds, this.seconds);
  }

  touch(name: string): void {
    this.seconds += 1;
    utimesSync(join(this.root, name), this.seconds, this.seconds);
  }

  has(name: string): boolean {
    return existsSync(join(this.root, name));
  }

  /** Exit code of a build where it is needed, and whether it was. */
  build(): [code: number | null, built: boolean] {
    const marker = join(this.root, 'dist/marker');
    mkdirSync(dirname(marker), { recursive: true });
    writeFileSync(marker, '');
    const script = join(this.root, 'scripts/build.mjs');
    const { status } = spawnSync(process.execPath, [script, '--if-needed'], { cwd: this.root, stdio: 'ignore' });
    return [status, !existsSync(marker)];
  }
}

const GOOD = [0, true];
const SKIPPED = [0, false];

test('a build is left out only while nothing that it is made from has changed', (t) => {
  const project = new Project(t);
  assert.deepEqual(project.build(), GOOD);
  assert.ok(project.has('dist/cli/main.js') && project.has('dist/adapters/redis/scripts/take.lua'));
  assert.deepEqual(project.build(), SKIPPED);
  project.write('src/cli/other.ts', 'export const other = 1;\n');
  assert.deepEqual(project.build(), GOOD);
  rmSync(join(project.root, 'src/cli/other.ts'));
  assert.deepEqual(project.build(), GOOD, 'a source that is gone');
  assert.ok(!project.has('dist/cli/other.js'));
  project.touch('tsconfig.json');
  assert.deepEqual(project.build(), GOOD, 'a setting of the compiler');
  project.write('src/cli/main.test.ts', 'export {};\n');
  assert.deepEqual(project.build(), SKIPPED, 'a test');
});

test('what a failed build left behind is not taken for a build', (t) => {
  const project = new Project(t);
  project.write('src/cli/main.ts', "export const answer: number = 'no number';\n");
  for (let time = 0; time < 2; time++) assert.notEqual(project.build()[0], 0);
  project.write('src/cli/main.ts', 'export const answer: number = 42;\n');
  assert.deepEqual(project.build(), GOOD);
});
