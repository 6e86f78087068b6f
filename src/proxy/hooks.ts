import type { ReplyHead } from '../http/head.ts';
import type { Reply } from '../http/problem.ts';
import type { ExchangeRecord } from '../ports.ts';
import type { Exchange } from './exchange.ts';

/** Looks at a request before it is forwarded. A reply ends the exchange with it; only a promise is awaited. */
export type RequestHook = (exchange: Exchange) => Reply | undefined | Promise<Reply | undefined>;

/** Looks at the head of a response before it is sent, and may change it. */
export type ResponseHook = (exchange: Exchange, reply: ReplyHead) => undefined | Promise<undefined>;

/** Hears of every exchange that its request hook saw, exactly once, when it is over. */
export type FinishHook = (exchange: Exchange, record: ExchangeRecord) => void;

/** A feature of routes as up to three hooks, run by one loop in the order written. */
export interface Middleware {
  readonly name: string;
  readonly request?: RequestHook;
  readonly response?: ResponseHook;
  readonly finish?: FinishHook;
}
