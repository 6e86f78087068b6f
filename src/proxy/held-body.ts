import type { Fields } from '../http/fields.ts';

/** What an endpoint sent while a response hook was awaited. */
export class HeldBody {
  readonly chunks: Uint8Array[] = [];
  ended = false;
  trailers: Fields | undefined = undefined;

  /** Copies the chunk, and asks the endpoint to pause. */
  add(chunk: Uint8Array): false {
    this.chunks.push(Uint8Array.prototype.slice.call(chunk));
    return false;
  }

  end(trailers: Fields | undefined): void {
    this.ended = true;
    this.trailers = trailers;
  }
}
