// Peer: the shortest proxy of node:http (with CERT and KEY: node:https, so node:tls) and undici that adds X-Forwarded-For;
// no limiter, no routing.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Pool } from 'undici';

const { PORT, ORIGIN, CERT, KEY } = process.env;
const pool = new Pool(ORIGIN, { connections: 256, pipelining: 1 });
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'proxy-connection']);

function forwardable(raw) {
  const fields = [];
  for (let at = 0; at < raw.length; at += 2) {
    if (!HOP_BY_HOP.has(raw[at].toLowerCase())) fields.push(raw[at], raw[at + 1]);
  }
  return fields;
}

function forward(request, response) {
  const headers = forwardable(request.rawHeaders);
  headers.push('X-Forwarded-For', request.socket.remoteAddress);
  const body = request.method === 'GET' || request.method === 'HEAD' ? null : request;
  pool.stream(
    { path: request.url, method: request.method, headers, body, responseHeaders: 'raw' },
    ({ statusCode, headers: answer }) => response.writeHead(statusCode, forwardable(answer.map(String))),
    (error) => {
      if (error === null) return;
      if (!response.headersSent) response.writeHead(502);
      response.end();
    },
  );
}

const options = { keepAliveTimeout: 75_000 };
const server =
  CERT === undefined
    ? createServer(options, forward)
    : createTlsServer({ ...options, cert: readFileSync(CERT), key: readFileSync(KEY) }, forward);
server.listen(Number(PORT), '127.0.0.1');
