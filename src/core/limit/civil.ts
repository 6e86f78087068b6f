/** Days of the proleptic Gregorian calendar, without `Date`: pure integer arithmetic on days since 1970-01-01. */

const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function daysBeforeYear(year: number): number {
  const past = year - 1;
  return past * 365 + Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400);
}

const DAYS_BEFORE_1970 = daysBeforeYear(1970);

/** Days since 1970-01-01 of a date; `month` 1 to 12, or 13 for January of the next year. */
export function dayNumber(year: number, month: number, day: number): number {
  if (month === 13) return dayNumber(year + 1, 1, day);
  const leapDay = month > 2 && isLeap(year) ? 1 : 0;
  return daysBeforeYear(year) - DAYS_BEFORE_1970 + DAYS_BEFORE_MONTH[month - 1]! + leapDay + day - 1;
}

/** Year and month (1 to 12) in which a day lies. */
export function monthOfDay(days: number): { readonly year: number; readonly month: number } {
  let year = 1970 + Math.floor(days / 365.2425);
  while (dayNumber(year, 1, 1) > days) year--;
  while (dayNumber(year + 1, 1, 1) <= days) year++;
  let month = 12;
  while (dayNumber(year, month, 1) > days) month--;
  return { year, month };
}
