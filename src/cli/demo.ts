import { createServer } from 'node:net';
import { parseConfig } from '../config/load.ts';
import type { HeadgateConfig } from '../config/schema.ts';
import { parseArguments } from './arguments.ts';
import { type DemoBackend, startBackends } from './demo-backends.ts';
import { startTraffic } from './demo-traffic.ts';
import { CommandError, EXIT } from './exit.ts';
import { print } from './print.ts';
import { Served } from './serve.ts';
import type { Verb } from './verb.ts';
import { version } from './version.ts';

const PORT = 8080;
const ADMIN_PORT = 9901;
const PORTS_TRIED = 100;

export const demo: Verb = {
  help: `Usage: headgate demo

Runs a gateway on port 8080 with a limit small enough to meet by hand, three sample backends of uneven speed, light
traffic of its own and the admin API on port 9901, and prints what to try. Takes the next free port where one is taken.
Ends at once on Ctrl-C.`,

  async run(args) {
    parseArguments(args, {});
    const port = await freePort(PORT);
    const adminPort = await freePort(ADMIN_PORT);
    const backends = await startBackends();
    const loaded = parseConfig(demoConfig(port, adminPort, backends));
    if (!loaded.ok) throw new CommandError(loaded.errors.map(({ message }) => message).join('; '));
    const served = new Served(loaded);
    await served.start();
    const traffic = await startTraffic(port);
    const ended = new Promise<number>((resolve) => {
      const end = (): void => resolve(EXIT.good);
      process.on('SIGINT', end).on('SIGTERM', end);
    });
    print(...story(port, adminPort, backends, traffic.description));
    return ended;
  },
};

/** The configuration of the quick start. */
export function demoConfig(port: number, adminPort: number, backends: readonly DemoBackend[]): HeadgateConfig {
  return {
    listeners: [{ address: `127.0.0.1:${port}` }],
    store: 'memory',
    limits: { 'per-client': { key: 'client.ip', window: '5/10s' } },
    upstreams: { demo: { endpoints: backends.map(({ address }) => `http://${address}`) } },
    routes: [{ name: 'demo', match: { path: '/*' }, limits: ['per-client'], upstream: 'demo' }],
    admin: { address: `127.0.0.1:${adminPort}` },
    // Its own traffic would bury what is printed.
    log: { level: 'warn', access: false },
  };
}

function story(port: number, adminPort: number, backends: readonly DemoBackend[], traffic: string): string[] {
  const gateway = `http://127.0.0.1:${port}`;
  const admin = `http://127.0.0.1:${adminPort}`;
  return [
    `headgate ${version()} demo: at most 5 requests of a client in any rolling 10 seconds, balanced over three backends`,
    '',
    ...movedLines(port, adminPort),
    `listening on ${gateway}`,
    `admin API on ${admin}`,
    ...backends.map(({ name, delayMs, address }) => `backend ${name}: answers in ${delayMs} ms, on ${address}`),
    `traffic: ${traffic}`,
    '',
    'Try in another terminal:',
    '',
    `curl -i ${gateway}/`,
    '',
    'You see a 200 with the name of the backend, and what is left of the limit: RateLimit: "per-client";r=4;t=…',
    'The sixth within ten seconds is a 429 that says which limit refused it and when to come again.',
    '',
    'And then:',
    '',
    `curl ${admin}/api/v1/upstreams     each backend's state, requests in flight, latency`,
    `curl ${admin}/api/v1/limits        how often the limit allowed and refused`,
    `curl ${admin}/metrics              the same and more for Prometheus`,
    '',
    'Ctrl-C ends it.',
  ];
}

function movedLines(port: number, adminPort: number): string[] {
  const moved = [
    ...(port === PORT ? [] : [`port ${PORT} is taken: the gateway is on ${port}`]),
    ...(adminPort === ADMIN_PORT ? [] : [`port ${ADMIN_PORT} is taken: the admin API is on ${adminPort}`]),
  ];
  return moved.length === 0 ? [] : [...moved, ''];
}

/** The first port from `wanted` on that is free on 127.0.0.1. */
async function freePort(wanted: number): Promise<number> {
  for (let port = wanted; port < wanted + PORTS_TRIED; port++) {
    if (await isFree(port)) return port;
  }
  throw new CommandError(`no port is free from ${wanted} to ${wanted + PORTS_TRIED - 1}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
