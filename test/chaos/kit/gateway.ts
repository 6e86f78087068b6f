import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CliProcess, REPOSITORY } from '../../kit/cli.ts';
import { get } from '../../kit/http-client.ts';
import { eventually } from './clock.ts';
import { endsWithThis } from './guard.ts';
import { Scrape } from './metrics.ts';
import { pinned } from './process-status.ts';

const CLI = join(REPOSITORY, 'dist/cli/main.js');

/** A configuration begins so where nothing else is asked for: free ports of loopback. */
const HEAD = 'listeners: [{ address: 127.0.0.1:0 }]\nadmin: { address: 127.0.0.1:0 }\n';

/** The built CLI as a user runs it, with a configuration file of its own. */
export class RunningGateway {
  readonly cli: CliProcess;
  readonly file: string;
  port = 0;
  admin = '';
  readonly #folder: string;
  readonly #head: string;

  private constructor(config: string, head: string) {
    this.#head = head;
    this.#folder = mkdtempSync(join(tmpdir(), 'headgate-chaos-'));
    this.file = join(this.#folder, 'headgate.yaml');
    this.write(config);
    this.cli = new CliProcess(['start', '-c', this.file], { command: pinned(0, [process.execPath, CLI]) });
    endsWithThis(this.cli.child);
  }

  /** `config` without listeners and admin; `head`: these, with a listener in clear as the first. */
  static async start(config: string, head = HEAD): Promise<RunningGateway> {
    const gateway = new RunningGateway(config, head);
    gateway.port = Number((await gateway.cli.output(/listening on http:\/\/127\.0\.0\.1:(\d+)/))[1]);
    gateway.admin = (await gateway.cli.output(/admin API on (http:\/\/[^\s"]+)/))[1]!;
    return gateway;
  }

  /** Writes the file that a reload will read. */
  write(config: string): void {
    writeFileSync(this.file, this.#head + config);
  }

  get pid(): number {
    return this.cli.pid;
  }

  async metrics(): Promise<Scrape> {
    return new Scrape((await get(`${this.admin}/metrics`)).text());
  }

  async json<T>(path: string): Promise<T> {
    return JSON.parse((await get(`${this.admin}/api/v1/${path}`)).text());
  }

  /** Until it sees a fleet of that size on a store that answers. */
  async inFleetOf(size: number): Promise<void> {
    await eventually(`a fleet of ${size}`, async () => {
      const fleet = await this.json<{ size: number; store: { up: boolean } }>('fleet');
      return fleet.size === size && fleet.store.up ? true : undefined;
    });
  }

  /** Objects that were logged, of one kind. */
  logged<T>(kind: 'access' | 'event'): T[] {
    const complete = this.cli.stdout.slice(0, this.cli.stdout.lastIndexOf('\n') + 1);
    const mark = `"kind":"${kind}"`;
    return complete.split('\n').flatMap((line) => (line.includes(mark) ? [JSON.parse(line) as T] : []));
  }

  async stop(): Promise<void> {
    await this.cli.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
