import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PrometheusMetrics } from '../adapters/observe/metrics.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { isDecided, MergedMetrics } from './metrics-merge.ts';

function metrics(): PrometheusMetrics {
  return new PrometheusMetrics({ version: '1.2.3', clock: new FakeClock(), droppedLogLines: () => 3 });
}

/** One of everything. */
function busy(status: number): PrometheusMetrics {
  const one = metrics();
  one.configLoaded('success', 'abc');
  const route = one.route('a "b"');
  route.inFlight = 2;
  route.finished('GET', status, '', 0.3, 0.001, 5, 7);
  one.endpoint('u', 'e').state(status === 200 ? 'up' : 'down', status === 200);
  one.endpoint('u', 'e').finished(status, 0.2);
  one.upstream('u').ejected('connect');
  one.limit('l', 'a').decided('allowed', 'strict');
  one.limit('l', 'a').decisionDuration(0.0001);
  one.listener(':1').connections = 4;
  one.store().up = status === 200;
  one.fleetSize(2);
  return one;
}

const sampleOf = (text: string, sample: string): number | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(`${sample} `));
  return line === undefined ? undefined : Number(line.slice(sample.length + 1));
};

test('counters, histograms and what is in flight are summed; of states the worst shows; what there is one of is the primary’s', () => {
  const merged = new MergedMetrics();
  const primary = metrics();
  primary.configLoaded('success', 'abc');
  primary.configLoaded('failure', undefined);
  primary.fleetSize(5);
  merged.add(primary.gatewayText(), 'primary');
  merged.add(busy(200).gatewayText(), 'worker');
  merged.add(busy(503).gatewayText(), 'worker');
  const text = merged.toString();
  const route = 'route="a \\"b\\""';
  const expected: [sample: string, value: number | undefined][] = [
    [`headgate_http_requests_total{${route},method="GET",status="200",reason=""}`, 1],
    [`headgate_http_requests_total{${route},method="GET",status="503",reason=""}`, 1],
    [`headgate_http_requests_in_flight{${route}}`, 4],
    [`headgate_http_request_bytes_total{${route}}`, 10],
    [`headgate_http_request_duration_seconds_count{${route},status_class="2xx"}`, 1],
    [`headgate_overhead_duration_seconds_bucket{${route},le="0.001"}`, 2],
    [`headgate_overhead_duration_seconds_sum{${route}}`, 0.002],
    ['headgate_connections{listener=":1"}', 8],
    ['headgate_log_lines_dropped_total', 9],
    ['headgate_limit_decisions_total{limit="l",route="a",outcome="allowed",mode="strict"}', 2],
    ['headgate_store_up', 0],
    ['headgate_endpoint_up{upstream="u",endpoint="e"}', 0],
    ['headgate_endpoint_state{upstream="u",endpoint="e",state="down"}', 1],
    ['headgate_ejections_total{upstream="u",reason="connect"}', 2],
    ['headgate_fleet_size', 5],
    ['headgate_build_info{version="1.2.3"}', 1],
    ['headgate_config_info{hash="abc"}', 1],
    ['headgate_config_reloads_total{outcome="failure"}', 1],
    ['headgate_config_reloads_total{outcome="success"}', 0],
    ['headgate_config_last_reload_successful', 0],
  ];
  for (const [sample, value] of expected) assert.equal(sampleOf(text, sample), value, sample);
  const families = Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name);
  assert.equal(new Set(families).size, families.length, 'a family is there twice');
});

test('of a process that is gone the counters stay, its gauges go', () => {
  const gone = new MergedMetrics();
  gone.addCounters(busy(200).gatewayText());
  gone.addCounters(busy(200).gatewayText());
  const merged = new MergedMetrics();
  merged.add(metrics().gatewayText(), 'primary');
  merged.add(busy(200).gatewayText(), 'worker');
  merged.addAll(gone);
  const text = merged.toString();
  const route = 'route="a \\"b\\""';
  assert.equal(sampleOf(text, `headgate_http_requests_total{${route},method="GET",status="200",reason=""}`), 3);
  assert.equal(sampleOf(text, `headgate_overhead_duration_seconds_count{${route}}`), 3);
  assert.equal(sampleOf(text, `headgate_http_requests_in_flight{${route}}`), 2);
  assert.equal(sampleOf(text, 'headgate_config_reloads_total{outcome="success"}'), 0);
});

test('what one process says comes out as it went in', async () => {
  const text = await busy(200).text();
  const merged = new MergedMetrics();
  merged.add(text, 'primary');
  // The last digit of a number is written in more than one way.
  const lines = (from: string): string[] => from.split('\n').map((line) => line.replace(/ (\S+)$/, ' #'));
  assert.deepEqual(
    lines(merged.toString()),
    lines(text).filter((line, at, all) => line !== '' || at === all.length - 1),
  );
});

test('a value that is no number gives way', () => {
  const merged = new MergedMetrics();
  const of = (value: string): string => `# HELP a b\n# TYPE a gauge\na ${value}\n`;
  for (const value of ['NaN', '2', 'NaN', '-Inf']) merged.add(of(value), 'worker');
  assert.equal(merged.toString(), of('2'));
});

test('of every gauge that the gateway has it is decided how it is merged', async () => {
  const text = await busy(200).text();
  const types = Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name, type]) => [name!, type!] as const);
  assert.ok(types.length > 40);
  const undecided = types.filter(([name, type]) => !isDecided(name, type)).map(([name]) => name);
  assert.deepEqual(undecided, [], 'add them to the table in metrics-merge.ts');
});
