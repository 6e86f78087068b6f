import type { ExchangeRecord, LimitEntry } from '../../ports.ts';
import { isoMicros, microsText } from './iso-time.ts';
import { jsonStringOrNull } from './json-text.ts';

/** One line of the access log, newline included. */
export type AccessLine = (record: ExchangeRecord) => string;

/** One JSON object with always the same fields, those without a value `null`. Never a query string. */
export function jsonAccessLine(record: ExchangeRecord): string {
  const { reason } = record;
  return (
    `{"kind":"access","time":"${isoMicros(record.arrivedUs)}","id":${ID.json(record.id)}` +
    `,"method":${METHOD.json(record.method)},"path":${PATH.json(record.path)}` +
    `,"host":${HOST.json(record.host)},"status":${record.status}` +
    `,"reason":${reason === undefined ? 'null' : `"${reason}"`}` +
    `,"reasonDetail":${jsonStringOrNull(record.reasonDetail)},"retryAfterMs":${milliseconds(record.retryAfterMs)}` +
    `,"route":${record.routeName === '' ? 'null' : ROUTE.json(record.routeName)}` +
    `,"upstream":${UPSTREAM.json(record.upstreamName)},"endpoint":${ENDPOINT.json(record.endpointName)}` +
    `,"attempts":${record.attempts},"client":${CLIENT.json(record.clientIp)},"consumer":null` +
    `,"userAgent":${USER_AGENT.json(record.userAgent)},"bytesIn":${record.bytesIn},"bytesOut":${record.bytesOut}` +
    `,"durationMs":${milliseconds(record.durationMs)},"overheadMs":${milliseconds(record.overheadMs)}` +
    `,"connectMs":${milliseconds(record.connectMs)},"upstreamMs":${milliseconds(record.upstreamMs)}` +
    `,"protocol":"${record.protocol}","traceId":null,"limits":${limitsJson(record.limits)}}\n`
  );
}

/** One column of the log: most lines say in it what the line before said, and that is not looked through again. */
class Column {
  private text: string | undefined = undefined;
  private rendered = 'null';
  private readonly render: (text: string | undefined) => string;

  constructor(render: (text: string | undefined) => string = jsonStringOrNull) {
    this.render = render;
  }

  json(text: string | undefined): string {
    if (text !== this.text) {
      this.text = text;
      this.rendered = this.render(text);
    }
    return this.rendered;
  }
}

const ID = new Column();
const METHOD = new Column();
const PATH = new Column((path) => jsonStringOrNull(path === undefined ? path : withoutQuery(path)));
const HOST = new Column();
const ROUTE = new Column();
const UPSTREAM = new Column();
const ENDPOINT = new Column();
const CLIENT = new Column();
const USER_AGENT = new Column();
const LIMIT = new Column();
const KEY = new Column();

function limitsJson(limits: readonly LimitEntry[] | undefined): string {
  if (limits === undefined) return '[]';
  let text = '[';
  for (let index = 0; index < limits.length; index++) {
    const entry = limits[index]!;
    text +=
      `${index === 0 ? '' : ','}{"name":${LIMIT.json(entry.name)},"key":${KEY.json(entry.keyHash)}` +
      `,"cost":${entry.cost},"ok":${entry.ok},"remaining":${entry.remaining},"mode":"${entry.mode}"` +
      `,"at":${microsText(entry.atUs)}}`;
  }
  return `${text}]`;
}

/** What follows the point, by thousandths: without the zeros that JSON would not write either. */
const FRACTIONS = Array.from({ length: 1000 }, (_, thousandths) =>
  thousandths === 0 ? '' : `.${String(thousandths).padStart(3, '0').replace(/0+$/, '')}`,
);
/** Up to here the whole part is written by way of a small integer, which is many times faster than a fraction. */
const MAX_FAST_US = 2 ** 30;

/** Rounded to a microsecond; `null` for what is not there or no finite number, which JSON has not. */
function milliseconds(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return 'null';
  const us = Math.round(value * 1000);
  if (us < 0 || us > MAX_FAST_US) return String(us / 1000);
  const whole = (us / 1000) | 0;
  return `${whole}${FRACTIONS[us - whole * 1000]}`;
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
