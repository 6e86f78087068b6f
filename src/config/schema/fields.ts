import * as z from 'zod';
import { isToken } from '../../http/http1/chars.ts';
import {
  hostPatternProblem,
  isAuthority,
  NOT_YET,
  parseCidr,
  parseEndpointUrl,
  parseListenAddress,
  redisUrlProblem,
  serverNameProblem,
} from '../addresses.ts';
import {
  DURATION_PATTERN,
  isName,
  NAME_PATTERN,
  parseDuration,
  parseQuota,
  parseRate,
  parseRatio,
  parseSize,
  QUOTA_PATTERN,
  RATE_PATTERN,
  RATIO_PATTERN,
  SIZE_PATTERN,
} from '../scalars.ts';

/** The building blocks of the schema: scalars that keep their written form, and words for what is wrong with them. */

interface ScalarText {
  /** Name under `$defs` of the JSON Schema. */
  readonly id: string;
  readonly description: string;
  /** Regular expression for editors. */
  readonly pattern?: string;
  /** What is wrong with a text, or undefined. */
  readonly problem: (text: string) => string | undefined;
  readonly expected: string;
}

export function scalar({ id, description, pattern, problem, expected }: ScalarText) {
  return z
    .string({ error: expected })
    .superRefine((text, context) => {
      const message = problem(text);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    })
    .meta({ id, description, ...(pattern === undefined ? {} : { pattern }) });
}

/** Whichever of the forms fits; `expected` where none does. */
export function oneOf<const Options extends readonly [z.core.$ZodType, ...z.core.$ZodType[]]>(
  expected: string,
  options: Options,
) {
  return z.union(options, { error: expected });
}

/** One of some words; those of a later version are known as such. */
export function choice<const Word extends string>(words: readonly Word[], later: readonly string[] = []) {
  const expected = `expected ${words.length > 1 ? 'one of ' : ''}${words.join(', ')}`;
  return z.enum(words, {
    error: ({ input }) => (later.includes(input as string) ? `${String(input)} is ${NOT_YET}` : expected),
  });
}

export const off = z.literal(false, { error: 'expected false' });

const durationExpected = 'expected a duration such as 250ms, 5s, 1m, 1h or 1d';
const durationProblem = (text: string) => {
  if (parseDuration(text) !== undefined) return undefined;
  return new RegExp(DURATION_PATTERN).test(text) ? 'a duration is at most 24d' : durationExpected;
};

export const duration = scalar({
  id: 'duration',
  description: 'A whole number and a unit: `250ms`, `5s`, `1m`, `1h`, `1d`.',
  pattern: DURATION_PATTERN,
  expected: durationExpected,
  problem: durationProblem,
});

export const positiveDuration = scalar({
  id: 'positiveDuration',
  description: 'A duration above zero: `250ms`, `5s`, `1m`, `1h`, `1d`.',
  pattern: DURATION_PATTERN,
  expected: durationExpected,
  problem: (text) =>
    durationProblem(text) ?? (parseDuration(text) === 0 ? 'expected a duration above zero' : undefined),
});

const sizeExpected = 'expected a size such as 512b, 64kb, 10mb or 1gb';
export const size = oneOf(sizeExpected, [
  z
    .string()
    .superRefine((text, context) => {
      if (parseSize(text) === undefined) context.addIssue({ code: 'custom', message: sizeExpected });
    })
    .meta({ pattern: SIZE_PATTERN }),
  z.int({ error: sizeExpected }).min(0),
]).meta({ id: 'size', description: 'Bytes: `512b`, `64kb`, `10mb`, `1gb` (steps of 1024), or a plain number.' });

const ratioExpected = 'expected a ratio such as 10% or 0.1';
export const ratio = oneOf(ratioExpected, [
  z
    .string()
    .superRefine((text, context) => {
      if (parseRatio(text) === undefined) context.addIssue({ code: 'custom', message: ratioExpected });
    })
    .meta({ pattern: RATIO_PATTERN }),
  z.number({ error: ratioExpected }).min(0).max(1),
]).meta({ id: 'ratio', description: 'A share: `10%` or `0.1`.' });

const rateExpected = 'expected a count and a period such as 100/s, 100/10s, 5000/1h or 20/minute';
export const rate = scalar({
  id: 'rate',
  description:
    'A count and a period: `100/s`, `100/10s`, `5000/1h`; also `/sec /second /m /min /minute /h /hour /d /day`.',
  pattern: RATE_PATTERN,
  expected: rateExpected,
  problem: (text) => (parseRate(text) === undefined ? rateExpected : undefined),
});

const quotaExpected = 'expected a count and a calendar period: minute, hour, day, week or month, as in 10000/day';
export const quota = scalar({
  id: 'quota',
  description: 'A count and a calendar period: `10000/day`, with `minute`, `hour`, `day`, `week` or `month`.',
  pattern: QUOTA_PATTERN,
  expected: quotaExpected,
  problem: (text) => (parseQuota(text) === undefined ? quotaExpected : undefined),
});

const listenExpected = 'expected host:port, :port, [::1]:port or unix:/path';
export const listenAddress = scalar({
  id: 'listenAddress',
  description: 'Where to listen: `host:port`, `:port` (every address), `[::1]:8080`, `unix:/path`.',
  expected: listenExpected,
  problem: (text) => (parseListenAddress(text) === undefined ? listenExpected : undefined),
});

const cidrExpected = 'expected an address or a block such as 10.0.0.0/8 or 2001:db8::/32';
export const cidr = scalar({
  id: 'cidr',
  description:
    'An IP address, a block in CIDR notation, or `private` (RFC 1918, loopback, link-local, unique local, 100.64.0.0/10).',
  expected: cidrExpected,
  problem: (text) => (text !== 'private' && parseCidr(text) === undefined ? `${cidrExpected}, or private` : undefined),
});

export const name = scalar({
  id: 'name',
  description: 'Lower-case letters, digits, `.`, `_` and `-`, at most 64, first a letter or digit.',
  pattern: NAME_PATTERN,
  expected: 'expected a name',
  problem: (text) =>
    isName(text)
      ? undefined
      : 'a name has lower-case letters, digits, ".", "_" and "-", at most 64, first a letter or digit',
});

export const endpointUrl = scalar({
  id: 'endpointUrl',
  description: 'Where an endpoint is: `http://host:port`, `https://host:port` or `unix:/path`.',
  expected: 'expected a URL such as http://10.0.0.1:9000, https://api.example.com or unix:/run/app.sock',
  problem: (text) => {
    const parsed = parseEndpointUrl(text);
    return parsed.ok ? undefined : parsed.problem;
  },
});

export const pemFile = scalar({
  id: 'pemFile',
  description: 'Path of a file in PEM form; relative to the folder of the configuration.',
  expected: 'expected the path of a PEM file',
  problem: (text) => {
    // A key that was pasted in must stand in no message.
    if (/[\n\0]|-----BEGIN/.test(text)) return 'is the content of a file: give its path, so that it can be read again';
    return text === '' ? 'expected the path of a PEM file' : undefined;
  },
});

export const serverName = scalar({
  id: 'serverName',
  description: 'A host name, as certificates hold it.',
  expected: 'expected a host name',
  problem: serverNameProblem,
});

export const redisUrl = scalar({
  id: 'redisUrl',
  description: '`redis://user:password@host:6379/0`.',
  expected: 'expected a URL such as redis://127.0.0.1:6379',
  problem: redisUrlProblem,
});

export const hostPattern = scalar({
  id: 'hostPattern',
  description: 'A host name, or `*.example.com` for every name below it. The port does not count.',
  expected: 'expected a host such as api.example.com or "*.example.com"',
  problem: hostPatternProblem,
});

export const authority = scalar({
  id: 'authority',
  description: 'A host with an optional port.',
  expected: 'expected a host, with a port where needed',
  problem: (text) => (isAuthority(text) ? undefined : 'expected a host, with a port where needed'),
});

export const method = scalar({
  id: 'method',
  description: 'An HTTP method, in upper case.',
  expected: 'expected a method such as GET',
  problem: (text) => {
    if (!isToken(text)) return 'expected a method such as GET';
    return /[a-z]/.test(text) ? `methods are case-sensitive: write ${text.toUpperCase()}` : undefined;
  },
});

export const headerName = scalar({
  id: 'headerName',
  description: 'Name of a header field; case does not count.',
  expected: 'expected the name of a header',
  problem: (text) => (isToken(text) ? undefined : 'is no header name (RFC 9110 token)'),
});

const headerValueProblem = (text: string) =>
  /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
    ? undefined
    : 'a header value has no line breaks, control characters or characters above U+00FF';

export const headerValue = oneOf('expected a text', [
  scalar({
    id: 'headerText',
    description: 'Text without line breaks and control characters.',
    expected: 'expected a text',
    problem: headerValueProblem,
  }),
  z.number(),
]).meta({
  id: 'headerValue',
  description: 'Value of a header: text without line breaks and control characters, or a number.',
});
