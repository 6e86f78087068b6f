// A real browser through the gateway: WebSocket, EventSource and streamed bodies (page.js).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { World } from '../integration/world.ts';
import type { Certificates } from '../kit/certificates.ts';
import { Waiters } from '../kit/wait.ts';
import { obey } from './commands.ts';
import { type CaseResult, type Compression, openPage } from './programs.ts';
import { loopbackCertificates, securely } from './secure.ts';

const CASES = [
  ...['lengths', 'extensions', 'fragments', 'ping'],
  ...['close by the client', 'close by the server', 'an end without a word', 'many at once'],
  ...['events', 'a body in lock step'],
];
const STEPS = 20;
/** The stream breaks off behind this event, without an end. */
const BREAKS_AFTER = 10;
const GUARD_MS = 90_000;

const file = (name: string): Buffer => readFileSync(new URL(name, import.meta.url));

/** The site behind the gateway. */
class Site {
  /** Of each request for /events: the last event that the browser has. */
  readonly resumedAfter: (string | undefined)[] = [];
  readonly paths: string[] = [];
  results: CaseResult[] | undefined;
  readonly waiters = new Waiters();
  readonly #compression: Compression;
  /** Goes on with the stream that waits for a confirmation of that number. */
  #next: (() => void) | undefined;

  constructor(compression: Compression) {
    this.#compression = compression;
  }

  async start(t: TestContext, tls: Certificates | undefined): Promise<string> {
    const answer = (request: IncomingMessage, response: ServerResponse): void => void this.#answer(request, response);
    const server =
      tls === undefined
        ? createServer({ noDelay: true }, answer)
        : createTlsServer({ cert: tls.cert, key: tls.key, noDelay: true }, answer);
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: this.#compression === 'deflate' });
    server.on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, obey));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      server.close();
    });
    return `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url!, 'http://site');
    this.paths.push(pathname);
    let body = '';
    for await (const chunk of request) body += chunk;
    if (pathname === '/') send(response, 'text/html', file('page.html'));
    else if (pathname === '/page.js') send(response, 'text/javascript', file('page.js'));
    else if (pathname === '/extensions')
      send(response, 'text/plain', this.#compression === 'deflate' ? 'permessage-deflate' : '');
    else if (pathname === '/events') this.#events(request, response);
    else if (pathname === '/steps') this.#steps(response);
    else {
      if (pathname === '/result') this.results = JSON.parse(body);
      send(response, 'text/plain', '');
      if (pathname === '/confirm') this.#next?.();
      this.waiters.changed();
    }
  }

  #events(request: IncomingMessage, response: ServerResponse): void {
    const last = request.headers['last-event-id'];
    this.resumedAfter.push(last as string | undefined);
    let id = Number(last ?? 0);
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    this.#next = () => {
      if (id === BREAKS_AFTER && last === undefined) response.destroy();
      else if (id === STEPS) response.end('data: end\n\n');
      else response.write(`id: ${++id}\nretry: 1\ndata: event ${id}\n\n`);
    };
    this.#next();
  }

  #steps(response: ServerResponse): void {
    let step = 0;
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
    this.#next = () => {
      if (step === STEPS) response.end();
      else response.write(`step ${++step}\n`);
    };
    this.#next();
  }
}

function send(response: ServerResponse, type: string, body: Buffer | string): void {
  response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(body);
}

suite('Chromium', () => {
  const ways = [
    ['in clear', 'plain', false],
    ['in clear, compressed', 'deflate', false],
    ['over TLS on both sides, compressed', 'deflate', true],
  ] as const;
  for (const [how, compression, isSecure] of ways) {
    test(`WebSocket, EventSource and streamed bodies ${how}`, async (t) => {
      const site = new Site(compression);
      const tls = isSecure ? loopbackCertificates(t) : undefined;
      const world = await World.start(t, { origins: [], endpoints: [await site.start(t, tls)], ...securely(tls) });
      const port = world.gateway.port();
      if (isSecure) openPage(t, `https://127.0.0.1:${port}/`, ['--ignore-certificate-errors']);
      else openPage(t, `http://127.0.0.1:${port}/`);
      const results = await site.waiters.until('the results', () => site.results, GUARD_MS);
      assert.deepEqual(
        results,
        CASES.map((name) => ({ case: name, error: null })),
      );
      assert.deepEqual(site.resumedAfter, [undefined, String(BREAKS_AFTER)]);
      const tunnels = world.log.filter(({ status }) => status === 101);
      assert.ok(tunnels.every(({ userAgent }) => userAgent?.includes('Chrome')));
      // Three of the eight kinds of socket ended by themselves; the rest goes with the page.
      assert.ok(tunnels.length >= 3, `${tunnels.length} ended`);
    });
  }
});
