import type { SyncLimitStore } from '../../limits/limit-store.ts';
import {
  encodeReply,
  REFUSED,
  type RefusedMessage,
  TakeDecoder,
  type TakeMessage,
  type TakenMessage,
} from './take-messages.ts';

/** The primary's side of one worker's store: decides what the worker asks over the store that all of them share. */
export class StoreHost {
  private readonly store: SyncLimitStore;
  private readonly decoder = new TakeDecoder();

  constructor(store: SyncLimitStore) {
    this.store = store;
  }

  /** The answer to one message, at once: calls are decided in the order in which the primary reads them. */
  answer(message: TakeMessage): TakenMessage | RefusedMessage {
    const call = message[1];
    try {
      return encodeReply(call, this.store.take(this.decoder.decode(message)));
    } catch (error) {
      return [REFUSED, call, error instanceof Error ? error.message : String(error)];
    }
  }
}
