import { Agent, request } from 'node:https';
import { sleep } from './clock.ts';
import type { RunningGateway } from './gateway.ts';

/** Configuration of a gateway with a clear listener and one more with TLS: `fields` of that, YAML in flow form. */
export function tlsHead(fields: string): string {
  const listeners = `  - { address: 127.0.0.1:0 }\n  - { address: 127.0.0.1:0, ${fields} }`;
  return `listeners:\n${listeners}\nadmin: { address: 127.0.0.1:0 }\n`;
}

/** The port that such a gateway speaks TLS on. */
export async function tlsPort(gateway: RunningGateway): Promise<number> {
  return Number((await gateway.cli.output(/listening on https:\/\/127\.0\.0\.1:(\d+)/))[1]);
}

export interface HttpsTarget {
  readonly port: number;
  /** PEM text of the authority that is believed. */
  readonly ca: string;
  readonly servername: string;
  /** Address that the connection comes from: any of 127.0.0.0/8. */
  readonly localAddress?: string;
}

/** Status of one request; rejects where TLS, the connection or the answer fails. `agent` false: a handshake of its own. */
export function httpsStatus(target: HttpsTarget, path: string, agent: Agent | false = false): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', ...target, path, agent });
    sent.on('error', reject);
    sent.on('response', (response) => {
      response.on('error', reject);
      response.on('end', () => resolve(response.statusCode as number));
      response.resume();
    });
    sent.end();
  });
}

/** Lanes of HTTPS requests, half of them with a new connection for each. */
export class HttpsLoad {
  requests = 0;
  readonly failures: string[] = [];
  readonly #target: HttpsTarget;
  readonly #everyMs: number;
  readonly #lanes: Promise<void>[];
  #stopped = false;

  constructor(target: HttpsTarget, lanes: number, everyMs: number) {
    this.#target = target;
    this.#everyMs = everyMs;
    this.#lanes = Array.from({ length: lanes }, (_, lane) => this.#run(lane % 2 === 0));
  }

  /** Resolves when the last answer is there. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }

  async #run(keepsAlive: boolean): Promise<void> {
    const agent = keepsAlive ? new Agent({ keepAlive: true, maxSockets: 1 }) : false;
    while (!this.#stopped) {
      this.requests++;
      await httpsStatus(this.#target, '/load', agent).then(
        (status) => status === 200 || this.failures.push(`status ${status}`),
        (error: Error) => this.failures.push(error.message),
      );
      await sleep(this.#everyMs);
    }
    if (agent !== false) agent.destroy();
  }
}
