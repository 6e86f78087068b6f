// Hot path: the attempt loop. Picks an endpoint, tries, and decides what a failed try means.
import { backoffMs } from '../core/retry/backoff.ts';
import { type AttemptFailure, decideRetry } from '../core/retry/safety.ts';
import { GatewayError } from '../errors.ts';
import type { ResponseHead } from '../http/head.ts';
import type { TunnelEnd } from '../upstream/channel.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { Attempt } from './attempt.ts';
import { armTimer, responseDeadlineMs } from './deadlines.ts';
import type { Exchange } from './exchange.ts';
import { guarded } from './guarded.ts';
import { RequestBody } from './request-body.ts';
import { openTunnel } from './tunnel.ts';

/** Retry-After of answers that another endpoint, or a moment's patience, would cure. */
const SOON_S = 1;

/** Sends the request to an endpoint of `upstream`. */
export function forward(exchange: Exchange, upstream: Upstream): void {
  const { context, route, downstream } = exchange;
  exchange.upstreamName = upstream.name;
  upstream.requested(exchange.arrivedMs);
  if (downstream.requestBody !== undefined) {
    const keep = (route.model.retry?.attempts ?? 1) > 1;
    const limit = route.model.bodyLimitBytes ?? Number.POSITIVE_INFINITY;
    exchange.body = new RequestBody(downstream.requestBody, exchange, limit, keep, exchange.head.expectsContinue);
  }
  const nowMs = context.clock.nowMs();
  exchange.upstreamStartMs = nowMs;
  tryNext(exchange, upstream, undefined, false, nowMs);
}

function tryNext(
  exchange: Exchange,
  upstream: Upstream,
  tried: Endpoint[] | undefined,
  fresh: boolean,
  nowMs: number,
): void {
  const endpoint = upstream.pick(tried);
  if (endpoint === undefined) {
    const detail = `Upstream "${upstream.name}" has no endpoint available.`;
    exchange.fail(new GatewayError('no-endpoint', 'gateway', detail), { retryAfterS: SOON_S });
    return;
  }
  exchange.attempts++;
  exchange.tried = tried;
  exchange.endpointName = endpoint.name;
  const attempt = new Attempt(exchange, upstream, endpoint, nowMs);
  exchange.attempt = attempt;
  armTimer(exchange);
  attempt.start(fresh);
}

/** A response head came: it is passed on, unless its status may be tried again elsewhere. */
export function attemptResponded(attempt: Attempt, head: ResponseHead, bodyLength: number | undefined): void {
  const { exchange } = attempt;
  attempt.reportHead(head.status);
  if (exchange.route.model.retry !== undefined && isRetryStatus(head.status) && mayRetry(attempt, head.status)) {
    attempt.discard('neutral');
    retry(attempt, false);
    return;
  }
  if (exchange.attempts > 1) attempt.upstream.metrics.retried(head.status < 500 ? 'success' : 'failure');
  exchange.body?.forget();
  exchange.onResponseHead();
  exchange.respond(head, bodyLength);
}

function isRetryStatus(status: number): boolean {
  return status === 502 || status === 503 || status === 504;
}

/** An attempt failed without a response that could be passed on whole. */
export function attemptFailed(attempt: Attempt, error: GatewayError, failure: AttemptFailure): void {
  const { exchange } = attempt;
  exchange.attempt = undefined;
  if (exchange.finished) return;
  if (error.kind !== 'overloaded' && mayRetry(attempt, failure)) {
    retry(attempt, failure === 'connect');
    return;
  }
  if (exchange.attempts > 1) attempt.upstream.metrics.retried('failure');
  exchange.upstreamEndMs = exchange.context.clock.nowMs();
  exchange.fail(error, error.failure.status === 503 ? { retryAfterS: SOON_S } : undefined);
}

/** Whether the rules and the budget allow another attempt. A granted one is already paid for. */
function mayRetry(attempt: Attempt, failure: AttemptFailure): boolean {
  const { exchange } = attempt;
  const { retry: rules } = exchange.route.model;
  if (rules === undefined) return false;
  const nowMs = exchange.context.clock.nowMs();
  const decision = decideRetry({
    failure,
    method: exchange.method,
    requestBytesWritten: attempt.sent,
    bodyReplayable: exchange.body === undefined || exchange.body.replayable,
    // A head whose response hooks are still awaited is on its way to the client too.
    responseForwarded: exchange.headSent || exchange.streaming,
    attempts: exchange.attempts,
    maxAttempts: rules.attempts,
    on: rules.on,
    deadlineLeftMs: responseDeadlineMs(exchange) - nowMs,
  });
  if (!decision.retry) return false;
  return !decision.spendsBudget || attempt.upstream.spendRetry(rules.budget, nowMs);
}

function retry(attempt: Attempt, afterConnect: boolean): void {
  const { exchange, upstream, endpoint } = attempt;
  const { context } = exchange;
  const tried = exchange.tried ?? [];
  if (!tried.includes(endpoint)) tried.push(endpoint);
  // A kept connection died: its neighbours are as old, so the next try opens a new one.
  const fresh = attempt.reused;
  const waitMs = fresh && exchange.attempts === 1 ? 0 : backoffMs(exchange.attempts - 1, afterConnect, context.random);
  if (waitMs < 1) {
    tryNext(exchange, upstream, tried, fresh, context.clock.nowMs());
    return;
  }
  exchange.attempt = undefined;
  armTimer(exchange);
  context.clock.after(waitMs, () => {
    if (!exchange.finished) guarded(exchange, () => tryNext(exchange, upstream, tried, fresh, context.clock.nowMs()));
  });
}

/** The endpoint switched protocols: only to the one that the client asked for, and not in HTTP/1.0, which has no 1xx. */
export function attemptTunnelled(attempt: Attempt, head: ResponseHead, end: TunnelEnd): void {
  const { exchange } = attempt;
  const asked = exchange.head.upgrade;
  if (asked === undefined || head.get('upgrade')?.toLowerCase() !== asked || head.version !== 'HTTP/1.1') {
    end.destroy();
    const error = new GatewayError('upstream-protocol', 'upstream', 'The endpoint switched protocols unasked.');
    attempt.onFailure(error, true);
    return;
  }
  attempt.reportHead(101);
  openTunnel(exchange, attempt, head, end);
}
