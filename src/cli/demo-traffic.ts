import { Agent, request } from 'node:http';

/** Clients that stay below the limit, each a request every 2.8 s. */
const CALM = Array.from({ length: 7 }, (_, index) => `127.0.0.${11 + index}`);
/** One that does not: a request each 0.8 s, so that there are refusals to look at. */
const GREEDY = '127.0.0.99';
const CALM_EVERY_MS = 400;
const GREEDY_EVERY_MS = 800;

export interface DemoTraffic {
  /** What to tell the person who looks on. */
  readonly description: string;
}

/** Sends light traffic of its own, from other loopback addresses than the person's, so that it takes nothing of their limit. */
export async function startTraffic(port: number): Promise<DemoTraffic> {
  const failure = await send(port, CALM[0]!);
  if (failure !== undefined) {
    return { description: `none of its own: this system has only one loopback address (${failure})` };
  }
  let turn = 0;
  setInterval(() => void send(port, CALM[++turn % CALM.length]!), CALM_EVERY_MS);
  setInterval(() => void send(port, GREEDY), GREEDY_EVERY_MS);
  return { description: `about 4 requests a second from ${CALM[0]} to ${CALM.at(-1)}; ${GREEDY} asks for too much` };
}

const agent = new Agent({ keepAlive: true, maxSockets: 4 });

/** Resolves with the code of the error where the request could not be sent. */
function send(port: number, localAddress: string): Promise<string | undefined> {
  const options = { host: '127.0.0.1', port, localAddress, agent, path: `/orders/${Math.ceil(Math.random() * 99)}` };
  return new Promise((resolve) => {
    const sent = request(options, (response) => {
      response.resume();
      response.on('close', () => resolve(undefined));
    });
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    sent.end();
  });
}
