import * as z from 'zod';
import { canonicalPath } from '../../core/route/path.ts';
import { pathPatternProblem } from '../../core/route/path-pattern.ts';
import { isToken } from '../../http/http1/chars.ts';
import { MAX_LIMITS_PER_ROUTE } from '../../limits/bound-limit.ts';
import { parseEndpointUrl } from '../addresses.ts';
import { RETRY_DEFAULTS } from '../defaults.ts';
import { isName } from '../scalars.ts';
import { parseValuePattern } from '../value-pattern.ts';
import {
  authority,
  choice,
  headerName,
  headerValue,
  hostPattern,
  method,
  name,
  off,
  oneOf,
  positiveDuration,
  ratio,
  scalar,
  size,
} from './fields.ts';

/** A path that no canonical request can have never matches: say how it is to be written. */
function formProblem(text: string): string | undefined {
  const canonical = canonicalPath(text);
  if (canonical === text) return undefined;
  const encoded = canonicalPath(encodeURI(text).replaceAll('%25', '%'));
  if (encoded !== undefined) return `requests are matched in canonical form: write ${encoded}`;
  return 'no request has such a path: requests like it are refused with 400';
}

export const pathPattern = scalar({
  id: 'pathPattern',
  description: '`/exact`, `/prefix/*` (also matches `/prefix`), `/users/:id`.',
  pattern: '^/',
  expected: 'expected a path such as /exact, /prefix/* or /users/:id',
  problem: (text) => pathPatternProblem(text) ?? formProblem(text),
});

/** A path of a request that the gateway makes: visible ASCII, a query may follow. */
export const plainPath = scalar({
  id: 'plainPath',
  description: 'A path that starts with `/`.',
  pattern: '^/',
  expected: 'expected a path that starts with "/"',
  problem: (text) =>
    /^\/[\x21-\x22\x24-\x7e]*$/.test(text) ? undefined : 'expected a path that starts with "/", percent-encoded',
});

const prefix = scalar({
  id: 'pathPrefix',
  description: 'A path prefix such as `/orders`.',
  pattern: '^/',
  expected: 'expected a path prefix such as /orders',
  problem: (text) => {
    if (!text.startsWith('/') || /[*?]/.test(text)) return 'expected a path prefix such as /orders, without "*"';
    return formProblem(text);
  },
});

const rewriteTarget = scalar({
  id: 'rewritePath',
  description: 'A path; `*` at its end stands for what the `*` of the match took.',
  pattern: '^/',
  expected: 'expected a path such as /v2/*',
  problem: (text) => {
    if (!text.startsWith('/')) return 'a path starts with "/"';
    const body = text.endsWith('/*') ? text.slice(0, -1) : text;
    return /[*?]/.test(body) ? '"*" stands only at the end, as in /v2/*, and there is no query' : formProblem(body);
  },
});

function valueProblem(text: string): string | undefined {
  const pattern = parseValuePattern(text);
  if (pattern === undefined) return undefined;
  if (!/^[iu]{0,2}$/.test(pattern.flags)) return 'a pattern knows the flags i and u';
  try {
    new RegExp(pattern.source, pattern.flags);
    return undefined;
  } catch (error) {
    return `is no regular expression: ${(error as Error).message}`;
  }
}

const valueMatch = oneOf('expected a value, "/pattern/" or true', [
  scalar({
    id: 'matchText',
    description: 'A value to be equal to, or `/pattern/`.',
    expected: 'expected a text',
    problem: valueProblem,
  }),
  z.number(),
  z.literal(true),
]).meta({
  id: 'valueMatch',
  description: 'A value to be equal to, `"/regular expression/"`, or `true` for any value.',
});

const oneOrMore = <Item extends z.core.$ZodType>(expected: string, item: Item) =>
  oneOf(expected, [item, z.array(item).min(1)]);

const match = z.strictObject({
  host: oneOrMore('expected a host or a list of hosts', hostPattern)
    .optional()
    .describe('`api.example.com` or `"*.example.com"`; a list means any of them.'),
  path: oneOrMore('expected a path or a list of paths', pathPattern)
    .optional()
    .describe('`/exact`, `/prefix/*` (also matches `/prefix`), `/users/:id`; a list means any of them.'),
  methods: z.array(method).min(1).optional().describe('`[GET, POST]`.'),
  headers: z.record(headerName, valueMatch).optional().describe('Conditions on header fields, all of which must hold.'),
  query: z
    .record(z.string(), valueMatch)
    .optional()
    .describe('Conditions on query parameters, all of which must hold.'),
});

const HOP_BY_HOP: Readonly<Record<string, string>> = {
  connection: 'belongs to one connection and is the gateway’s own',
  'proxy-connection': 'belongs to one connection and is the gateway’s own',
  'keep-alive': 'belongs to one connection and is the gateway’s own',
  te: 'belongs to one connection and is the gateway’s own',
  trailer: 'belongs to one connection and is the gateway’s own',
  upgrade: 'belongs to one connection and is the gateway’s own',
  'transfer-encoding': 'frames the message and is the gateway’s own',
  'content-length': 'frames the message and is the gateway’s own',
  host: 'is set with "host" of the upstream or "rewrite.host" of the route',
};

const editedName = scalar({
  id: 'editedHeader',
  description: 'Name of a header field that may be edited: not of one connection, not of the framing, not `Host`.',
  expected: 'expected the name of a header',
  problem: (text) => {
    if (!isToken(text)) return 'is no header name (RFC 9110 token)';
    const reason = HOP_BY_HOP[text.toLowerCase()];
    return reason === undefined ? undefined : `"${text}" ${reason}`;
  },
});

const headerEdits = z.strictObject({
  set: z.record(editedName, headerValue).default({}).describe('Fields that are given this value, whatever they had.'),
  add: z
    .record(editedName, oneOrMore('expected a text or a list of texts', headerValue))
    .default({})
    .describe('Lines that are added to what is there; a list adds several.'),
  remove: z.array(editedName).default([]).describe('Fields that are taken away.'),
});

export const headers = z
  .strictObject({
    request: headerEdits.optional().describe('Edits of the request to the endpoint.'),
    response: headerEdits.optional().describe('Edits of the response to the client.'),
  })
  .describe('Header edits.');

const timeoutValue = oneOf('expected a duration or false', [off, positiveDuration]);

export const timeout = oneOf('expected a duration, false, or an object with response and stream', [
  off,
  positiveDuration,
  z.strictObject({
    response: timeoutValue
      .default('60s')
      .describe('From the request read whole to the response head, retries included. 504 past it.'),
    stream: timeoutValue.default('5m').describe('Longest silence of a response body or tunnel.'),
  }),
]);

const retryEvents = z.union([choice(['connect', 'refused', 'reset']), z.literal([502, 503, 504])], {
  error: 'expected one of connect, refused, reset, 502, 503, 504',
});

export const retry = oneOf('expected false or an object', [
  off,
  z.strictObject({
    attempts: z.int().min(1).max(10).default(RETRY_DEFAULTS.attempts).describe('Attempts in all.'),
    perTry: oneOf('expected a duration or none', [z.literal(['none', false]), positiveDuration])
      .default(RETRY_DEFAULTS.perTry)
      .describe('Longest wait for the response head of one attempt.'),
    budget: ratio
      .default(RETRY_DEFAULTS.budget)
      .describe(
        'Most retries, as a share of the last 10 s’ requests, + 3/s. A connect failure with no byte written does not count.',
      ),
    on: z
      .array(retryEvents)
      .min(1)
      .default(RETRY_DEFAULTS.on)
      .describe('What is tried again, where nothing can run twice.'),
  }),
]);

const respond = z.strictObject({
  status: z.int().min(200).max(599).default(200).describe('Status of the answer.'),
  headers: z.record(editedName, headerValue).default({}).describe('Header fields of the answer.'),
  body: z.string().default('').describe('Body of the answer.'),
});

const redirectTo = scalar({
  id: 'redirectTarget',
  description: 'A path, or a whole URL.',
  expected: 'expected a path or a URL',
  problem: (text) =>
    /^(\/|https?:\/\/[^/])[\x21-\x7e]*$/.test(text)
      ? undefined
      : 'expected a path that starts with "/" or an http(s) URL, percent-encoded',
});

const redirect = z.strictObject({
  to: redirectTo.describe(
    'Where to: a path or a URL. A `*` at its end stands for what the match’s `*` took and brings the query along.',
  ),
  status: z
    .literal([301, 302, 303, 307, 308], { error: 'expected one of 301, 302, 303, 307, 308' })
    .default(308)
    .describe('301, 302, 303, 307 or 308.'),
});

const upstreamRef = scalar({
  id: 'upstreamRef',
  description: 'Name of an upstream, or the URL of an endpoint.',
  expected: 'expected the name of an upstream, or a URL',
  problem: (text) => {
    if (isName(text)) return undefined;
    const parsed = parseEndpointUrl(text);
    return parsed.ok ? undefined : parsed.problem;
  },
});

export const limitNames = z
  .array(name)
  .max(MAX_LIMITS_PER_ROUTE)
  .describe('Names of limits: a request passes all or takes from none.');

const route = z.strictObject({
  name: name.optional().meta({ description: 'Shown everywhere. Default: `routes[i]`.' }),
  match: match.prefault({}).describe('Which requests; default: all.'),
  upstream: upstreamRef.optional().describe('Name of an upstream, or a URL for one without a name.'),
  respond: respond.optional().describe('Instead of an upstream: a fixed answer.'),
  redirect: redirect.optional().describe('Instead of an upstream: a redirect.'),
  limits: limitNames
    .optional()
    .meta({ description: 'Names of limits: a request passes all or takes from none. Default: `defaults.limits`.' }),
  timeout: timeout.optional().meta({
    description:
      'A duration sets `response` (from the request read whole to the response head, retries included); `{ response, stream }` both; `false` = none.',
    default: '60s',
  }),
  retry: retry.optional().meta({
    description: 'When an attempt is repeated on another endpoint; `false` = never.',
    default: { attempts: 2, perTry: 'none', budget: '10%' },
  }),
  stripPrefix: prefix.optional().describe('Taken off the path before it goes upstream: `/orders`.'),
  rewrite: z
    .strictObject({
      path: rewriteTarget
        .optional()
        .describe('Path that the endpoint sees; `*` at its end = what the match’s `*` took.'),
      host: authority.optional().describe('`Host` that the endpoint sees.'),
    })
    .optional()
    .describe('Another path or host for the endpoint.'),
  headers: headers.optional().describe('Header edits, both ways.'),
  bodyLimit: oneOf('expected a size or false', [off, size])
    .default('100mb')
    .describe('Longest request body; 413 past it; `false` = no limit.'),
});

export const routes = z
  .array(route)
  .default([])
  .describe('What goes where. The most specific match wins; the order counts only between equals.');
