import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EndpointHealth } from './endpoint-health.ts';
import type { OutlierSettings } from './outlier.ts';

const thresholds = { fall: 3, rise: 2 };
const settings: OutlierSettings = {
  consecutiveFailures: 5,
  on: new Set(['connect']),
  baseEjectionMs: 5000,
  maxEjectionMs: 300_000,
  maxEjected: 0.5,
};
const noJitter = (): number => 0;

function check(health: EndpointHealth, ...results: boolean[]): string {
  for (const ok of results) health.checked(ok, 'status 500', thresholds, 0);
  return health.state;
}

function fail(health: EndpointHealth, times: number): boolean {
  let due = false;
  for (let i = 0; i < times; i++) due = health.failed(settings);
  return due;
}

/** Ejected at 0, its time over at 5000. */
function halfOpen(): EndpointHealth {
  const health = new EndpointHealth();
  fail(health, 5);
  health.eject(settings, 'five', noJitter, 0);
  health.endEjection(5000);
  assert.equal(health.state, 'half-open');
  return health;
}

describe('active checks', () => {
  it('unchecked is up and admitted', () => {
    const health = new EndpointHealth();
    assert.equal(health.state, 'up');
    assert.equal(health.admits, true);
  });

  it('the first check decides alone', () => {
    assert.equal(check(new EndpointHealth(), true), 'up');
    assert.equal(check(new EndpointHealth(), false), 'down');
  });

  it('falls after `fall` failures in a row', () => {
    const health = new EndpointHealth();
    assert.equal(check(health, true, false, false), 'up');
    assert.equal(health.suspect, true);
    assert.equal(check(health, true), 'up');
    assert.equal(health.suspect, false);
    assert.equal(check(health, false, false, false), 'down');
    assert.equal(health.admits, false);
    assert.equal(health.reason, 'health check: status 500');
  });

  it('rises after `rise` successes in a row', () => {
    const health = new EndpointHealth();
    assert.equal(check(health, false, true), 'down');
    assert.equal(health.suspect, true);
    assert.equal(check(health, false, true), 'down');
    assert.equal(check(health, true), 'up');
    assert.equal(health.reason, '');
  });

  it('tells changes from repetitions', () => {
    const health = new EndpointHealth();
    assert.equal(health.checked(true, '', thresholds, 0), false);
    assert.equal(health.checked(false, '', { fall: 1, rise: 1 }, 0), true);
    assert.equal(health.checked(false, '', { fall: 1, rise: 1 }, 0), false);
    assert.equal(health.checked(true, '', { fall: 1, rise: 1 }, 0), true);
  });

  it('a check that is configured no more is forgotten', () => {
    const health = new EndpointHealth();
    check(health, false);
    assert.equal(health.uncheck(0), true);
    assert.equal(health.state, 'up');
    assert.equal(check(health, false), 'down');
  });

  it('a good check does not end an ejection, and an ejection does not hide a bad one', () => {
    const health = new EndpointHealth();
    fail(health, 5);
    health.eject(settings, 'five', noJitter, 0);
    assert.equal(check(health, true), 'ejected');
    assert.equal(check(health, false, false, false), 'down');
    assert.equal(check(health, true, true), 'ejected');
  });

  it('who passes its checks again starts with a clean count', () => {
    const health = new EndpointHealth();
    fail(health, 4);
    check(health, false, true, true);
    assert.equal(health.state, 'up');
    assert.equal(fail(health, 4), false);
    assert.equal(fail(health, 1), true);
  });
});

describe('consecutive failures', () => {
  it('the fifth is a case for ejection; any success starts the count anew', () => {
    const health = new EndpointHealth();
    assert.equal(fail(health, 4), false);
    assert.equal(health.suspect, true);
    assert.equal(health.succeeded(), false);
    assert.equal(health.suspect, false);
    assert.equal(fail(health, 4), false);
    assert.equal(fail(health, 1), true);
  });

  it('one that is kept in spite of it is a case again at the next failure', () => {
    const health = new EndpointHealth();
    assert.equal(fail(health, 5), true);
    assert.equal(fail(health, 1), true);
  });

  it('ejection takes it out for its time', () => {
    const health = new EndpointHealth();
    fail(health, 5);
    assert.equal(health.eject(settings, 'five', noJitter, 0), 5000);
    assert.equal(health.state, 'ejected');
    assert.equal(health.admits, false);
    assert.equal(health.reason, 'five');
    assert.equal(health.succeeded(), false, 'a request from before proves nothing');
    assert.equal(health.state, 'ejected');
    assert.equal(fail(health, 9), false, 'it is out already');
  });

  it('the healthy time between two ejections shortens the second', () => {
    const length = (healthyMs: number): number => {
      const health = halfOpen();
      health.readmit(6000);
      return health.eject(settings, 'again', noJitter, 6000 + healthyMs);
    };
    assert.equal(length(29_000), 10_000);
    assert.equal(length(31_000), 5000);
  });
});

describe('half-open', () => {
  it('admits one request until its result', () => {
    const health = halfOpen();
    assert.equal(health.admits, true);
    assert.equal(health.begun(), true);
    assert.equal(health.admits, false);
    assert.equal(health.begun(), false);
  });

  it('a success brings it back', () => {
    const health = halfOpen();
    health.begun();
    assert.equal(health.succeeded(), true);
    assert.equal(health.readmit(6000), true);
    assert.equal(health.state, 'up');
    assert.equal(health.admits, true);
    assert.equal(fail(health, 4), false, 'the old failures are forgotten');
  });

  it('one failure is a case for the next ejection, twice as long', () => {
    const health = halfOpen();
    health.begun();
    assert.equal(health.failed(settings), true);
    assert.equal(health.eject(settings, 'again', noJitter, 6000), 10_000);
    assert.equal(health.state, 'ejected');
  });

  it('a client that leaves proves nothing: the next request is the trial', () => {
    const health = halfOpen();
    health.begun();
    assert.equal(health.endedNeutral(), true);
    assert.equal(health.admits, true);
    assert.equal(health.endedNeutral(), false);
  });

  it('no trial is waited for that ended while the check said down', () => {
    for (const end of ['failed', 'endedNeutral', 'succeeded'] as const) {
      const health = halfOpen();
      health.begun();
      check(health, false);
      if (end === 'succeeded' && health.succeeded()) health.readmit(0);
      if (end === 'failed') assert.equal(health.failed(settings), false);
      if (end === 'endedNeutral') health.endedNeutral();
      check(health, true, true);
      assert.equal(health.admits, true, end);
    }
  });
});
