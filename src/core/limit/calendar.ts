import { dayNumber, monthOfDay } from './civil.ts';
import type { QuotaPeriod } from './spec.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Further apart than any zone's clock from UTC, and near enough to meet at most one change of it. */
const ZONE_REACH_MS = 26 * HOUR_MS;
const LONGEST_MS: Record<QuotaPeriod, number> = {
  minute: MINUTE_MS,
  hour: HOUR_MS,
  day: 2 * DAY_MS,
  week: 8 * DAY_MS,
  month: 32 * DAY_MS,
};

/** Milliseconds by which the clocks of a zone are ahead of UTC at an instant. */
type Offset = (utcMs: number) => number;

function zoneOffset(timezone: string): Offset {
  if (timezone === 'UTC') return () => 0;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  return (utcMs) => {
    const wholeMs = Math.floor(utcMs / 1000) * 1000;
    const field: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(wholeMs)) field[type] = Number(value);
    const days = dayNumber(field.year!, field.month!, field.day!);
    return days * DAY_MS + field.hour! * HOUR_MS + field.minute! * MINUTE_MS + field.second! * 1000 - wholeMs;
  };
}

/** The first instant at which the zone's clocks show `localMs` or later; where they skip it, the instant of the skip. */
function instantOf(localMs: number, offset: Offset): number {
  const before = offset(localMs - ZONE_REACH_MS);
  const after = offset(localMs + ZONE_REACH_MS);
  let early = localMs - Math.max(before, after);
  if (before === after || early + offset(early) >= localMs) return early;
  let late = localMs - Math.min(before, after);
  while (late - early > 1) {
    const middle = Math.floor((early + late) / 2);
    if (middle + offset(middle) >= localMs) late = middle;
    else early = middle;
  }
  return late;
}

/** First local day of the period that holds a local day, and of the period after it. */
function labels(period: 'day' | 'week' | 'month', localDay: number): readonly [first: number, next: number] {
  if (period === 'day') return [localDay, localDay + 1];
  if (period === 'week') {
    const monday = localDay - ((((localDay + 3) % 7) + 7) % 7);
    return [monday, monday + 7];
  }
  const { year, month } = monthOfDay(localDay);
  return [dayNumber(year, month, 1), dayNumber(year, month + 1, 1)];
}

/**
 * The end of the period that holds an instant. Where clocks are set back over midnight the local day comes twice; it ends
 * at its first end, which may lie before an instant of its second coming: so ends are found by walking from well before.
 */
function periodEndMs(period: QuotaPeriod, offset: Offset, utcMs: number): number {
  if (period === 'minute') return (Math.floor(utcMs / MINUTE_MS) + 1) * MINUTE_MS;
  if (period === 'hour') {
    const ahead = offset(utcMs);
    return (Math.floor((utcMs + ahead) / HOUR_MS) + 1) * HOUR_MS - ahead;
  }
  const localDay = Math.floor((utcMs + offset(utcMs)) / DAY_MS);
  return instantOf(labels(period, localDay)[1] * DAY_MS, offset);
}

/**
 * The calendar periods of a quota in a time zone. Days, weeks (from Monday) and months run from local midnight to local
 * midnight, 23 or 25 hours where clocks change; hours are whole hours of the local clock, so one that comes twice is two
 * periods. The period last located is remembered: finding it again costs two comparisons.
 */
export class QuotaCalendar {
  readonly period: QuotaPeriod;
  /** An IANA name. */
  readonly timezone: string;
  /** The period last located: [startUs, endUs). */
  startUs = 0;
  endUs = 0;
  private readonly offset: Offset;
  /** Start of the period before, start, end, end of the period after. */
  private located: readonly number[] = [0, 0, 0, 0];

  /** Throws a RangeError for a zone that is not known. */
  constructor(period: QuotaPeriod, timezone: string) {
    this.period = period;
    this.timezone = timezone;
    this.offset = zoneOffset(timezone);
  }

  /** Sets `startUs` and `endUs` to the period that holds `nowUs`. */
  locate(nowUs: number): void {
    if (nowUs >= this.startUs && nowUs < this.endUs) return;
    const nowMs = Math.floor(nowUs / 1000);
    const edges: number[] = [];
    let edgeMs = periodEndMs(this.period, this.offset, nowMs - 3 * LONGEST_MS[this.period]);
    for (let later = 0; later < 2; ) {
      edges.push(edgeMs * 1000);
      if (edgeMs > nowMs) later++;
      edgeMs = periodEndMs(this.period, this.offset, edgeMs);
    }
    this.located = edges.slice(-4);
    this.startUs = this.located[1]!;
    this.endUs = this.located[2]!;
  }

  /** Four edges in a row: the period that holds `nowUs` lies between the second and the third. */
  edges(nowUs: number): readonly number[] {
    this.locate(nowUs);
    return this.located;
  }
}
