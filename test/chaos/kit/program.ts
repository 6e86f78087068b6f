import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { REPOSITORY } from '../../kit/cli.ts';
import { endsWithThis } from './guard.ts';
import { pinned } from './process-status.ts';

const GUARD_MS = 60_000;

/**
 * A program of `../programs` in a process of its own, spoken to in messages. It ends when its parent does, or by its pid.
 */
export class Program {
  readonly #child: ChildProcess;
  readonly #messages: unknown[] = [];
  #arrived: () => void = () => {};
  #ended: string | undefined;

  constructor(name: 'endpoint' | 'load-client' | 'soak-client' | 'soak-endpoint' | 'closing-endpoint' | 'idle-client') {
    const file = fileURLToPath(new URL(`../programs/${name}.ts`, import.meta.url));
    const [program, ...args] = pinned(1, [process.execPath, '--import', 'tsx', file]);
    this.#child = spawn(program!, args, { cwd: REPOSITORY, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    endsWithThis(this.#child);
    this.#child.on('message', (message) => {
      this.#messages.push(message);
      this.#arrived();
    });
    this.#child.on('exit', (code, signal) => {
      this.#ended = `${name} ended with ${code ?? signal}`;
      this.#arrived();
    });
  }

  tell(message: object): void {
    this.#child.send(message);
  }

  /** The next message. */
  async hear<T>(guardMs = GUARD_MS): Promise<T> {
    const guard = performance.now() + guardMs;
    while (this.#messages.length === 0) {
      const leftMs = guard - performance.now();
      if (this.#ended !== undefined || leftMs <= 0) throw new Error(this.#ended ?? 'a program says nothing');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#arrived = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#messages.shift() as T;
  }

  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void> {
    if (this.#ended !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.kill('SIGKILL');
    });
  }
}
