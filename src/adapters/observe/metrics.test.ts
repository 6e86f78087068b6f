import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../../testing/fake-clock.ts';
import { HTTP_BUCKETS } from './histogram.ts';
import { PrometheusMetrics } from './metrics.ts';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A strict reader of the exposition format 0.0.4: every family announced once, before its samples, and not torn apart. */
function parse(text: string): { types: Map<string, string>; samples: Sample[] } {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  let family = '';
  assert.ok(text.endsWith('\n'));
  for (const line of text.split('\n').slice(0, -1)) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
    if (type) {
      assert.ok(!types.has(type[1]!), `family ${type[1]} twice`);
      types.set(type[1]!, type[2]!);
      family = type[1]!;
      continue;
    }
    if (/^# HELP \S+ .+$/.test(line) || line === '') continue;
    const sample = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/s.exec(line);
    assert.ok(sample, `no sample: ${line}`);
    const name = sample[1]!;
    const stem = types.get(family) === 'histogram' ? name.replace(/_(bucket|sum|count)$/, '') : name;
    assert.ok(stem === family || types.get(family) === 'summary', `${name} outside its family`);
    const value = sample[3] === '+Inf' ? Number.POSITIVE_INFINITY : Number(sample[3]);
    assert.ok(!Number.isNaN(value) || sample[3] === 'NaN', line);
    const key = `${name}{${sample[2] ?? ''}}`;
    assert.ok(!seen.has(key), `series twice: ${key}`);
    seen.add(key);
    samples.push({ name, labels: parseLabels(sample[2] ?? ''), value });
  }
  return { types, samples };
}

function parseLabels(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  let rest = text;
  while (rest !== '') {
    const pair = /^([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=.)|$)/s.exec(rest);
    assert.ok(pair, `no labels: ${rest}`);
    found[pair[1]!] = pair[2]!.replace(/\\(.)/g, (_, character) => (character === 'n' ? '\n' : character));
    rest = rest.slice(pair[0].length);
  }
  return found;
}

function metricsUnderTest(): PrometheusMetrics {
  return new PrometheusMetrics({ version: '9.8.7', clock: new FakeClock() });
}

function value(text: string, name: string, labels: Record<string, string> = {}): number | undefined {
  const found = parse(text).samples.filter(
    (sample) => sample.name === name && Object.entries(labels).every(([key, wanted]) => sample.labels[key] === wanted),
  );
  assert.ok(found.length <= 1, `${found.length} series of ${name}`);
  return found[0]?.value;
}

test('everything that was counted is in the text, under the documented names and labels', () => {
  const metrics = metricsUnderTest();
  const route = metrics.route('orders');
  route.inFlight = 3;
  route.finished('GET', 200, '', 0.003, 0.00002, 10, 100);
  route.finished('GET', 200, '', 0.3, 0.00002, 10, 100);
  route.finished('POST', 429, 'RL', 0.001, 0.001, 5, 50);
  route.finished('PROPFIND', 207, '', 1, 0, 0, 0);
  metrics.listener('127.0.0.1:8080').connections = 7;
  metrics.untrustedForwarded();
  const limit = metrics.limit('per-client', 'orders');
  limit.decided('allowed', 'strict');
  limit.decided('denied', 'local');
  limit.decisionDuration(0.0003);
  metrics.store().up = true;
  for (let command = 0; command < 3; command++) metrics.store().sent();
  metrics.store().command(0.002);
  metrics.fleetSize(4);
  const endpoint = metrics.endpoint('up', '10.0.0.1:9000');
  endpoint.inFlight = 2;
  endpoint.finished(503, 0.02);
  endpoint.finished(0, 1);
  endpoint.state('available', true);
  endpoint.state('ejected', false);
  const upstream = metrics.upstream('up');
  upstream.ejected('consecutive-failures');
  upstream.retried('budget');
  upstream.retryBudgetRatio = 0.25;
  metrics.configLoaded('success', 'abc');
  metrics.configLoaded('failure', undefined);

  const text = metrics.gatewayText();
  const is = (name: string, labels: Record<string, string>, wanted: number) =>
    assert.equal(value(text, `headgate_${name}`, labels), wanted, `${name} ${JSON.stringify(labels)}`);
  is('build_info', { version: '9.8.7' }, 1);
  is('http_requests_total', { route: 'orders', method: 'GET', status: '200', reason: '' }, 2);
  is('http_requests_total', { route: 'orders', method: 'POST', status: '429', reason: 'RL' }, 1);
  is('http_requests_total', { route: 'orders', method: 'OTHER', status: '207', reason: '' }, 1);
  is('http_request_duration_seconds_bucket', { route: 'orders', status_class: '2xx', le: '0.005' }, 1);
  is('http_request_duration_seconds_bucket', { route: 'orders', status_class: '2xx', le: '0.5' }, 2);
  is('http_request_duration_seconds_bucket', { route: 'orders', status_class: '2xx', le: '+Inf' }, 3);
  is('http_request_duration_seconds_count', { route: 'orders', status_class: '4xx' }, 1);
  is('http_requests_in_flight', { route: 'orders' }, 3);
  is('http_request_bytes_total', { route: 'orders' }, 25);
  is('http_response_bytes_total', { route: 'orders' }, 250);
  is('overhead_duration_seconds_bucket', { route: 'orders', le: '0.000025' }, 3);
  is('connections', { listener: '127.0.0.1:8080' }, 7);
  is('untrusted_forwarded_total', {}, 1);
  is('limit_decisions_total', { limit: 'per-client', route: 'orders', outcome: 'allowed', mode: 'strict' }, 1);
  is('limit_decisions_total', { limit: 'per-client', route: 'orders', outcome: 'denied', mode: 'local' }, 1);
  is('limit_decisions_total', { limit: 'per-client', route: 'orders', outcome: 'denied', mode: 'strict' }, 0);
  is('limit_decision_duration_seconds_sum', { limit: 'per-client' }, 0.0003);
  is('store_up', {}, 1);
  is('store_command_duration_seconds_count', {}, 1);
  is('store_commands_total', {}, 3);
  is('fleet_size', {}, 4);
  is('upstream_requests_total', { upstream: 'up', endpoint: '10.0.0.1:9000', status_class: '5xx' }, 1);
  is('upstream_requests_total', { upstream: 'up', endpoint: '10.0.0.1:9000', status_class: 'error' }, 1);
  is('upstream_duration_seconds_sum', { upstream: 'up', endpoint: '10.0.0.1:9000' }, 1.02);
  is('endpoint_up', { upstream: 'up', endpoint: '10.0.0.1:9000' }, 0);
  is('endpoint_state', { upstream: 'up', endpoint: '10.0.0.1:9000', state: 'available' }, 0);
  is('endpoint_state', { upstream: 'up', endpoint: '10.0.0.1:9000', state: 'ejected' }, 1);
  is('endpoint_in_flight', { upstream: 'up', endpoint: '10.0.0.1:9000' }, 2);
  is('ejections_total', { upstream: 'up', reason: 'consecutive-failures' }, 1);
  is('retries_total', { upstream: 'up', outcome: 'budget' }, 1);
  is('retry_budget_ratio', { upstream: 'up' }, 0.25);
  is('config_info', { hash: 'abc' }, 1);
  is('config_reloads_total', { outcome: 'failure' }, 1);
  is('config_reloads_total', { outcome: 'success' }, 0);
  is('config_last_reload_successful', {}, 0);
  is('config_last_reload_timestamp_seconds', {}, new FakeClock().wallUs() / 1e6);
});

test('the same labels give the same handle, and a forgotten endpoint leaves the text', () => {
  const metrics = metricsUnderTest();
  assert.equal(metrics.route('a'), metrics.route('a'));
  assert.equal(metrics.limit('l', 'a'), metrics.limit('l', 'a'));
  metrics.endpoint('up', 'gone:1').finished(200, 1);
  metrics.forgetEndpoint('up', 'gone:1');
  assert.ok(!metrics.gatewayText().includes('gone:1'));
});

const anyDuration = fc.oneof(fc.double({ max: 1e9 }), fc.constantFrom(Number.POSITIVE_INFINITY, Number.NaN, -1));

test('labels are bounded whatever clients and upstreams send', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string(), fc.integer({ min: -1, max: 100_000 }), anyDuration), { minLength: 1 }),
      (requests) => {
        const metrics = metricsUnderTest();
        const route = metrics.route('r');
        for (const [method, status, durationS] of requests) route.finished(method, status, '', durationS, 0, 0, 0);
        const { samples } = parse(metrics.gatewayText());
        const counted = samples.filter((sample) => sample.name === 'headgate_http_requests_total');
        assert.equal(
          counted.reduce((sum, sample) => sum + sample.value, 0),
          requests.length,
        );
        for (const { labels } of counted) {
          assert.match(labels.method!, /^(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|TRACE|CONNECT|OTHER)$/);
          assert.match(labels.status!, /^([1-5]\d\d|OTHER)$/);
        }
        assert.ok(samples.every((sample) => Number.isFinite(sample.value)));
      },
    ),
  );
});

const anyLabel = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\r', 'n', '}', ',', '=') }),
);

test('any label value survives the text', () => {
  fc.assert(
    fc.property(anyLabel, (name) => {
      const metrics = metricsUnderTest();
      metrics.listener(name).connections = 1;
      assert.equal(value(metrics.gatewayText(), 'headgate_connections', { listener: name }), 1);
    }),
  );
});

const anySeconds = fc.oneof(fc.double({ min: 0, max: 20, noNaN: true }), fc.constantFrom(...HTTP_BUCKETS));

test('buckets are cumulative and end in the count', () => {
  fc.assert(
    fc.property(fc.array(anySeconds), (durations) => {
      const metrics = metricsUnderTest();
      const endpoint = metrics.endpoint('u', 'e');
      for (const duration of durations) endpoint.finished(200, duration);
      const buckets = parse(metrics.gatewayText()).samples.filter(
        (sample) => sample.name === 'headgate_upstream_duration_seconds_bucket',
      );
      for (const bucket of buckets) {
        const bound = bucket.labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(bucket.labels.le);
        assert.equal(bucket.value, durations.filter((duration) => duration <= bound).length);
      }
      assert.equal(buckets.at(-1)?.labels.le, '+Inf');
    }),
  );
});

test("the process's own metrics are merged in where they are asked for, CPU since its start", async () => {
  const metrics = metricsUnderTest();
  assert.equal(await metrics.textSoFar(), metrics.gatewayText());
  const { user, system } = process.cpuUsage();
  const { types, samples } = parse(await metrics.text());
  assert.ok(samples.find(({ name }) => name === 'process_cpu_seconds_total')!.value >= (user + system) / 1e6);
  assert.ok(parse(await metrics.textSoFar()).types.has('process_cpu_seconds_total'));
  for (const name of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_seconds', 'nodejs_heap_size_used_bytes']) {
    assert.ok(types.has(name), name);
  }
  assert.ok(types.has('nodejs_gc_duration_seconds'));
});
