import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Waiters } from './wait.ts';

export const REPOSITORY = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** The built CLI: `npm test` builds before it runs. */
const CLI = join(REPOSITORY, 'dist/cli/main.js');

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Another program than the built CLI, e.g. `npx`. */
  readonly command?: readonly string[];
  readonly stdin?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of the built CLI, with all it printed. */
export class CliProcess {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  exit: Exit | undefined;
  readonly #waiters = new Waiters();

  constructor(args: readonly string[], options: CliOptions = {}) {
    const [program, ...first] = options.command ?? [process.execPath, CLI];
    this.child = spawn(program!, [...first, ...args], {
      cwd: options.cwd ?? REPOSITORY,
      env: { ...cleanEnvironment(), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdin!.on('error', () => {});
    this.child.stdin!.end(options.stdin ?? '');
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#waiters.changed();
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#waiters.changed();
    });
    this.child.on('error', (error) => this.#waiters.fail(error));
    this.child.on('close', (code, signal) => {
      this.exit = { code, signal };
      this.#waiters.changed();
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The first match in what was printed on either stream; rejects with everything printed when the process ends without it. */
  output(pattern: RegExp, guardMs?: number): Promise<RegExpExecArray> {
    const what = `${pattern} in the output`;
    return this.#waiters
      .until<RegExpExecArray | Exit>(
        what,
        () => pattern.exec(this.stdout) ?? pattern.exec(this.stderr) ?? this.exit,
        guardMs,
      )
      .then(
        (found) => {
          if (Array.isArray(found)) return found;
          throw new Error(`ended with ${JSON.stringify(found)} before ${what}\n${this.stdout}\n${this.stderr}`);
        },
        (error: Error) => {
          throw new Error(`${error.message}\n${this.stdout}\n${this.stderr}`);
        },
      );
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** Resolves when the process ended and its output is complete. */
  exited(guardMs?: number): Promise<Exit> {
    return this.#waiters.until('the end of the process', () => this.exit, guardMs);
  }

  /** For the end of a test: ends the process by its pid if it still runs. */
  async kill(): Promise<void> {
    if (this.exit === undefined) this.child.kill('SIGKILL');
    await this.exited();
  }
}

export interface CliResult extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a verb to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}, guardMs?: number): Promise<CliResult> {
  const cli = new CliProcess(args, options);
  try {
    const exit = await cli.exited(guardMs);
    return { ...exit, stdout: cli.stdout, stderr: cli.stderr };
  } catch (error) {
    await cli.kill();
    throw error;
  }
}

/** A port of 127.0.0.1 that was free a moment ago. Prefer port 0 where the process can say what it got. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** What must not reach the process under test: the test runner's own settings, npm's idea of the project, a developer's gateway. */
const NOT_INHERITED =
  /^(?:HEADGATE_.*|NODE_OPTIONS|NODE_TEST_.*|npm_(?:package|lifecycle)_.*|npm_config_(?:local_|global_)?prefix)$/;

function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
  return Object.fromEntries(kept);
}
