import { createGateway } from '../../src/gateway.ts';

type Gateway = ReturnType<typeof createGateway>;
type Config = Parameters<typeof createGateway>[0];
type Overrides = NonNullable<Parameters<typeof createGateway>[1]>;

/** A gateway of this process, on free ports. */
export class TestGateway {
  readonly gateway: Gateway;

  private constructor(gateway: Gateway) {
    this.gateway = gateway;
  }

  /** `config` as one would write it; a listener and the admin on free ports of 127.0.0.1 where it names none; quiet. */
  static async start(config: Config, overrides: Overrides = {}): Promise<TestGateway> {
    const gateway = createGateway(
      {
        listeners: [{ address: '127.0.0.1:0' }],
        admin: { address: '127.0.0.1:0' },
        log: { level: 'error', access: false },
        ...config,
      },
      overrides,
    );
    await gateway.start();
    return new TestGateway(gateway);
  }

  /** Port of the nth listener. */
  port(index = 0): number {
    return Number(this.gateway.listeners[index]!.address.split(':').at(-1));
  }

  url(path = '/', index = 0): string {
    return `http://127.0.0.1:${this.port(index)}${path}`;
  }

  adminUrl(path: string): string {
    return `http://${this.gateway.adminAddress}${path}`;
  }

  /** At once: what is in flight is cut. */
  async stop(): Promise<void> {
    await this.gateway.stop({ delayMs: 0, graceMs: 0 });
  }
}
