import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../core/random.ts';
import type { EndpointMetrics, Log, Metrics, UpstreamMetrics } from '../ports.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import type { EndpointPool } from './pool.ts';
import type { ProbeResult, Prober } from './prober.ts';
import { Upstream } from './upstream.ts';
import type { EndpointModel, HealthCheckModel, OutlierModel, UpstreamModel } from './upstream-model.ts';
import { Upstreams } from './upstreams.ts';

const outliers: OutlierModel = {
  consecutiveFailures: 5,
  on: new Set(['connect', 'reset', 'timeout', 502, 503, 504]),
  baseEjectionMs: 5000,
  maxEjectionMs: 300_000,
  maxEjected: 0.5,
};

const httpCheck: HealthCheckModel = {
  type: 'http',
  path: '/healthz',
  intervalMs: 5000,
  timeoutMs: 2000,
  fall: 3,
  rise: 2,
  status: [[200, 399]],
  port: undefined,
  host: undefined,
  headers: {},
};

function endpointModel(port: number, weight = 1): EndpointModel {
  const authority = `10.0.0.1:${port}`;
  return { name: authority, address: { kind: 'tcp', host: '10.0.0.1', port, authority }, weight };
}

function upstreamModel(more: Partial<UpstreamModel> = {}): UpstreamModel {
  return {
    name: 'orders',
    endpoints: [1, 2, 3].map((port) => endpointModel(port)),
    host: { kind: 'keep' },
    balance: 'round-robin',
    healthCheck: undefined,
    outlierDetection: outliers,
    connectTimeoutMs: 1000,
    idleTimeoutMs: 4000,
    maxConnections: 256,
    ...more,
  };
}

interface EndpointRecord extends EndpointMetrics {
  states: string[];
}

/** The ports around an upstream, each recording what it is told. */
function world() {
  const clock = new FakeClock();
  const lines: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  const line =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}) => {
      lines.push({ level, message, fields });
    };
  const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  const endpoints = new Map<string, EndpointRecord>();
  const ejected: string[] = [];
  const retried: string[] = [];
  const forgotten: string[] = [];
  const upstream: UpstreamMetrics = {
    ejected: (reason) => ejected.push(reason),
    retried: (outcome) => retried.push(outcome),
    retryBudgetRatio: 0,
  };
  const endpoint = (upstreamName: string, name: string): EndpointRecord => {
    const key = `${upstreamName}/${name}`;
    const record = endpoints.get(key) ?? newRecord();
    endpoints.set(key, record);
    return record;
  };
  const metrics = {
    upstream: () => upstream,
    endpoint,
    forgetEndpoint: (upstreamName: string, name: string) => forgotten.push(`${upstreamName}/${name}`),
  } as unknown as Metrics;
  const prober = new ScriptedProber();
  const deps = { clock, random: seededRandom(7), log, metrics, prober };
  return { clock, lines, endpoints, ejected, retried, forgotten, upstream, prober, deps };
}

function newRecord(): EndpointRecord {
  const states: string[] = [];
  return { states, inFlight: 0, finished: () => {}, state: (state, up) => states.push(`${state} ${up}`) };
}

/** Answers at once with what was last said of the port; `probes` counts. */
class ScriptedProber implements Prober {
  readonly answers = new Map<number, boolean>();
  readonly probes: number[] = [];

  async probe(address: EndpointAddress): Promise<ProbeResult> {
    const port = address.kind === 'tcp' ? address.port : 0;
    this.probes.push(port);
    const ok = this.answers.get(port) ?? true;
    return { ok, detail: ok ? 'status 200' : 'status 500', durationMs: 0 };
  }
}

/** A pool that only notes how it was treated. */
function spyPool(): { pool: EndpointPool; closed: () => number; options: unknown[] } {
  let closed = 0;
  const options: unknown[] = [];
  const pool = {
    open: 3,
    idle: 2,
    close: () => closed++,
    reconfigure: (model: unknown) => options.push(model),
    moveTo: () => {},
  };
  return { pool: pool as unknown as EndpointPool, closed: () => closed, options };
}

/** Attempts on the endpoint at `index` with the same outcome. */
function attempts(
  upstream: Upstream,
  index: number,
  outcome: 'success' | 'connect' | 502 | 'neutral',
  count: number,
): void {
  const endpoint = upstream.endpoints[index]!;
  for (let i = 0; i < count; i++) {
    upstream.begin(endpoint);
    upstream.end(endpoint, outcome);
  }
}

/** Names of the endpoints that 60 picks reach. */
function reached(upstream: Upstream): string {
  const ports = new Set<number>();
  for (let i = 0; i < 60; i++) {
    const address = upstream.pick(undefined)?.model.address;
    if (address?.kind === 'tcp') ports.add(address.port);
  }
  return [...ports].sort().join(' ');
}

describe('upstream: picking and counting', () => {
  it('counts in flight from begin to end, for the metrics too', () => {
    const { deps, endpoints } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    const endpoint = upstream.pick(undefined)!;
    upstream.begin(endpoint);
    upstream.begin(endpoint);
    assert.equal(endpoint.inFlight, 2);
    assert.equal(endpoints.get(`orders/${endpoint.name}`)?.inFlight, 2);
    upstream.end(endpoint, 'success', 20);
    upstream.end(endpoint, 'neutral');
    assert.equal(endpoint.inFlight, 0);
    assert.equal(endpoints.get(`orders/${endpoint.name}`)?.inFlight, 0);
    assert.equal(endpoint.latencyMs, 20);
  });

  it('retries elsewhere, and on the same where there is no other', () => {
    const { deps } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    const [a, b, c] = upstream.endpoints;
    assert.equal(upstream.pick([a!, b!]), c);
    assert.ok(upstream.pick([a!, b!, c!]) !== undefined);
  });

  it('has nothing to pick only where no endpoint has a weight', () => {
    const { deps } = world();
    assert.equal(new Upstream(upstreamModel({ endpoints: [] }), deps).pick(undefined), undefined);
    const drained = upstreamModel({ endpoints: [endpointModel(1, 0)] });
    assert.equal(new Upstream(drained, deps).pick(undefined), undefined);
  });

  it('shows itself', () => {
    const { deps } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    attempts(upstream, 0, 'connect', 5);
    upstream.endpoints[1]!.pool = spyPool().pool;
    const view = upstream.view();
    assert.deepEqual(
      [view.name, view.balance, view.panic, view.healthy, view.total],
      ['orders', 'round-robin', false, 2, 3],
    );
    const [ejected, up] = view.endpoints;
    assert.equal(ejected?.state, 'ejected');
    assert.equal(ejected?.reason, '5 consecutive failures, the last: connect');
    assert.ok((ejected?.ejectedForMs ?? 0) >= 5000 && (ejected?.ejectedForMs ?? 0) <= 6250);
    assert.deepEqual(up?.connections, { open: 3, idle: 2 });
    assert.deepEqual([up?.state, up?.reason, up?.latencyMs, up?.ejectedForMs], ['up', '', null, null]);
  });
});

describe('upstream: ejection', () => {
  it('five consecutive failures take an endpoint out, a success in between does not', () => {
    const { deps, ejected, lines, endpoints } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    attempts(upstream, 0, 502, 4);
    attempts(upstream, 0, 'success', 1);
    attempts(upstream, 0, 502, 4);
    assert.equal(reached(upstream), '1 2 3');
    attempts(upstream, 0, 502, 1);
    assert.equal(reached(upstream), '2 3');
    assert.deepEqual(ejected, ['consecutive_failures']);
    assert.deepEqual(endpoints.get('orders/10.0.0.1:1')?.states, ['up true', 'ejected false']);
    const [line] = lines;
    assert.deepEqual([lines.length, line?.level, line?.message], [1, 'warn', 'endpoint ejected']);
    assert.equal(line?.fields.reason, '5 consecutive failures, the last: 502');
  });

  it('the share holds: of three only one goes', () => {
    const { deps } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    for (const index of [0, 1, 2]) attempts(upstream, index, 'connect', 20);
    assert.equal(reached(upstream), '2 3');
  });

  it('after its time one request tests it: success brings it back', async () => {
    const { deps, clock, lines } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    attempts(upstream, 0, 'connect', 5);
    await clock.advance(4999);
    assert.equal(reached(upstream), '2 3');
    await clock.advance(1252);
    assert.equal(upstream.endpoints[0]!.health.state, 'half-open');
    assert.equal(reached(upstream), '1 2 3');
    upstream.begin(upstream.endpoints[0]!);
    assert.equal(reached(upstream), '2 3', 'no second request until the first has its result');
    upstream.report(upstream.endpoints[0]!, 'success');
    assert.equal(reached(upstream), '1 2 3');
    upstream.end(upstream.endpoints[0]!, 'neutral');
    assert.equal(upstream.endpoints[0]!.health.state, 'up');
    assert.equal(lines.at(-1)?.message, 'endpoint is back');
  });

  it('a failed test ejects again at once, for twice the time', async () => {
    const { deps, clock, ejected } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    attempts(upstream, 0, 'connect', 5);
    await clock.advance(6250);
    attempts(upstream, 0, 502, 1);
    assert.deepEqual(ejected, ['consecutive_failures', 'half_open']);
    await clock.advance(9999);
    assert.equal(upstream.endpoints[0]!.health.state, 'ejected');
    await clock.advance(2502);
    assert.equal(upstream.endpoints[0]!.health.state, 'half-open');
  });

  it('a client that leaves during the test frees it for the next', async () => {
    const { deps, clock } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    attempts(upstream, 0, 'connect', 5);
    await clock.advance(6250);
    upstream.begin(upstream.endpoints[0]!);
    assert.equal(reached(upstream), '2 3');
    upstream.end(upstream.endpoints[0]!, 'neutral');
    assert.equal(reached(upstream), '1 2 3');
  });

  it('is off where the configuration says so', () => {
    const { deps } = world();
    const upstream = new Upstream(upstreamModel({ outlierDetection: undefined }), deps);
    attempts(upstream, 0, 'connect', 100);
    assert.equal(reached(upstream), '1 2 3');
  });
});

describe('upstream: health checks', () => {
  it('an endpoint that fails its first check is out within a second; two good checks bring it back', async () => {
    const { deps, clock, prober, lines, endpoints } = world();
    prober.answers.set(2, false);
    const upstream = new Upstream(upstreamModel({ healthCheck: httpCheck }), deps);
    assert.equal(reached(upstream), '1 2 3', 'unchecked is admitted');
    upstream.start();
    await clock.advance(1000);
    assert.equal(reached(upstream), '1 3');
    assert.deepEqual(lines.at(-1)?.fields, {
      upstream: 'orders',
      endpoint: '10.0.0.1:2',
      reason: 'health check: status 500',
    });
    prober.answers.set(2, true);
    await clock.advance(6000 + 1200);
    assert.equal(reached(upstream), '1 2 3');
    assert.deepEqual(endpoints.get('orders/10.0.0.1:2')?.states, ['up true', 'down false', 'up true']);
    upstream.stop();
    assert.equal(clock.pending, 0);
  });

  it('where too few are healthy all are used, and that is logged once each way', async () => {
    const { deps, clock, prober, lines } = world();
    for (const port of [1, 2, 3]) prober.answers.set(port, false);
    const upstream = new Upstream(upstreamModel({ healthCheck: httpCheck }), deps);
    upstream.start();
    await clock.advance(1000);
    assert.equal(reached(upstream), '1 2 3');
    assert.equal(upstream.view().panic, true);
    for (const port of [1, 2, 3]) prober.answers.set(port, true);
    await clock.advance(20_000);
    assert.equal(upstream.view().panic, false);
    const panics = lines.map(({ message }) => message).filter((message) => message.includes('healthy endpoints'));
    assert.deepEqual(panics, ['too few healthy endpoints: all are used', 'enough healthy endpoints again']);
    upstream.stop();
  });

  it('two live failures in a row bring the next check forward', async () => {
    const { deps, clock, prober } = world();
    const upstream = new Upstream(upstreamModel({ healthCheck: httpCheck }), deps);
    upstream.start();
    await clock.advance(2000);
    prober.probes.length = 0;
    attempts(upstream, 0, 'connect', 2);
    await clock.advance(0);
    assert.deepEqual(prober.probes, [1]);
    await clock.advance(1200);
    assert.ok(prober.probes.filter((port) => port === 1).length >= 2, 'and the one after comes fast');
    upstream.stop();
  });
});

describe('upstream: retry budget', () => {
  it('counts refusals and shows its use until the window is empty', async () => {
    const { deps, clock, retried, upstream: metrics } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    for (let i = 0; i < 100; i++) upstream.requested(clock.nowMs());
    let granted = 0;
    while (upstream.spendRetry(0.1, clock.nowMs())) granted += 1;
    assert.equal(granted, 40);
    assert.deepEqual(retried, ['budget']);
    assert.equal(metrics.retryBudgetRatio, 1);
    await clock.advance(11_000);
    assert.equal(metrics.retryBudgetRatio, 0);
    assert.equal(clock.pending, 0);
  });
});

describe('upstream: reload', () => {
  it('keeps health, ejections and requests in flight of what is still there', async () => {
    const { deps, clock } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    attempts(upstream, 0, 'connect', 5);
    const [a, b] = upstream.endpoints;
    upstream.begin(b!);
    upstream.reconfigure(upstreamModel({ endpoints: [endpointModel(4), endpointModel(2, 5), endpointModel(1)] }));
    assert.deepEqual(upstream.endpoints.slice(1), [b, a]);
    assert.equal(a!.health.state, 'ejected');
    assert.deepEqual([b!.inFlight, b!.weight], [1, 5]);
    assert.equal(reached(upstream), '2 4');
    await clock.advance(6250);
    assert.equal(reached(upstream), '1 2 4');
  });

  it('new weights are in force at once', () => {
    const { deps } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    upstream.reconfigure(upstreamModel({ endpoints: [endpointModel(1, 8), endpointModel(2), endpointModel(3)] }));
    let first = 0;
    for (let i = 0; i < 100; i++) if (upstream.pick(undefined) === upstream.endpoints[0]) first += 1;
    assert.equal(first, 80);
  });

  it('so is a new balancer', () => {
    const { deps } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    upstream.reconfigure(upstreamModel({ balance: 'least-request' }));
    for (let i = 0; i < 5; i++) upstream.begin(upstream.endpoints[0]!);
    assert.equal(reached(upstream), '2 3');
  });

  it('a stop leaves no timer, whatever was going on', () => {
    const { deps, clock } = world();
    const upstream = new Upstream(upstreamModel({ healthCheck: httpCheck }), deps);
    upstream.start();
    attempts(upstream, 0, 'connect', 5);
    upstream.begin(upstream.endpoints[0]!);
    upstream.spendRetry(0.1, clock.nowMs());
    upstream.stop();
    assert.equal(clock.pending, 0);
  });

  it('closes what is gone: at once when idle, else when its last request ended', () => {
    const { deps, forgotten } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    const [idle, busy] = upstream.endpoints;
    const pools = [spyPool(), spyPool()];
    idle!.pool = pools[0]!.pool;
    busy!.pool = pools[1]!.pool;
    upstream.begin(busy!);
    upstream.begin(busy!);
    upstream.reconfigure(upstreamModel({ endpoints: [endpointModel(3)] }));
    assert.deepEqual([pools[0]!.closed(), pools[1]!.closed()], [1, 0]);
    upstream.end(busy!, 'success');
    assert.equal(pools[1]!.closed(), 0);
    upstream.end(busy!, 'connect');
    assert.equal(pools[1]!.closed(), 1);
    assert.deepEqual(forgotten, ['orders/10.0.0.1:1', 'orders/10.0.0.1:2']);
  });

  it('what comes back while requests to it still run is what it was', () => {
    const { deps, forgotten } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    const gone = upstream.endpoints[0]!;
    const { pool, closed } = spyPool();
    gone.pool = pool;
    upstream.begin(gone);
    upstream.reconfigure(upstreamModel({ endpoints: [endpointModel(2)] }));
    upstream.reconfigure(upstreamModel());
    assert.equal(upstream.endpoints[0], gone);
    upstream.end(gone, 'success');
    assert.deepEqual([closed(), gone.retired, forgotten], [0, false, ['orders/10.0.0.1:3']]);
  });

  it('hands kept pools the new timeouts', () => {
    const { deps } = world();
    const upstream = new Upstream(upstreamModel(), deps);
    const { pool, options } = spyPool();
    upstream.endpoints[0]!.pool = pool;
    const next = upstreamModel({ maxConnections: 9 });
    upstream.reconfigure(next);
    assert.deepEqual(options, [next]);
  });

  it('outlier detection and checks that are switched off keep nobody out', async () => {
    const { deps, clock, prober } = world();
    prober.answers.set(2, false);
    const upstream = new Upstream(upstreamModel({ healthCheck: httpCheck }), deps);
    upstream.start();
    await clock.advance(1000);
    attempts(upstream, 0, 'connect', 5);
    assert.equal(reached(upstream), '3');
    upstream.reconfigure(upstreamModel({ outlierDetection: undefined }));
    assert.equal(reached(upstream), '1 2 3');
    assert.equal(clock.pending, 0);
  });

  it('an unchanged check goes on in its rhythm, a changed one starts anew', async () => {
    const { deps, clock, prober } = world();
    const upstream = new Upstream(upstreamModel({ healthCheck: httpCheck }), deps);
    upstream.start();
    await clock.advance(1000);
    prober.probes.length = 0;
    upstream.reconfigure(upstreamModel({ healthCheck: { ...httpCheck } }));
    await clock.advance(1000);
    assert.deepEqual(prober.probes, []);
    upstream.reconfigure(upstreamModel({ healthCheck: { ...httpCheck, path: '/other' } }));
    await clock.advance(1000);
    assert.deepEqual([...prober.probes].sort(), [1, 2, 3]);
    upstream.reconfigure(
      upstreamModel({ healthCheck: { ...httpCheck, path: '/other' }, endpoints: [endpointModel(9)] }),
    );
    prober.probes.length = 0;
    await clock.advance(10_000);
    assert.deepEqual(new Set(prober.probes), new Set([9]));
    upstream.stop();
  });

  it('an address that is listed twice is two endpoints', () => {
    const { deps } = world();
    const twice = upstreamModel({ endpoints: [endpointModel(1), endpointModel(1)] });
    const upstream = new Upstream(twice, deps);
    const before = [...upstream.endpoints];
    assert.notEqual(before[0], before[1]);
    upstream.reconfigure(twice);
    assert.deepEqual(upstream.endpoints, before);
  });
});

describe('the set of upstreams', () => {
  const models = (...names: string[]) =>
    new Map(names.map((name) => [name, upstreamModel({ name, healthCheck: httpCheck })]));

  it('keeps what stays, starts what is new, stops what is gone', async () => {
    const { deps, clock, prober } = world();
    const upstreams = new Upstreams(models('a', 'b'), deps);
    upstreams.start();
    const b = upstreams.get('b');
    upstreams.reconfigure(models('b', 'c'));
    assert.equal(upstreams.get('a'), undefined);
    assert.equal(upstreams.get('b'), b);
    assert.deepEqual(
      upstreams.views().map(({ name }) => name),
      ['b', 'c'],
    );
    await clock.advance(1000);
    assert.equal(prober.probes.length, 6, 'b and c are checked, a is not');
    upstreams.stop();
    assert.equal(clock.pending, 0);
  });

  it('a request that found an upstream before it was gone still picks, ends, and closes', () => {
    const { deps } = world();
    const upstreams = new Upstreams(models('a'), deps);
    const a = upstreams.get('a')!;
    upstreams.reconfigure(models());
    const endpoint = a.pick(undefined)!;
    const { pool, closed } = spyPool();
    endpoint.pool = pool;
    a.begin(endpoint);
    a.end(endpoint, 'success');
    assert.equal(closed(), 1);
  });

  it('a trial under way does not take an upstream that is gone from those who found it before', async () => {
    const { deps, clock } = world();
    const upstreams = new Upstreams(models('a'), deps);
    const a = upstreams.get('a')!;
    const endpoint = a.endpoints[0]!;
    attempts(a, 0, 'connect', 5);
    await clock.advance(6250);
    assert.equal(endpoint.health.state, 'half-open');
    upstreams.reconfigure(models());
    a.begin(endpoint);
    assert.equal(reached(a), '1 2 3');
    a.end(endpoint, 'neutral');
  });

  it('an ejection ends while the name of its upstream is gone too', async () => {
    const { deps, clock } = world();
    const upstreams = new Upstreams(models('a'), deps);
    const a = upstreams.get('a')!;
    const endpoint = a.endpoints[0]!;
    a.begin(endpoint);
    attempts(a, 0, 'connect', 5);
    assert.equal(endpoint.health.state, 'ejected');
    upstreams.reconfigure(models());
    await clock.advance(1000);
    upstreams.reconfigure(models('a'));
    await clock.advance(6250);
    assert.equal(endpoint.health.state, 'half-open');
    a.end(endpoint, 'success');
    upstreams.stop();
    assert.equal(clock.pending, 0);
  });

  it('a name that comes back while requests still run is what it was', () => {
    const { deps } = world();
    const upstreams = new Upstreams(models('a'), deps);
    const a = upstreams.get('a')!;
    const endpoint = a.pick(undefined)!;
    a.begin(endpoint);
    upstreams.reconfigure(models('b'));
    upstreams.reconfigure(models('a', 'b'));
    assert.equal(upstreams.get('a'), a);
    assert.ok(a.endpoints.includes(endpoint));
    a.end(endpoint, 'success');
    assert.equal(endpoint.retired, false);
    upstreams.reconfigure(models('b'));
    upstreams.reconfigure(models('a', 'b'));
    assert.notEqual(upstreams.get('a'), undefined);
    upstreams.stop();
  });
});
