import { Program } from './program.ts';

const WARM_UP_ROUNDS = 15;
const WARM_UP_CONNECTIONS = 200;

export interface IdleSpec {
  readonly port: number;
  /** Opened at most so many at a time; each sends one request, takes the answer and then says nothing. */
  readonly connections: number;
  readonly atATime: number;
}

export interface IdleResult {
  readonly open: number;
}

/** A client that opens many connections and keeps them, in a process of its own. */
export class IdleClient {
  readonly #program = new Program('idle-client');

  /** Resolves once every connection had its answer. */
  async open(spec: IdleSpec): Promise<void> {
    this.#program.tell(spec);
    await this.#program.hear();
  }

  /** Of no cost to a connection: the gateway's young generation of objects has its full size afterwards. */
  static async warmUp(port: number): Promise<void> {
    for (let n = 0; n < WARM_UP_ROUNDS; n++) {
      const client = new IdleClient();
      await client.open({ port, connections: WARM_UP_CONNECTIONS, atATime: WARM_UP_CONNECTIONS });
      await client.kill();
    }
  }

  /** How many are open still. */
  async stillOpen(): Promise<number> {
    this.#program.tell({ count: true });
    return (await this.#program.hear<IdleResult>()).open;
  }

  kill(): Promise<void> {
    return this.#program.kill();
  }
}
