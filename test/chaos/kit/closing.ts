import { Program } from './program.ts';

export interface ClosingSpec {
  /** An idle connection is closed after so long. */
  readonly idleMs: number;
  /** And the other side hears of it so much later, as at the end of a long line. */
  readonly wayMs: number;
}

export interface ClosingResult {
  /** How often each request was executed: method and target. */
  readonly executed: readonly (readonly [request: string, times: number])[];
  /** When the first such close was told, ms since the epoch. */
  readonly firstCloseMs: number | undefined;
  readonly connections: number;
}

/** An endpoint that closes idle connections unannounced, in a process of its own. */
export class ClosingEndpoint {
  readonly url: string;
  readonly #program: Program;

  private constructor(program: Program, port: number) {
    this.#program = program;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(spec: ClosingSpec): Promise<ClosingEndpoint> {
    const program = new Program('closing-endpoint');
    program.tell(spec);
    const { port } = await program.hear<{ port: number }>();
    return new ClosingEndpoint(program, port);
  }

  async result(): Promise<ClosingResult> {
    this.#program.tell({ stop: true });
    return this.#program.hear<ClosingResult>();
  }

  kill(): Promise<void> {
    return this.#program.kill();
  }
}
