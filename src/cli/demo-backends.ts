import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface DemoBackend {
  readonly name: string;
  readonly delayMs: number;
  readonly address: string;
}

const SPEEDS = [
  ['quick', 5],
  ['steady', 40],
  ['slow', 150],
] as const;

/** Three sample backends of uneven speed; each answers JSON with its name. They end with the process. */
export function startBackends(): Promise<DemoBackend[]> {
  return Promise.all(SPEEDS.map(([name, delayMs]) => startBackend(name, delayMs)));
}

function startBackend(name: string, delayMs: number): Promise<DemoBackend> {
  const server: Server = createServer((request, response) => {
    const answer = `${JSON.stringify({ backend: name, tookMs: delayMs, method: request.method, path: request.url })}\n`;
    request.resume();
    setTimeout(() => {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(answer) });
      response.end(answer);
    }, delayMs);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { address, port } = server.address() as AddressInfo;
      resolve({ name, delayMs, address: `${address}:${port}` });
    });
  });
}
