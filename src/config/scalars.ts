import type { QuotaPeriod } from '../core/limit/spec.ts';

/** Longest timer that Node can hold, just above 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Bounds that keep every product of a count and a period in microseconds well inside what Redis' numbers can hold. */
const MAX_COUNT = 1_000_000_000;
const MAX_PERIOD_MS = 366 * 86_400_000;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const UNIT_WORDS: Readonly<Record<string, string>> = {
  sec: 's',
  second: 's',
  min: 'm',
  minute: 'm',
  hour: 'h',
  day: 'd',
};
const SIZE_BYTES: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

export const DURATION_PATTERN = '^\\d{1,12}(ms|s|m|h|d)$';
export const SIZE_PATTERN = '^\\d{1,12}(b|kb|mb|gb)$';
export const RATIO_PATTERN = '^(\\d{1,3}(\\.\\d+)?%|[01](\\.\\d+)?)$';
export const RATE_PATTERN = '^[1-9]\\d{0,9}/(\\d{1,9}(ms|s|m|h|d)|s|sec|second|m|min|minute|h|hour|d|day)$';
export const QUOTA_PATTERN = '^[1-9]\\d{0,9}/(minute|hour|day|week|month)$';
export const NAME_PATTERN = '^[a-z0-9][a-z0-9._-]{0,63}$';

/** Milliseconds of `250ms 5s 1m 1h 1d`; undefined where the text is no duration or longer than a timer can hold. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  const ms = Number(match[1]) * UNIT_MS[match[2]!]!;
  return ms <= MAX_TIMER_MS ? ms : undefined;
}

/** The shortest way to write a duration of whole milliseconds. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  const [unit, factor] = Object.entries(UNIT_MS).findLast(([, size]) => ms % size === 0)!;
  return `${ms / factor}${unit}`;
}

/** Bytes of `512b 64kb 10mb 1gb` (1024), or of a plain number. */
export function parseSize(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const match = /^(\d{1,12})(b|kb|mb|gb)$/.exec(value);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * SIZE_BYTES[match[2]!]!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest way to write a number of bytes. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0b';
  const [unit, factor] = Object.entries(SIZE_BYTES).findLast(([, size]) => bytes % size === 0)!;
  return `${bytes / factor}${unit}`;
}

/** A share from 0 to 1, written `10%` or `0.1`. */
export function parseRatio(value: string | number): number | undefined {
  let ratio = Number.NaN;
  if (typeof value === 'number') ratio = value;
  else if (/^\d{1,3}(\.\d+)?%$/.test(value)) ratio = Number(value.slice(0, -1)) / 100;
  else if (/^[01](\.\d+)?$/.test(value)) ratio = Number(value);
  return ratio >= 0 && ratio <= 1 ? ratio : undefined;
}

export interface Rate {
  readonly count: number;
  readonly periodMs: number;
}

/** `100/s`, `100/10s`, `5000/1h`, `20/minute`: a count and the length of the time that it is for. */
export function parseRate(text: string): Rate | undefined {
  const match = /^([1-9]\d{0,9})\/(\d{1,9})?([a-z]+)$/.exec(text);
  if (match === null) return undefined;
  const [, count, times, unitText] = match;
  const unitMs = times === undefined ? UNIT_MS[wordUnit(unitText!)] : UNIT_MS[unitText!];
  // `100/ms` is no rate that anybody means.
  if (unitMs === undefined || (times === undefined && unitMs === 1)) return undefined;
  const rate = { count: Number(count), periodMs: Number(times ?? 1) * unitMs };
  return rate.count <= MAX_COUNT && rate.periodMs >= 1 && rate.periodMs <= MAX_PERIOD_MS ? rate : undefined;
}

function wordUnit(text: string): string {
  return UNIT_WORDS[text] ?? text;
}

export interface Quota {
  readonly limit: number;
  readonly period: QuotaPeriod;
}

/** `10000/day`: a count for each calendar period. */
export function parseQuota(text: string): Quota | undefined {
  const match = /^([1-9]\d{0,9})\/(minute|hour|day|week|month)$/.exec(text);
  if (match === null || Number(match[1]) > MAX_COUNT) return undefined;
  return { limit: Number(match[1]), period: match[2] as QuotaPeriod };
}

/** Inclusive ranges of HTTP statuses: `200`, `200-399`, `200,204,301-399`. */
export function parseStatuses(value: string | number): readonly (readonly [from: number, to: number])[] | undefined {
  const ranges: [number, number][] = [];
  for (const part of String(value).split(',')) {
    const match = /^\s*(\d{3})(?:-(\d{3}))?\s*$/.exec(part);
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? match?.[1]);
    if (!(from >= 100 && to <= 599 && from <= to)) return undefined;
    ranges.push([from, to]);
  }
  return ranges;
}

/** Names of limits, routes and upstreams. */
export function isName(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text);
}

/** Whether the runtime knows an IANA time zone. */
export function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
