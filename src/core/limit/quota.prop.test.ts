import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { QuotaCalendar } from './calendar.ts';
import { step } from './decision.ts';
import { compileLimit, emptyAt, freshState, heal, level } from './kind.ts';
import type { QuotaPeriod } from './spec.ts';

const us = (iso: string) => Date.parse(iso) * 1000;
const iso = (instantUs: number) => new Date(instantUs / 1000).toISOString();

function located(period: QuotaPeriod, timezone: string, at: string): [start: string, end: string] {
  const calendar = new QuotaCalendar(period, timezone);
  calendar.locate(us(at));
  return [iso(calendar.startUs), iso(calendar.endUs)];
}

test('calendar: periods in UTC', () => {
  const at = '2024-02-29T13:45:30.500Z';
  const cases: [QuotaPeriod, string, string][] = [
    ['minute', '2024-02-29T13:45:00.000Z', '2024-02-29T13:46:00.000Z'],
    ['hour', '2024-02-29T13:00:00.000Z', '2024-02-29T14:00:00.000Z'],
    ['day', '2024-02-29T00:00:00.000Z', '2024-03-01T00:00:00.000Z'],
    ['week', '2024-02-26T00:00:00.000Z', '2024-03-04T00:00:00.000Z'],
    ['month', '2024-02-01T00:00:00.000Z', '2024-03-01T00:00:00.000Z'],
  ];
  for (const [period, start, end] of cases) assert.deepEqual(located(period, 'UTC', at), [start, end], period);
  assert.deepEqual(located('month', 'UTC', '2024-12-31T23:59:59.999Z')[1], '2025-01-01T00:00:00.000Z');
});

test('calendar: days of 23 and 25 hours, half-hour zones, midnights that do not exist or come twice', () => {
  const cases: [string, string, string, string][] = [
    ['Europe/Berlin', '2024-03-31T12:00:00Z', '2024-03-30T23:00:00.000Z', '2024-03-31T22:00:00.000Z'],
    ['Europe/Berlin', '2024-10-27T12:00:00Z', '2024-10-26T22:00:00.000Z', '2024-10-27T23:00:00.000Z'],
    ['Asia/Kolkata', '2024-06-01T12:00:00Z', '2024-05-31T18:30:00.000Z', '2024-06-01T18:30:00.000Z'],
    // Clocks went from 24:00 to 01:00: the day began at 01:00.
    ['America/Sao_Paulo', '2018-11-04T12:00:00Z', '2018-11-04T03:00:00.000Z', '2018-11-05T02:00:00.000Z'],
    // Clocks went back from 00:01 to 23:01 of the day before: the new day had begun at 00:00 already.
    ['America/St_Johns', '2006-10-29T02:45:00Z', '2006-10-29T02:30:00.000Z', '2006-10-30T03:30:00.000Z'],
    // The whole of 30 December was skipped.
    ['Pacific/Apia', '2011-12-30T09:59:59Z', '2011-12-29T10:00:00.000Z', '2011-12-30T10:00:00.000Z'],
    ['Pacific/Apia', '2011-12-30T10:00:00Z', '2011-12-30T10:00:00.000Z', '2011-12-31T10:00:00.000Z'],
  ];
  for (const [zone, at, start, end] of cases) assert.deepEqual(located('day', zone, at), [start, end], `${zone} ${at}`);
  assert.deepEqual(located('hour', 'Asia/Kolkata', '2024-06-01T12:45:00Z'), [
    '2024-06-01T12:30:00.000Z',
    '2024-06-01T13:30:00.000Z',
  ]);
  assert.throws(() => new QuotaCalendar('day', 'Mars/Olympus'), RangeError);
});

const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe');
const periods = fc.constantFrom<QuotaPeriod>('minute', 'hour', 'day', 'week', 'month');
const instants = fc.integer({ min: us('2023-01-01'), max: us('2027-01-01') });

test('calendar: who locates the same period from whatever instant finds the same edges', () => {
  fc.assert(
    fc.property(zones, periods, instants, fc.nat(999_999), (zone, period, at, share) => {
      const calendar = new QuotaCalendar(period, zone);
      const edges = [...calendar.edges(at)];
      assert.ok(edges.length === 4 && edges[1]! <= at && at < edges[2]!);
      for (let edge = 1; edge < 4; edge++) {
        const inside = edges[edge - 1]! + Math.floor(((edges[edge]! - edges[edge - 1]!) * share) / 1_000_000);
        assert.equal(new QuotaCalendar(period, zone).edges(inside)[2], edges[edge]);
      }
    }),
    { numRuns: 60 },
  );
});

test('quota: each calendar period admits at most the limit, and all of it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.array(fc.nat(40_000_000), { maxLength: 60 }), (limit, gaps) => {
      const compiled = compileLimit({ kind: 'quota', limit, period: 'minute', timezone: 'UTC' });
      const state = freshState('quota');
      const admitted = new Map<number, number>();
      let at = us('2024-02-28T23:58:00Z');
      for (const gap of gaps) {
        at += gap;
        const minute = Math.floor(at / 60_000_000);
        const before = admitted.get(minute) ?? 0;
        const { ok, waitUs } = step(compiled, state, 1, at);
        assert.equal(ok, before < limit);
        if (ok) admitted.set(minute, before + 1);
        else assert.equal(at + waitUs, (minute + 1) * 60_000_000);
      }
    }),
  );
});

test('quota: a clock set back over an edge keeps the count and waits for the running period only', () => {
  const compiled = compileLimit({ kind: 'quota', limit: 2, period: 'hour', timezone: 'UTC' });
  const state = freshState('quota');
  for (let spent = 0; spent < 2; spent++) assert.ok(step(compiled, state, 1, us('2024-01-01T10:00:01Z')).ok);
  const back = us('2024-01-01T08:59:00Z');
  assert.equal(heal(compiled, state, back, true), true);
  assert.deepEqual(step(compiled, state, 1, back), { ok: false, remaining: 0, waitUs: 60_000_000 });
  assert.ok(step(compiled, state, 1, back + 60_000_000).ok);
});

test('quota: what was lost inside the period accrues from then on; a loss before it counts no more', () => {
  const compiled = compileLimit({ kind: 'quota', limit: 100, period: 'hour', timezone: 'UTC' });
  const lost = us('2024-01-01T10:30:00Z');
  const state = freshState('quota');
  emptyAt(compiled, state, lost, lost);
  assert.equal(level(compiled, state, lost), 0);
  assert.equal(level(compiled, state, us('2024-01-01T10:45:00Z')), 25);
  assert.equal(level(compiled, state, us('2024-01-01T11:00:00Z')), 100);
  const later = freshState('quota');
  emptyAt(compiled, later, lost, us('2024-01-01T11:00:00Z'));
  assert.equal(level(compiled, later, us('2024-01-01T11:00:00Z')), 100);
});
