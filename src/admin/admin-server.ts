import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ListenAddress } from '../config/snapshot.ts';
import type { Log } from '../ports.ts';
import { type AccessRules, AdminAccess } from './access.ts';
import { ADMIN_ROUTES, type AdminMethod, type AdminReply, type AdminRoute, adminProblem } from './admin-api.ts';
import type { AdminSource } from './admin-source.ts';

const BODY_LIMIT_BYTES = 64 * 1024;
const MAX_CONNECTIONS = 512;
/** What an answer that is being sent still gets when the server closes. */
const CLOSE_GRACE_MS = 250;

const COMMON_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
};

/** The admin API, health endpoints and metrics on a socket of their own. */
export class AdminServer {
  readonly #source: AdminSource;
  readonly #log: Log;
  readonly #server: Server;
  #access: AdminAccess;
  #isUnixSocket = false;

  constructor(source: AdminSource, rules: AccessRules, log: Log) {
    this.#source = source;
    this.#log = log;
    this.#access = new AdminAccess(rules);
    this.#server = createServer(
      { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 5_000 },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Resolves with where it listens (`host:port`, or the path of a unix socket); rejects with Node's own error. */
  listen(address: ListenAddress): Promise<string> {
    this.#isUnixSocket = address.kind === 'unix';
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      const listening = (): void => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#log.error('admin server', { error: String(error) }));
        resolve(boundAddress(this.#server));
      };
      if (address.kind === 'unix') this.#server.listen(address.path, listening);
      else this.#server.listen(address.port, address.host, listening);
    });
  }

  /** Tokens and hosts of a reloaded configuration. */
  setRules(rules: AccessRules): void {
    this.#access = new AdminAccess(rules);
  }

  /** Resolves once the socket is closed; answers under way get a moment, idle connections none. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const cut = setTimeout(() => this.#server.closeAllConnections(), CLOSE_GRACE_MS);
      this.#server.close(() => {
        clearTimeout(cut);
        resolve();
      });
      this.#server.closeIdleConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let reply: AdminReply;
    try {
      reply = await this.#reply(request);
    } catch (error) {
      if (request.errored !== null) return;
      this.#log.error('admin request failed', { stack: error instanceof Error ? error.stack : String(error) });
      reply = adminProblem(500, 'Internal error', 'a bug: the log has the details');
    }
    send(request, response, reply);
  }

  async #reply(request: IncomingMessage): Promise<AdminReply> {
    const [path = '', queryText = ''] = splitTarget(request.url ?? '');
    const route = ADMIN_ROUTES.get(path);
    if (route?.open) return this.#run(route, request, queryText);
    const asked = request.method ?? 'GET';
    const needs = asked === 'GET' || asked === 'HEAD' ? 'read' : 'write';
    // No browser reaches a unix socket, and the file's permissions guard it.
    const refusal = this.#isUnixSocket ? undefined : this.#access.check(request, needs);
    if (refusal !== undefined) {
      const { status, detail } = refusal;
      const headers = status === 401 ? { 'WWW-Authenticate': 'Bearer realm="headgate"' } : {};
      return adminProblem(status, status === 401 ? 'Unauthorized' : 'Forbidden', detail, {}, headers);
    }
    if (route === undefined) return adminProblem(404, 'Not found', 'GET / lists what there is');
    return this.#run(route, request, queryText);
  }

  async #run(route: AdminRoute, request: IncomingMessage, queryText: string): Promise<AdminReply> {
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const run = Object.hasOwn(route.methods, method ?? '') ? route.methods[method as AdminMethod] : undefined;
    if (run === undefined) {
      const allow = Object.keys(route.methods).flatMap((known) => (known === 'GET' ? ['GET', 'HEAD'] : [known]));
      return adminProblem(405, 'Method not allowed', `allowed: ${allow.join(', ')}`, {}, { Allow: allow.join(', ') });
    }
    const body = await readBody(request);
    if (body === undefined) {
      return adminProblem(413, 'Content too large', `at most ${BODY_LIMIT_BYTES} bytes`, {}, { Connection: 'close' });
    }
    return run(this.#source, { query: new URLSearchParams(queryText), body });
  }
}

function splitTarget(target: string): string[] {
  const query = target.indexOf('?');
  return query === -1 ? [target] : [target.slice(0, query), target.slice(query + 1)];
}

/** The whole body as text; undefined when it is too long. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_LIMIT_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function send(request: IncomingMessage, response: ServerResponse, reply: AdminReply): void {
  if (response.destroyed) return;
  // A body that was not read must not be taken for the next request.
  if (!request.complete) response.setHeader('Connection', 'close');
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, {
    ...COMMON_HEADERS,
    'Content-Type': reply.contentType,
    'Content-Length': body.length,
    ...reply.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function boundAddress(server: Server): string {
  const address = server.address() as AddressInfo | string;
  if (typeof address === 'string') return address;
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
