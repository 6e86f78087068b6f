import type { Exchange } from './exchange.ts';

/** Runs a part of an exchange that a timer or a socket woke up: what it throws is a bug of this exchange, not the process's end. */
export function guarded(exchange: Exchange, run: () => void): void {
  try {
    run();
  } catch (error) {
    exchange.crash(error);
  }
}
