import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { epochMs } from './clock.ts';

/** How often each socket says something. */
const TALK_EVERY_MS = 50;

/** A WebSocket server in this process that echoes. */
export class SocketEndpoint {
  readonly url: string;
  readonly #server: WebSocketServer;

  private constructor(server: WebSocketServer) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<SocketEndpoint> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    server.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    await once(server, 'listening');
    return new SocketEndpoint(server);
  }

  /** Connections that it still has. */
  get open(): number {
    return this.#server.clients.size;
  }

  stop(): void {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
  }
}

/** WebSockets that talk all the time, each one message at a time. */
export class Talkers {
  /** Messages that came back as they went. */
  echoes = 0;
  /** Messages that came back otherwise. */
  wrong = 0;
  /** Ends that the talkers did not ask for, in their order. */
  readonly lost: { readonly code: number; readonly atMs: number }[] = [];
  readonly #sockets: WebSocket[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #isOver = false;

  static async start(url: string, count: number): Promise<Talkers> {
    const talkers = new Talkers();
    for (let n = 0; n < count; n++) await talkers.#add(new WebSocket(url), n);
    return talkers;
  }

  async #add(socket: WebSocket, id: number): Promise<void> {
    let sent = 0;
    let answered = 0;
    const text = (nth: number): string => `message ${nth} of ${id}`;
    this.#sockets.push(socket);
    socket.on('error', () => {});
    await once(socket, 'open');
    socket.on('message', (data) => {
      if (String(data) === text(++answered)) this.echoes++;
      else this.wrong++;
    });
    socket.on('close', (code) => {
      if (!this.#isOver) this.lost.push({ code, atMs: epochMs() });
    });
    const talk = (): void => {
      if (answered === sent && socket.readyState === WebSocket.OPEN) socket.send(text(++sent));
    };
    this.#timers.push(setInterval(talk, TALK_EVERY_MS));
  }

  get open(): number {
    return this.#sockets.filter(({ readyState }) => readyState === WebSocket.OPEN).length;
  }

  stop(): void {
    this.#isOver = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#sockets) socket.terminate();
  }
}
