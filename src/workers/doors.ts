import { createServer, type Server, type Socket } from 'node:net';
import { boundAddress, listenMessage, PROBES } from '../adapters/net/listener.ts';
import type { ListenerModel } from '../config/snapshot.ts';
import { StartError } from '../gateway/errors.ts';
import type { BoundListener } from '../gateway/gateway-types.ts';
import type { Log } from '../ports.ts';

/**
 * The listening sockets of a gateway with workers. The primary holds them and reads nothing from what it accepts, so they
 * stay open, at the same address, whatever happens to the workers.
 */
export class Doors {
  readonly bound: BoundListener[] = [];
  private readonly servers: Server[] = [];
  private readonly log: Log;
  private readonly accepted: (listener: number, socket: Socket) => void;

  constructor(log: Log, accepted: (listener: number, socket: Socket) => void) {
    this.log = log;
    this.accepted = accepted;
  }

  /** Rejects with a `StartError`. */
  async open(listeners: readonly ListenerModel[]): Promise<void> {
    for (const [index, model] of listeners.entries()) {
      this.bound.push({ label: model.label, address: await this.openOne(index, model) });
    }
  }

  private openOne(index: number, { address, label }: ListenerModel): Promise<string> {
    const server = createServer({ ...PROBES, allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      // Nothing is read here; what is wrong with it, its worker finds.
      socket.on('error', () => {});
      this.accepted(index, socket);
    });
    this.servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(new StartError(listenMessage(error, label))));
      const bound = (): void => {
        server.removeAllListeners('error');
        server.on('error', (error) => this.log.error('listener failed', { listener: label, error: error.message }));
        resolve(boundAddress(server, address));
      };
      if (address.kind === 'unix') server.listen({ path: address.path }, bound);
      else server.listen({ host: address.host, port: address.port }, bound);
    });
  }

  close(): void {
    for (const server of this.servers.splice(0)) server.close();
  }
}
