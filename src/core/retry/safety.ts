/** Values of `retry.on`: what a route lets be tried again. */
export type RetryEvent = 'connect' | 'refused' | 'reset' | 502 | 503 | 504;

/**
 * How an attempt failed: `connect` (refused, timed out, name or TLS failed), `refused` (the endpoint said that it did not
 * process the request: HTTP/2 REFUSED_STREAM, or a stream past GOAWAY, RFC 9113 §8.7), `reset` (closed before the response
 * head was whole), `timeout` (no response head in time), `protocol` (invalid HTTP), or the status of its response.
 */
export type AttemptFailure = 'connect' | 'refused' | 'reset' | 'timeout' | 'protocol' | number;

/** All that the decision looks at. */
export interface FailedAttempt {
  readonly failure: AttemptFailure;
  readonly method: string;
  /** Whether any byte of the request was handed to the connection. */
  readonly requestBytesWritten: boolean;
  /** Whether the whole body can be sent again: there is none, none of it was read yet, or all that was read is kept. */
  readonly bodyReplayable: boolean;
  /** Whether the head of a response was already passed on to the client. */
  readonly responseForwarded: boolean;
  /** Attempts made, this one included. */
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly on: ReadonlySet<RetryEvent>;
  /** Until the request's deadline; Infinity where there is none. */
  readonly deadlineLeftMs: number;
}

export type RetryVerdict =
  | 'retry'
  | 'response-forwarded'
  | 'body-not-replayable'
  | 'deadline-passed'
  | 'attempts-used'
  | 'not-listed'
  | 'not-idempotent';

export interface RetryDecision {
  readonly retry: boolean;
  /** Why (not), for the log. */
  readonly why: RetryVerdict;
  /** Whether the retry needs a place in the upstream's budget. */
  readonly spendsBudget: boolean;
}

const RETRY: RetryDecision = { retry: true, why: 'retry', spendsBudget: true };
const RETRY_FREE: RetryDecision = { retry: true, why: 'retry', spendsBudget: false };
const RESPONSE_FORWARDED: RetryDecision = { retry: false, why: 'response-forwarded', spendsBudget: false };
const BODY_NOT_REPLAYABLE: RetryDecision = { retry: false, why: 'body-not-replayable', spendsBudget: false };
const DEADLINE_PASSED: RetryDecision = { retry: false, why: 'deadline-passed', spendsBudget: false };
const ATTEMPTS_USED: RetryDecision = { retry: false, why: 'attempts-used', spendsBudget: false };
const NOT_LISTED: RetryDecision = { retry: false, why: 'not-listed', spendsBudget: false };
const NOT_IDEMPOTENT: RetryDecision = { retry: false, why: 'not-idempotent', spendsBudget: false };

/** RFC 9110 §9.2.2: the same effect however often. A proxy must not repeat any other by itself. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/**
 * Whether a failed attempt may be made again, so that nothing can run twice:
 *
 * | failure | any method | idempotent methods |
 * |---|---|---|
 * | `connect`; `reset` with no byte of the request written; `refused` | yes | yes |
 * | `reset`, `timeout`, `protocol`, 502, 503, 504 once bytes were written | no | yes |
 * | any other status | no | no |
 *
 * and never when a response was passed on, the body is gone, the deadline passed, the attempts are used up or the route
 * does not list the event. "Nothing came back" does not prove "nothing was done", on a fresh connection as on a reused
 * one: hence bytes written, not bytes read, decide. Where `spendsBudget`, the caller must still get a place in the retry budget; a failure to connect with no byte
 * written costs the upstream nothing and needs none.
 */
export function decideRetry(attempt: FailedAttempt): RetryDecision {
  const event = eventOf(attempt.failure);
  if (event === undefined || !attempt.on.has(event)) return NOT_LISTED;
  if (attempt.responseForwarded) return RESPONSE_FORWARDED;
  if (!attempt.bodyReplayable) return BODY_NOT_REPLAYABLE;
  if (attempt.deadlineLeftMs <= 0) return DEADLINE_PASSED;
  if (attempt.attempts >= attempt.maxAttempts) return ATTEMPTS_USED;
  if (!attempt.requestBytesWritten && attempt.failure === 'connect') return RETRY_FREE;
  if (!attempt.requestBytesWritten && attempt.failure === 'reset') return RETRY;
  if (attempt.failure === 'refused') return RETRY;
  return isIdempotent(attempt.method) ? RETRY : NOT_IDEMPOTENT;
}

/** The entry of `retry.on` that governs a failure: what the client would be answered where there is no name of its own. */
function eventOf(failure: AttemptFailure): RetryEvent | undefined {
  switch (failure) {
    case 'timeout':
      return 504;
    case 'protocol':
      return 502;
    case 'connect':
    case 'refused':
    case 'reset':
    case 502:
    case 503:
    case 504:
      return failure;
    default:
      return undefined;
  }
}
