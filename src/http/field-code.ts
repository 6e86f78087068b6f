/**
 * Small integers for the fields the data plane treats specially, so that a head is classified while it is scanned and a
 * set of fields is a bit mask. 0 is any other field.
 */
export const FieldCode = {
  other: 0,
  connection: 1,
  keepAlive: 2,
  proxyConnection: 3,
  te: 4,
  transferEncoding: 5,
  upgrade: 6,
  http2Settings: 7,
  proxyAuthorization: 8,
  contentLength: 9,
  host: 10,
  expect: 11,
  xForwardedFor: 12,
  xForwardedProto: 13,
  xForwardedHost: 14,
  forwarded: 15,
  xRealIp: 16,
  xRequestId: 17,
  via: 18,
  maxForwards: 19,
  trailer: 20,
  date: 21,
  rateLimit: 22,
  rateLimitPolicy: 23,
  /** `Content_Length`, `Transfer_Encoding`: a back end may read them as the real ones. */
  framingLookalike: 24,
  /** `X_Forwarded_For` and others that shadow a field this gateway sets, and `X-Forwarded-Port` and its like. */
  forwardingLookalike: 25,
} as const;

const CODES = new Map<string, number>([
  ['connection', FieldCode.connection],
  ['keep-alive', FieldCode.keepAlive],
  ['proxy-connection', FieldCode.proxyConnection],
  ['te', FieldCode.te],
  ['transfer-encoding', FieldCode.transferEncoding],
  ['upgrade', FieldCode.upgrade],
  ['http2-settings', FieldCode.http2Settings],
  ['proxy-authorization', FieldCode.proxyAuthorization],
  ['content-length', FieldCode.contentLength],
  ['host', FieldCode.host],
  ['expect', FieldCode.expect],
  ['x-forwarded-for', FieldCode.xForwardedFor],
  ['x-forwarded-proto', FieldCode.xForwardedProto],
  ['x-forwarded-host', FieldCode.xForwardedHost],
  ['forwarded', FieldCode.forwarded],
  ['x-real-ip', FieldCode.xRealIp],
  ['x-request-id', FieldCode.xRequestId],
  ['via', FieldCode.via],
  ['max-forwards', FieldCode.maxForwards],
  ['trailer', FieldCode.trailer],
  ['date', FieldCode.date],
  ['ratelimit', FieldCode.rateLimit],
  ['ratelimit-policy', FieldCode.rateLimitPolicy],
  ['content_length', FieldCode.framingLookalike],
  ['transfer_encoding', FieldCode.framingLookalike],
]);
for (const name of ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-real-ip', 'x-request-id']) {
  for (const lookalike of lookalikesOf(name)) CODES.set(lookalike, FieldCode.forwardingLookalike);
}

/** What else says where a request came from: believed by some back ends, written by no part of this gateway. */
const CLAIMS = ['', '-by', '-port', '-prefix', '-scheme', '-server', '-ssl'].map((end) => `x-forwarded${end}`);
for (const name of [...CLAIMS, 'x-original-forwarded-for', 'x-client-ip']) {
  for (const spelling of [name, ...lookalikesOf(name)]) CODES.set(spelling, FieldCode.forwardingLookalike);
}

/** Every spelling of `name` with at least one `-` written as `_`. */
function lookalikesOf(name: string): string[] {
  const spellings = name.split('-').reduce<string[]>((all, part, index) => {
    if (index === 0) return [part];
    return all.flatMap((prefix) => [`${prefix}-${part}`, `${prefix}_${part}`]);
  }, []);
  return spellings.filter((spelling) => spelling.includes('_'));
}

interface Special {
  readonly name: string;
  readonly code: number;
}

/** The special names by length and first letter: for nearly every ordinary field this table alone says no. */
const BY_SHAPE: (readonly Special[] | undefined)[] = new Array(32 * 32).fill(undefined);
for (const [name, code] of CODES) {
  const shape = name.length * 32 + (name.charCodeAt(0) & 31);
  BY_SHAPE[shape] = [...(BY_SHAPE[shape] ?? []), { name, code }];
}

/** The code of the field name in `raw[start, end)`. */
export function fieldCodeAt(raw: string, start: number, end: number): number {
  const length = end - start;
  if (length > 31) return FieldCode.other;
  const candidates = BY_SHAPE[length * 32 + (raw.charCodeAt(start) & 31)];
  if (candidates === undefined) return FieldCode.other;
  for (let index = 0; index < candidates.length; index++) {
    const special = candidates[index] as Special;
    if (isNameAt(raw, start, special.name)) return special.code;
  }
  return FieldCode.other;
}

/** Whether `raw` has this lower-case name at `start`, in whatever case. */
function isNameAt(raw: string, start: number, name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const code = raw.charCodeAt(start + at);
    if (code === name.charCodeAt(at)) continue;
    if (code < 65 || code > 90 || code + 32 !== name.charCodeAt(at)) return false;
  }
  return true;
}

/** The code of a lower-case name. */
export function fieldCodeOf(name: string): number {
  return CODES.get(name) ?? FieldCode.other;
}

export function maskOf(...codes: number[]): number {
  return codes.reduce((mask, code) => mask | (1 << code), 0);
}

/** Fields that belong to one connection (RFC 9110 §7.6.1), dropped both ways; the codec writes its own. */
export const HOP_BY_HOP = maskOf(
  FieldCode.connection,
  FieldCode.keepAlive,
  FieldCode.proxyConnection,
  FieldCode.te,
  FieldCode.transferEncoding,
  FieldCode.upgrade,
  FieldCode.http2Settings,
  FieldCode.proxyAuthorization,
);

/** Fields that a trailer section may not carry: framing, routing, authentication, identity (RFC 9110 §6.5.1). */
export const FORBIDDEN_IN_TRAILERS = new Set([
  'authorization',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'max-forwards',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'x-request-id',
]);
