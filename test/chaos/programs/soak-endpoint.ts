// The endpoint of the soak, in a process of its own: its parent sends a SoakEndpointSpec and hears the port.
//   GET /bytes/<n>     n bytes with their length          POST /sink     counts the body
//   GET /chunked/<n>   n bytes in chunks, and a trailer   GET /fail      500
//   GET /tunnel        a WebSocket that echoes            anything else  a small answer, at once or a little later
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { patternChunk } from '../kit/pattern.ts';

export interface SoakEndpointSpec {
  /** Idle connections are kept so long, and the answers say so. */
  readonly keepAliveMs: number;
}

const SLOWEST_MS = 30;
const SMALL = JSON.stringify({ filler: 'x'.repeat(490) });

process.on('disconnect', () => process.exit());
process.once('message', ({ keepAliveMs }: SoakEndpointSpec) => {
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer({ keepAliveTimeout: keepAliveMs, noDelay: true }, serve);
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {});
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => {});
      webSocket.on('message', (message, isBinary) => webSocket.send(message, { binary: isBinary }));
    });
  });
  server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
});

function serve(request: IncomingMessage, response: ServerResponse): void {
  response.on('error', () => {});
  request.on('error', () => {});
  const [, what, size] = request.url!.split('/');
  if (what === 'bytes') sendBytes(response, Number(size));
  else if (what === 'chunked') sendChunked(response, Number(size));
  else if (what === 'sink') sink(request, response);
  else {
    request.resume();
    request.on('end', () => setTimeout(() => small(response, what === 'fail' ? 500 : 200), Math.random() * SLOWEST_MS));
  }
}

function small(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': SMALL.length });
  response.end(SMALL);
}

function sendBytes(response: ServerResponse, length: number): void {
  response.writeHead(200, { 'Content-Length': length });
  stream(response, length);
}

function sendChunked(response: ServerResponse, length: number): void {
  response.writeHead(200, { Trailer: 'X-Sent' });
  response.addTrailers({ 'X-Sent': String(length) });
  stream(response, length);
}

/** With the back-pressure of whoever reads. */
function stream(response: ServerResponse, length: number): void {
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
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => response.end(String(bytes)));
}
