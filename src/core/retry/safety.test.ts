import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AttemptFailure, decideRetry, type FailedAttempt, isIdempotent, type RetryEvent } from './safety.ts';

const EVERYTHING: ReadonlySet<RetryEvent> = new Set(['connect', 'refused', 'reset', 502, 503, 504]);

const attempt = (failure: AttemptFailure, more: Partial<FailedAttempt> = {}): FailedAttempt => ({
  failure,
  method: 'GET',
  requestBytesWritten: failure !== 'connect',
  bodyReplayable: true,
  responseForwarded: false,
  attempts: 1,
  maxAttempts: 2,
  on: EVERYTHING,
  deadlineLeftMs: Number.POSITIVE_INFINITY,
  ...more,
});

const FAILURES: readonly AttemptFailure[] = [
  'connect',
  'refused',
  'reset',
  'timeout',
  'protocol',
  500,
  501,
  502,
  503,
  504,
  505,
  429,
];
const WITH_POLICY: readonly AttemptFailure[] = ['connect', 'refused', 'reset', 'timeout', 'protocol', 502, 503, 504];

describe('what may be retried', () => {
  it('idempotent methods are those of RFC 9110 §9.2.2', () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']) assert.equal(isIdempotent(method), true);
    for (const method of ['POST', 'PATCH', 'CONNECT', 'LOCK', 'get', 'PURGE'])
      assert.equal(isIdempotent(method), false);
  });

  it('with an idempotent method: every failure that has an entry in `retry.on`', () => {
    for (const failure of FAILURES) {
      assert.equal(decideRetry(attempt(failure)).retry, WITH_POLICY.includes(failure), String(failure));
    }
  });

  it('with any other method, once bytes were written: only what the endpoint said it did not process', () => {
    for (const method of ['POST', 'PATCH', 'LOCK']) {
      for (const failure of FAILURES) {
        const decision = decideRetry(attempt(failure, { method, requestBytesWritten: true }));
        assert.equal(decision.retry, failure === 'refused', `${method} ${failure}`);
      }
    }
  });

  it('with any method, when no byte was written: a connection that could not be had or was gone', () => {
    for (const method of ['GET', 'POST']) {
      const connect = decideRetry(attempt('connect', { method, requestBytesWritten: false }));
      assert.deepEqual(connect, { retry: true, why: 'retry', spendsBudget: false });
      const reset = decideRetry(attempt('reset', { method, requestBytesWritten: false }));
      assert.deepEqual(reset, { retry: true, why: 'retry', spendsBudget: true });
    }
    assert.equal(decideRetry(attempt('timeout', { method: 'POST', requestBytesWritten: false })).why, 'not-idempotent');
  });

  it('only the failure to connect with no byte written is free', () => {
    for (const failure of WITH_POLICY) {
      assert.equal(decideRetry(attempt(failure)).spendsBudget, failure !== 'connect', String(failure));
    }
    assert.equal(decideRetry(attempt('connect', { requestBytesWritten: true })).spendsBudget, true);
  });

  it('never past a forwarded response, a lost body, the deadline or the last attempt, whatever failed', () => {
    const reasons: [Partial<FailedAttempt>, string][] = [
      [{ responseForwarded: true }, 'response-forwarded'],
      [{ bodyReplayable: false }, 'body-not-replayable'],
      [{ deadlineLeftMs: 0 }, 'deadline-passed'],
      [{ deadlineLeftMs: -5 }, 'deadline-passed'],
      [{ attempts: 2 }, 'attempts-used'],
      [{ attempts: 1, maxAttempts: 1 }, 'attempts-used'],
    ];
    for (const [more, why] of reasons) {
      for (const failure of WITH_POLICY) {
        assert.deepEqual(decideRetry(attempt(failure, more)), { retry: false, why, spendsBudget: false });
      }
    }
  });

  it('only what the route lists; a late head is a 504 and invalid HTTP a 502', () => {
    const governing: [AttemptFailure, RetryEvent][] = [
      ['connect', 'connect'],
      ['refused', 'refused'],
      ['reset', 'reset'],
      ['timeout', 504],
      ['protocol', 502],
      [502, 502],
      [503, 503],
      [504, 504],
    ];
    for (const [failure, event] of governing) {
      const others = new Set([...EVERYTHING].filter((other) => other !== event));
      assert.equal(decideRetry(attempt(failure, { on: others })).why, 'not-listed', String(failure));
      assert.equal(decideRetry(attempt(failure, { on: new Set([event]) })).retry, true, String(failure));
    }
  });
});
