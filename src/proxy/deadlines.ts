// Hot path: pushing a deadline back is a comparison and a store.
import { GatewayError } from '../errors.ts';
import type { Exchange } from './exchange.ts';

/** A client that has closed its side is waited for this long. */
const HALF_CLOSED_MS = 5000;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * When the response head must be there; Infinity while the request is coming or where there is no bound. A body that the
 * client was not asked for yet is not coming: it waits for a connection or for `100 Continue`, and that has its bound.
 */
export function responseDeadlineMs(exchange: Exchange): number {
  const { responseTimeoutMs } = exchange.route.model;
  const fromMs = exchange.readMs ?? exchange.body?.waitingSinceMs;
  return fromMs === undefined || responseTimeoutMs === undefined ? NEVER : fromMs + responseTimeoutMs;
}

/** When the running attempt must have its response head (`retry.perTry`). */
function perTryDeadlineMs({ route, attempt, readMs }: Exchange): number {
  const perTryMs = route.model.retry?.perTryMs;
  if (perTryMs === undefined || attempt === undefined || readMs === undefined) return NEVER;
  return Math.max(attempt.startedMs, readMs) + perTryMs;
}

function halfClosedDeadlineMs({ halfClosedMs }: Exchange): number {
  return halfClosedMs === undefined ? NEVER : halfClosedMs + HALF_CLOSED_MS;
}

/** Sets the exchange's timer to what ends its present phase first. */
export function armTimer(exchange: Exchange): void {
  if (exchange.finished) return;
  if (exchange.streaming || exchange.tunnel !== undefined) {
    touchStream(exchange);
    return;
  }
  const { wheel } = exchange.context;
  const { timer } = exchange.downstream;
  let deadlineMs = Math.min(responseDeadlineMs(exchange), perTryDeadlineMs(exchange), halfClosedDeadlineMs(exchange));
  if (exchange.stalled)
    deadlineMs = Math.min(deadlineMs, wheel.nowMs + (exchange.route.model.streamTimeoutMs ?? NEVER));
  if (deadlineMs === NEVER) wheel.disarm(timer);
  else wheel.arm(timer, deadlineMs);
}

/** Octets moved on the response or the tunnel: its silence starts anew. */
export function touchStream(exchange: Exchange): void {
  const { streamTimeoutMs } = exchange.route.model;
  const { wheel } = exchange.context;
  if (streamTimeoutMs === undefined) wheel.disarm(exchange.downstream.timer);
  else wheel.arm(exchange.downstream.timer, wheel.nowMs + streamTimeoutMs);
}

/** The exchange's timer fired: finds out which bound it was, and ends what it bounds. */
export function onDeadline(exchange: Exchange): void {
  if (exchange.finished) return;
  const nowMs = exchange.context.clock.nowMs();
  const { model } = exchange.route;
  const isStalled = exchange.stalled && nowMs < responseDeadlineMs(exchange);
  if (exchange.tunnel !== undefined || exchange.streaming || isStalled) {
    const what = exchange.tunnel === undefined ? 'stream' : 'tunnel';
    const error = timeoutError(
      exchange,
      `${what} silent for ${inWords(model.streamTimeoutMs)}`,
      model.streamTimeoutPlace,
    );
    if (exchange.tunnel === undefined) exchange.fail(error);
    else exchange.tunnel.timedOut(error);
  } else if (nowMs >= halfClosedDeadlineMs(exchange)) {
    exchange.onClientGone();
  } else if (nowMs >= responseDeadlineMs(exchange) || exchange.attempt === undefined) {
    failHead(exchange, inWords(model.responseTimeoutMs), model.responseTimeoutPlace);
  } else {
    failHead(exchange, inWords(model.retry?.perTryMs), `${model.place}.retry.perTry`);
  }
}

/** No response head in time: the running attempt failed, which may be tried again where time is left. */
function failHead(exchange: Exchange, within: string, place: string): void {
  const error = timeoutError(exchange, `no response head within ${within}`, place);
  if (exchange.attempt === undefined) exchange.fail(error);
  else exchange.attempt.timedOut(error);
}

function timeoutError(exchange: Exchange, what: string, place: string): GatewayError {
  return new GatewayError('response-timeout', 'upstream', `route "${exchange.routeName}": ${what} (${place})`);
}

function inWords(durationMs: number | undefined): string {
  if (durationMs === undefined) return 'its time';
  return durationMs % 1000 === 0 ? `${durationMs / 1000}s` : `${durationMs}ms`;
}
