import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';

/** What goes between a primary and its workers: plain JSON. Lists are the store's, objects everything else's. */
export type IpcMessage = readonly unknown[] | object;

/** How one end hears of the other. */
export interface ChannelEvents {
  /** `socket` came with the message. */
  received(message: IpcMessage, socket: Socket | undefined): void;
  /** The other end is gone, or closed the channel. Called once. */
  closed(): void;
}

/**
 * One end of the pipe between a primary and a worker. Sending never throws and never ends a process: where the other end
 * is gone, that is what `closed` says.
 */
export class Channel {
  private readonly end: ChildProcess | NodeJS.Process;

  constructor(end: ChildProcess | NodeJS.Process, events: ChannelEvents) {
    this.end = end;
    end.on('message', (message: IpcMessage, socket: unknown) => events.received(message, socket as Socket | undefined));
    end.once('disconnect', () => events.closed());
  }

  get open(): boolean {
    return this.end.connected === true;
  }

  /**
   * Writes a message; false where the channel is closed. `written` hears when it left this process, or that it did not.
   * A socket stays open on this side until it is destroyed here too.
   */
  send(message: IpcMessage, socket?: Socket, written: (error: Error | null) => void = () => {}): boolean {
    if (!this.open || this.end.send === undefined) return false;
    try {
      this.end.send(message, socket, { keepOpen: true }, written);
      return true;
    } catch {
      // The channel was closed under it.
      return false;
    }
  }

  close(): void {
    if (this.open) this.end.disconnect();
  }
}
