import { Program } from './program.ts';

/** One kind of request in the mix. */
export interface RequestKind {
  readonly name: string;
  /** `?id=<number>` is added. */
  readonly path: string;
  readonly method?: 'GET' | 'POST';
  /** Parts of the mix. */
  readonly weight: number;
  /** Values of `X-Key`: `<name>-0` to `<name>-<keys - 1>` in turn. */
  readonly keys: number;
}

export interface LoadSpec {
  /** Gateways, in turn. */
  readonly ports: readonly number[];
  readonly ratePerS: number;
  /** Each lane sends one request at a time, on a connection of its own. */
  readonly lanes: number;
  /** A new connection for every request. */
  readonly fresh?: boolean;
  readonly kinds: readonly RequestKind[];
}

export interface Sample {
  readonly id: number;
  readonly kind: string;
  /** Index of the gateway. */
  readonly gateway: number;
  /** When it was sent, ms since the epoch. */
  readonly atMs: number;
  readonly tookMs: number;
  /** How late it was sent, for its lane was busy. */
  readonly lateMs: number;
  /** 0: no response head came. */
  readonly status: number;
  /** `X-RateLimit-Mode: local` was there. */
  readonly local: boolean;
  /** Why it failed, head or body. */
  readonly error?: string;
}

export interface LoadResult {
  readonly samples: readonly Sample[];
  readonly connectionsOpened: number;
  /** Connections that ended while the load went on. */
  readonly connectionsLost: number;
  /** Longest stall of the load client itself: noise in every `tookMs`. */
  readonly stallMs: number;
}

/** A load client in a process of its own. */
export class LoadClient {
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
  }

  /** Resolves once it sends. */
  static async start(spec: LoadSpec): Promise<LoadClient> {
    const program = new Program('load-client');
    program.tell(spec);
    await program.hear();
    return new LoadClient(program);
  }

  /** Sends no new requests, waits for what is under way, and gives what was seen. */
  async stop(): Promise<LoadResult> {
    this.#program.tell({ stop: true });
    const result = await this.#program.hear<LoadResult>();
    await this.#program.kill();
    return result;
  }

  kill(): Promise<void> {
    return this.#program.kill();
  }
}

/** A sample that failed: no answer, a broken one, or one the gateway made because something behind it failed. */
export function hasFailed(sample: Sample): boolean {
  return sample.error !== undefined || sample.status >= 500 || sample.status === 0;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
