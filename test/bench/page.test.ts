import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from '../kit/cli.ts';

// The benchmark is plain JavaScript and stands outside the project's types.
const load = (name: string) => import(join(REPOSITORY, 'bench', name));
const { verdicts } = await load('goals.mjs');
const { markdownTable, addedToNginx } = await load('tables.mjs');
const { ticks, barChart } = await load('page/svg.mjs');
const { summarize } = await load('report.mjs');
const { newestOfEach } = await load('page/results.mjs');

interface Verdict {
  readonly what: string;
  readonly measured?: string;
  readonly met?: boolean;
}

const row = (name: string, kind: string, median: Record<string, number>, more: object = {}) => {
  const [title, rounds, limits, errors] = [name, 3, true, 0];
  const spread = Object.fromEntries(Object.keys(median).map((figure) => [figure, 0.01]));
  return { name, title, kind, limits, rounds, errors, median, spread, ...more };
};

const proxy = (own: number, on26: number) => ({
  rows: [
    row('nginx', 'native', { cpuUs: 10, requestsPerSecond: 90_000 }),
    row('fastify', 'node', { cpuUs: 80, requestsPerSecond: 12_000 }, { node: '20' }),
    row('fastify-26', 'node', { cpuUs: 60, requestsPerSecond: 17_000 }, { node: '26' }),
    row('undici', 'node', { cpuUs: 40, requestsPerSecond: 24_000 }, { node: '20', limits: false }),
    row('headgate', 'own', { cpuUs: own, requestsPerSecond: 48_000 }, { node: '20' }),
    row('headgate-26', 'own', { cpuUs: on26, requestsPerSecond: 50_000 }, { node: '26' }),
  ],
});

const found = (suites: object, what: string): Verdict =>
  verdicts(suites).find((verdict: Verdict) => verdict.what === what);

test('a goal is met on its bound, missed past it, and has another bound on Node 26', () => {
  const cpu = 'CPU per request against nginx, logs off, Node ';
  assert.deepEqual(found({ proxy: proxy(12.5, 11.5) }, `${cpu}20`).met, true);
  assert.deepEqual(found({ proxy: proxy(12.5, 11.5) }, `${cpu}26`).met, true);
  assert.deepEqual(found({ proxy: proxy(12.6, 11.6) }, `${cpu}20`).met, false);
  assert.deepEqual(found({ proxy: proxy(12.6, 11.6) }, `${cpu}26`).met, false);
});

test('a Node peer is one that limits, on the same Node', () => {
  const what = 'requests/s against the best Node peer with a limiter, Node ';
  const on20 = found({ proxy: proxy(1, 1) }, `${what}20`);
  assert.deepEqual([on20.measured, on20.met], ['4.00 ×', true]);
  const on26 = found({ proxy: proxy(1, 1) }, `${what}26`);
  assert.deepEqual([on26.measured, on26.met], ['2.94 ×', false]);
});

test('what was not measured is neither met nor missed', () => {
  for (const suites of [{}, { proxy: { skipped: 'no wrk' } }, { proxy: { rows: [] } }]) {
    for (const { what, met, measured } of verdicts(suites)) {
      assert.deepEqual([what, met, measured], [what, undefined, undefined]);
    }
  }
  const noPeer = { rows: [row('headgate', 'own', { cpuUs: 10, requestsPerSecond: 1 }, { node: '20' })] };
  assert.equal(found({ proxy: noPeer }, 'CPU per request against nginx, logs off, Node 20').met, undefined);
});

test('what a proxy adds to the p99 is held against what nginx adds, not p99 against p99', () => {
  const rows = [
    row('direct', 'none', { p99Ms: 0.1 }),
    row('nginx', 'native', { p99Ms: 0.2 }),
    row('headgate', 'own', { p99Ms: 0.25 }),
  ];
  assert.ok(Math.abs(addedToNginx(rows[2], rows) - 1.5) < 1e-9);
});

test('medians and spreads over the rounds; a case without a round is a row without figures', () => {
  const cases = [{ name: 'a' }, { name: 'b' }];
  const runs = [10, 30, 14].map((cpuUs, round) => ({ case: 'a', round, errors: 1, cpuUs }));
  const [a, b] = summarize(cases, runs);
  assert.deepEqual([a.median.cpuUs, a.errors, a.rounds], [14, 3, 3]);
  assert.ok(Math.abs(a.spread.cpuUs - 10 / 14) < 1e-9);
  assert.deepEqual([b.rounds, b.median], [0, {}]);
});

test('a table has no rows of cases that did not run and no empty columns', () => {
  const { rows } = proxy(17, 16);
  const table = markdownTable('proxy', { rows: [...rows, { ...rows[0], name: 'gone', title: 'gone', rounds: 0 }] });
  assert.doesNotMatch(table, /gone/);
  assert.doesNotMatch(table, /RSS/, 'no row has a resident size');
  assert.match(table, /\| headgate \| 48\u202f000 \| 17\.0 \| ±1\u00a0% \| 1\.70 \| 4\.00 \| 0 \|/);
});

test('of each suite the newest run that measured it, a reason only where none did', () => {
  const runs = [
    { suites: { tls: { skipped: 'no openssl' }, workers: { skipped: 'two cores' } } },
    { suites: { tls: { rows: [1] } } },
    { suites: { tls: { rows: [2] } } },
  ];
  const newest = newestOfEach(runs);
  assert.deepEqual(newest.tls.rows, [1]);
  assert.equal(newest.workers.skipped, 'two cores');
});

test('axes begin at 0, end at or past the most, in round steps', () => {
  assert.deepEqual(ticks(94.5), [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(ticks(0.35), [0, 0.1, 0.2, 0.3, 0.4]);
  assert.deepEqual(ticks(2, 1), [0, 1, 2]);
  for (const most of [0.001, 1, 7, 99, 100, 101, 123_456]) {
    const marks = ticks(most);
    assert.ok(marks.at(-1) >= most && marks.length <= 8, `${most}: ${marks}`);
  }
});

test('a chart is well-formed, whatever a label holds', () => {
  const rows = [{ label: 'a < b & "c"', parts: [1, 2], own: true, value: '3' }];
  const svg: string = barChart({ title: 't', axis: 'µs', legend: ['x', 'y'], rows });
  assert.match(svg, /a &lt; b &amp; &quot;c&quot;/);
  assert.equal(svg.match(/<rect class="own [ab]"/g)?.length, 2);
  assert.doesNotMatch(svg, /NaN|undefined/);
});
