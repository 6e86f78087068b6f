// An endpoint in a process of its own: its parent sends an EndpointSpec and hears the port.
//   GET /bytes/<n>   n bytes, each chunk numbered       GET /halves   head and half of the body, the rest later
//   POST /sink       counts and hashes the body
//   anything else    a small answer; a POST's id is written down before
import { createHash } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EndpointSpec } from '../kit/endpoint.ts';
import { patternChunk } from '../kit/pattern.ts';

process.on('disconnect', () => process.exit());
process.once('message', (spec: EndpointSpec) => serve(spec));

function serve(spec: EndpointSpec): void {
  const ids = spec.idsFile === undefined ? undefined : openSync(spec.idsFile, 'a');
  const [least, most] = spec.delayMs;
  const later = (run: () => void): void => {
    const delayMs = least + Math.random() * (most - least);
    if (delayMs === 0) run();
    else setTimeout(run, delayMs);
  };
  const server = createServer({ keepAliveTimeout: spec.keepAliveMs, noDelay: true }, (request, response) => {
    response.on('error', () => {});
    request.on('error', () => {});
    const { pathname, searchParams } = new URL(request.url!, 'http://endpoint');
    if (pathname.startsWith('/bytes/')) sendBytes(response, Number(pathname.slice('/bytes/'.length)));
    else if (pathname === '/sink') sink(request, response);
    else {
      request.resume();
      request.on('end', () => {
        if (ids !== undefined && request.method === 'POST') writeSync(ids, `${searchParams.get('id')}\n`);
        later(() => (pathname === '/halves' ? halves(response, later) : small(response, spec.name)));
      });
    }
  });
  server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
}

function small(response: ServerResponse, name: string): void {
  const body = JSON.stringify({ endpoint: name, filler: 'x'.repeat(450) });
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
  response.end(body);
}

function halves(response: ServerResponse, later: (run: () => void) => void): void {
  response.writeHead(200, { 'Content-Length': 1000 });
  response.write('a'.repeat(500));
  later(() => response.end('b'.repeat(500)));
}

function sendBytes(response: ServerResponse, length: number): void {
  response.writeHead(200, { 'Content-Length': length });
  let sent = 0;
  let index = 0;
  const more = (): void => {
    let flowing = true;
    while (flowing && sent < length) {
      const chunk = patternChunk(index++).subarray(0, length - sent);
      sent += chunk.length;
      flowing = response.write(chunk);
    }
    if (sent >= length) response.end();
  };
  response.on('drain', more);
  more();
}

function sink(request: IncomingMessage, response: ServerResponse): void {
  const hash = createHash('sha1');
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  request.on('end', () => response.end(JSON.stringify({ bytes, sha1: hash.digest('hex') })));
}
