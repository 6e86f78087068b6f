import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { HeadgateConfig } from '../../src/config/schema.ts';
import { TestGateway } from '../kit/gateway.ts';

const SAMPLE_MS = 10;

interface Memory {
  readonly startBytes: number;
  readonly peakBytes: number;
}

/** A gateway in a process of its own, whose memory is therefore its own too. */
export class GatewayProcess {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(config: HeadgateConfig): Promise<GatewayProcess> {
    const child = fork(new URL(import.meta.url), [JSON.stringify(config)], {
      execArgv: ['--import', 'tsx', '--expose-gc'],
      env: { ...process.env, HEADGATE_TEST_GATEWAY: '1' },
    });
    const [port] = (await once(child, 'message')) as [number];
    return new GatewayProcess(child, port);
  }

  /** Resident memory at the last call (after a collection), and the most since then. */
  async memory(): Promise<Memory> {
    const answer = once(this.#child, 'message');
    this.#child.send('memory');
    return ((await answer) as [Memory])[0];
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}

async function serve(config: HeadgateConfig): Promise<void> {
  const gateway = await TestGateway.start(config);
  let startBytes = 0;
  let peakBytes = 0;
  setInterval(() => {
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
  }, SAMPLE_MS);
  process.on('message', () => {
    process.send?.({ startBytes, peakBytes } satisfies Memory);
    (globalThis as { gc?: () => void }).gc?.();
    startBytes = process.memoryUsage.rss();
    peakBytes = startBytes;
  });
  process.on('disconnect', () => process.exit());
  process.send?.(gateway.port());
}

if (process.env.HEADGATE_TEST_GATEWAY === '1' && process.send !== undefined) {
  await serve(JSON.parse(process.argv[2] as string));
}
