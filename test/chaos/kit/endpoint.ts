import { Program } from './program.ts';

export interface EndpointSpec {
  readonly name: string;
  /** An answer takes at least and at most so long. */
  readonly delayMs: readonly [number, number];
  /** Idle connections are kept so long, and the answers say so. */
  readonly keepAliveMs: number;
  /** Where the ids of executed POSTs are written, one a line, before the answer. */
  readonly idsFile?: string;
}

/** A node:http server in a process of its own. */
export class EndpointProcess {
  readonly url: string;
  readonly #program: Program;

  private constructor(program: Program, port: number) {
    this.#program = program;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(spec: Partial<EndpointSpec> = {}): Promise<EndpointProcess> {
    const program = new Program('endpoint');
    program.tell({ name: 'endpoint', delayMs: [0, 0], keepAliveMs: 60_000, ...spec } satisfies EndpointSpec);
    const { port } = await program.hear<{ port: number }>();
    return new EndpointProcess(program, port);
  }

  kill(): Promise<void> {
    return this.#program.kill();
  }
}
