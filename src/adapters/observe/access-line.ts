import type { ExchangeRecord, LimitEntry } from '../../ports.ts';
import { isoMicros } from './iso-time.ts';
import { jsonString, jsonStringOrNull } from './json-text.ts';

/** One line of the access log, newline included. */
export type AccessLine = (record: ExchangeRecord) => string;

/** One JSON object with always the same fields, those without a value `null`. Never a query string. */
export function jsonAccessLine(record: ExchangeRecord): string {
  return (
    `{"kind":"access","time":"${isoMicros(record.arrivedUs)}","id":${jsonString(record.id)}` +
    `,"method":${jsonString(record.method)},"path":${jsonString(withoutQuery(record.path))}` +
    `,"host":${jsonString(record.host)},"status":${record.status}` +
    `,"reason":${record.reason === undefined ? 'null' : `"${record.reason}"`}` +
    `,"reasonDetail":${jsonStringOrNull(record.reasonDetail)},"retryAfterMs":${milliseconds(record.retryAfterMs)}` +
    `,"route":${record.routeName === '' ? 'null' : jsonString(record.routeName)}` +
    `,"upstream":${jsonStringOrNull(record.upstreamName)},"endpoint":${jsonStringOrNull(record.endpointName)}` +
    `,"attempts":${record.attempts},"client":${jsonString(record.clientIp)},"consumer":null` +
    `,"userAgent":${jsonStringOrNull(record.userAgent)},"bytesIn":${record.bytesIn},"bytesOut":${record.bytesOut}` +
    `,"durationMs":${milliseconds(record.durationMs)},"overheadMs":${milliseconds(record.overheadMs)}` +
    `,"connectMs":${milliseconds(record.connectMs)},"upstreamMs":${milliseconds(record.upstreamMs)}` +
    `,"protocol":"${record.protocol}","traceId":null,"limits":${limitsJson(record.limits)}}\n`
  );
}

function limitsJson(limits: readonly LimitEntry[] | undefined): string {
  if (limits === undefined) return '[]';
  let text = '[';
  for (let index = 0; index < limits.length; index++) {
    const entry = limits[index]!;
    text +=
      `${index === 0 ? '' : ','}{"name":${jsonString(entry.name)},"key":${jsonString(entry.keyHash)}` +
      `,"cost":${entry.cost},"ok":${entry.ok},"remaining":${entry.remaining},"mode":"${entry.mode}","at":${entry.atUs}}`;
  }
  return `${text}]`;
}

/** Rounded to a microsecond; `null` for what is not there or no finite number, which JSON has not. */
function milliseconds(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : Math.round(value * 1000) / 1000;
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** The combined log format of Apache and nginx, in UTC. */
export function combinedAccessLine(record: ExchangeRecord): string {
  const iso = isoMicros(record.arrivedUs);
  const day = `${iso.slice(8, 10)}/${MONTHS[Number(iso.slice(5, 7)) - 1]}/${iso.slice(0, 4)}`;
  const request = quoted(`${record.method} ${withoutQuery(record.path)} ${record.protocol}`);
  return (
    `${record.clientIp} - - [${day}:${iso.slice(11, 19)} +0000] ${request} ${record.status} ${record.bytesOut}` +
    ` ${quoted(record.referer ?? '-')} ${quoted(record.userAgent ?? '-')}\n`
  );
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]|[^ -~]/g, hexEscape)}"`;
}

/** As nginx writes them: the bytes that came, each `\xHH`. */
function hexEscape(character: string): string {
  return [...Buffer.from(character, character <= '\u00ff' ? 'latin1' : 'utf8')]
    .map((byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
}

/** For people on a terminal. */
export function readableAccessLine(record: ExchangeRecord): string {
  const where = record.endpointName === undefined ? record.routeName : `${record.routeName} → ${record.endpointName}`;
  const why =
    record.reason === undefined ? '' : `  ${record.reason}${record.reasonDetail ? `: ${record.reasonDetail}` : ''}`;
  const request = `${record.method} ${record.host}${withoutQuery(record.path)}`;
  const text = `${record.status}  ${request}  ${milliseconds(record.durationMs)} ms  ${record.clientIp}  ${where}${why}`;
  return `${isoMicros(record.arrivedUs).slice(11, 23)}  ${text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?')}\n`;
}
