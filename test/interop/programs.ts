// Other people's programs that these tests talk to. `npm test` installs or asks for them (scripts/prepare-test.mjs).
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Waiters } from '../kit/wait.ts';

const PEER = join(dirname(fileURLToPath(import.meta.url)), 'websockets-peer.py');

/** The system's Python comes first: Debian's package is not seen by one that was installed beside it. */
const PYTHONS = ['/usr/bin/python3', 'python3'];
const CHROMIUMS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

function findPython(): string {
  const found = PYTHONS.find((name) => spawnSync(name, ['-c', 'import websockets']).status === 0);
  if (found === undefined) throw new Error('no Python with the module websockets (Debian: python3-websockets)');
  return found;
}

function findChromium(): string {
  const found = CHROMIUMS.find((name) => spawnSync(name, ['--version']).status === 0);
  if (found === undefined) throw new Error('no chromium on PATH (Debian: chromium)');
  return found;
}

/** A process that ends with its test, by its process group; and what it printed. */
class Started {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  #isOver = false;
  readonly #waiters = new Waiters();

  constructor(t: TestContext, program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const stdio: ('ignore' | 'pipe')[] = ['ignore', 'pipe', 'pipe'];
    this.child = spawn(program, args, { stdio, detached: true, env: { ...process.env, ...env } });
    t.after(() => this.end());
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#waiters.changed();
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-10_000);
    });
    this.child.on('error', (error) => this.#waiters.fail(error));
    this.child.on('close', () => {
      this.#isOver = true;
      this.#waiters.changed();
    });
  }

  until<T>(what: string, probe: (stdout: string) => T | undefined, guardMs: number): Promise<T> {
    return this.#waiters.until(what, () => probe(this.stdout), guardMs);
  }

  /** Its end by itself. */
  async over(guardMs: number): Promise<void> {
    await this.#waiters.until('the end of a program', () => (this.#isOver ? true : undefined), guardMs);
  }

  async end(): Promise<void> {
    if (this.child.pid === undefined || this.#isOver) return;
    process.kill(-this.child.pid, 'SIGKILL');
    await this.over(5000);
  }
}

export type Compression = 'deflate' | 'plain';

/** A server of Python's `websockets`; its URL as an endpoint. */
export async function pythonServer(t: TestContext, compression: Compression): Promise<string> {
  const server = new Started(t, findPython(), [PEER, 'server', compression]);
  const port = await server
    .until('the port', (text) => /^(\d+)\n/.exec(text)?.[1], 20_000)
    .catch((error) => {
      throw new Error(`${error.message}: ${server.stderr}`);
    });
  return `http://127.0.0.1:${port}`;
}

export interface CaseResult {
  readonly case: string;
  readonly error: string | null;
}

/** What a client of Python's `websockets` found at `url`. `ca`: a file with the authority it trusts. */
export async function pythonClient(
  t: TestContext,
  url: string,
  compression: Compression,
  ca?: string,
): Promise<CaseResult[]> {
  const env: Record<string, string> = ca === undefined ? {} : { SSL_CERT_FILE: ca };
  const client = new Started(t, findPython(), [PEER, 'client', compression, url], env);
  await client.over(60_000);
  const results = client.stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as CaseResult]));
  if (client.child.exitCode !== 0) throw new Error(`the client failed: ${client.stderr}`);
  return results;
}

const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
];

/** Opens a page in a browser with a profile of its own, which ends with the test. */
export function openPage(t: TestContext, url: string, flags: readonly string[] = []): void {
  const profile = mkdtempSync(join(tmpdir(), 'headgate-chromium-'));
  const browser = new Started(t, findChromium(), [...FLAGS, ...flags, `--user-data-dir=${profile}`, url]);
  t.after(async () => {
    await browser.end();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
}
