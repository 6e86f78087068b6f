import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Listens with the shortest backlog, says where, and never returns to its event loop: nothing is ever accepted. */
const LISTENER = `
const server = require('node:net').createServer();
const [host, port] = process.argv.slice(1);
server.listen({ host, port: Number(port), backlog: 1 }, () => {
  require('node:fs').writeSync(1, server.address().port + '\\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});`;

/** A port on which a connection attempt gets no answer at all, as from a host behind a firewall that drops packets (Linux). */
export class BlackHole {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #fillers: Socket[];

  private constructor(port: number, child: ChildProcess, fillers: Socket[]) {
    this.port = port;
    this.#child = child;
    this.#fillers = fillers;
  }

  /** On a free port, or on this one. */
  static async open(host = '127.0.0.1', on = 0): Promise<BlackHole> {
    const child = spawn(process.execPath, ['-e', LISTENER, host, String(on)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    const port = Number(line.toString());
    // A backlog of n holds n + 1 connections; the SYN of any further one is dropped.
    const fillers = [connect({ host, port }), connect({ host, port })];
    for (const socket of fillers) socket.on('error', () => {});
    await Promise.all(fillers.map((socket) => once(socket, 'connect')));
    return new BlackHole(port, child, fillers);
  }

  async close(): Promise<void> {
    for (const socket of this.#fillers) socket.destroy();
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
