import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  formatDuration,
  formatSize,
  isName,
  isTimeZone,
  parseDuration,
  parseQuota,
  parseRate,
  parseRatio,
  parseSize,
  parseStatuses,
} from './scalars.ts';

const table = <T>(name: string, parse: (text: string) => T, rows: [text: string, value: unknown][]) =>
  describe(name, () => {
    for (const [text, value] of rows) test(JSON.stringify(text), () => assert.deepEqual(parse(text), value));
  });

table('durations, in milliseconds', parseDuration, [
  ['250ms', 250],
  ['5s', 5000],
  ['1m', 60_000],
  ['1h', 3_600_000],
  ['1d', 86_400_000],
  ['0s', 0],
  ['24d', 24 * 86_400_000],
  ['25d', undefined],
  ['5', undefined],
  ['5 s', undefined],
  ['-5s', undefined],
  ['1.5s', undefined],
  ['5S', undefined],
  ['5sec', undefined],
  ['', undefined],
]);

table('sizes, in bytes', parseSize, [
  ['64kb', 65_536],
  ['10mb', 10_485_760],
  ['1gb', 1_073_741_824],
  ['512b', 512],
  ['64', undefined],
  ['64KB', undefined],
  ['-1kb', undefined],
]);

table('ratios', parseRatio, [
  ['10%', 0.1],
  ['0.1', 0.1],
  ['100%', 1],
  ['12.5%', 0.125],
  ['1', 1],
  ['101%', undefined],
  ['1.1', undefined],
  ['-1%', undefined],
  ['ten', undefined],
]);

table('rates', parseRate, [
  ['100/s', { count: 100, periodMs: 1000 }],
  ['100/10s', { count: 100, periodMs: 10_000 }],
  ['5000/1h', { count: 5000, periodMs: 3_600_000 }],
  ['5/250ms', { count: 5, periodMs: 250 }],
  ['1/sec', { count: 1, periodMs: 1000 }],
  ['1/second', { count: 1, periodMs: 1000 }],
  ['1/m', { count: 1, periodMs: 60_000 }],
  ['1/min', { count: 1, periodMs: 60_000 }],
  ['1/minute', { count: 1, periodMs: 60_000 }],
  ['1/h', { count: 1, periodMs: 3_600_000 }],
  ['1/hour', { count: 1, periodMs: 3_600_000 }],
  ['1/d', { count: 1, periodMs: 86_400_000 }],
  ['1/day', { count: 1, periodMs: 86_400_000 }],
  ['30/30d', { count: 30, periodMs: 30 * 86_400_000 }],
  ['0/s', undefined],
  ['01/s', undefined],
  ['100', undefined],
  ['100/', undefined],
  ['100/0s', undefined],
  ['100/ms', undefined],
  ['100/2minute', undefined],
  ['100/week', undefined],
  ['100/367d', undefined],
  ['1.5/s', undefined],
  ['9999999999/s', undefined],
  ['100/constructor', undefined],
]);

table('quotas', parseQuota, [
  ['10000/day', { limit: 10_000, period: 'day' }],
  ['1/minute', { limit: 1, period: 'minute' }],
  ['1/hour', { limit: 1, period: 'hour' }],
  ['1/week', { limit: 1, period: 'week' }],
  ['1/month', { limit: 1, period: 'month' }],
  ['1/year', undefined],
  ['1/1d', undefined],
  ['0/day', undefined],
]);

table('statuses', parseStatuses, [
  ['200', [[200, 200]]],
  ['200-399', [[200, 399]]],
  [
    '200,204, 301-302',
    [
      [200, 200],
      [204, 204],
      [301, 302],
    ],
  ],
  ['399-200', undefined],
  ['20', undefined],
  ['200-', undefined],
  ['600', undefined],
]);

table('names', isName, [
  ['per-client', true],
  ['a', true],
  ['0.x_y-z', true],
  ['a'.repeat(64), true],
  ['a'.repeat(65), false],
  ['-a', false],
  ['A', false],
  ['a b', false],
  ['routes[0]', false],
]);

test('numbers stand for bytes and shares', () => {
  assert.equal(parseSize(1024), 1024);
  assert.equal(parseSize(1.5), undefined);
  assert.equal(parseRatio(0.25), 0.25);
  assert.equal(parseRatio(2), undefined);
});

test('what is formatted is read back', () => {
  for (const ms of [0, 1, 999, 1000, 1500, 60_000, 90_000, 3_600_000, 86_400_000]) {
    assert.equal(parseDuration(formatDuration(ms)), ms);
  }
  for (const bytes of [0, 1, 1000, 1024, 65_536, 10_485_760]) assert.equal(parseSize(formatSize(bytes)), bytes);
  assert.deepEqual([formatDuration(90_000), formatDuration(86_400_000), formatSize(65_536)], ['90s', '1d', '64kb']);
});

test('time zones are the runtime’s', () => {
  assert.equal(isTimeZone('Europe/Berlin'), true);
  assert.equal(isTimeZone('UTC'), true);
  assert.equal(isTimeZone('Europe/Atlantis'), false);
  assert.equal(isTimeZone(''), false);
});
