import * as z from 'zod';
import { OUTLIER_DEFAULTS, UPSTREAM_DEFAULTS } from '../defaults.ts';
import { laterValues } from '../later.ts';
import { parseStatuses } from '../scalars.ts';
import {
  authority,
  choice,
  endpointUrl,
  headerName,
  headerValue,
  name,
  off,
  oneOf,
  pemFile,
  positiveDuration,
  ratio,
  serverName,
} from './fields.ts';
import { plainPath } from './routes.ts';

const statusExpected = 'expected a status, or ranges such as 200-399 or 200,204';
const statuses = oneOf(statusExpected, [
  z.string().superRefine((text, context) => {
    if (parseStatuses(text) === undefined) context.addIssue({ code: 'custom', message: statusExpected });
  }),
  z.int().min(100).max(599),
]).meta({ id: 'statuses', description: 'Statuses: `200`, `200-399`, `200,204`.' });

const healthCheck = z.strictObject({
  type: choice(['http', 'tcp'], laterValues('upstreams.*.healthCheck.type'))
    .default('http')
    .describe('`http` asks for `path`, `tcp` only connects.'),
  path: plainPath.default('/healthz').describe('What is asked for; a query may follow.'),
  interval: positiveDuration.default('5s').describe('From one check to the next.'),
  timeout: positiveDuration.default('2s').describe('Longest wait for the answer.'),
  fall: z.int().min(1).default(3).describe('So many failures in a row make an endpoint unavailable.'),
  rise: z.int().min(1).default(2).describe('So many successes in a row make it available again.'),
  status: statuses.default('200-399').describe('Statuses that are a success.'),
  port: z.int().min(1).max(65_535).optional().describe('Another port than the endpoint’s.'),
  host: authority.optional().describe('`Host` of the check; default: the endpoint’s own.'),
  headers: z.record(headerName, headerValue).default({}).describe('Further header fields of the check.'),
});

const outlierEvents = z.union([choice(['connect', 'reset', 'timeout']), z.literal([502, 503, 504])], {
  error: 'expected one of connect, reset, timeout, 502, 503, 504',
});

const outlierDetection = z.strictObject({
  consecutiveFailures: z
    .int()
    .min(1)
    .default(OUTLIER_DEFAULTS.consecutiveFailures)
    .describe('So many failures in a row eject an endpoint.'),
  on: z.array(outlierEvents).min(1).default(OUTLIER_DEFAULTS.on).describe('What counts as a failure.'),
  baseEjection: positiveDuration
    .default(OUTLIER_DEFAULTS.baseEjection)
    .describe('Length of the first ejection; it grows with each further one.'),
  maxEjection: positiveDuration.default(OUTLIER_DEFAULTS.maxEjection).describe('Longest ejection.'),
  maxEjected: ratio
    .default(OUTLIER_DEFAULTS.maxEjected)
    .describe('Share of the endpoints that may be ejected at a time.'),
});

const endpoint = oneOf('expected a URL, or an object with url', [
  endpointUrl,
  z.strictObject({
    url: endpointUrl.describe('`http://host:port`, `https://host:port` or `unix:/path`.'),
    weight: z.int().min(1).max(10_000).default(1).describe('Share of the requests, against the others.'),
  }),
]);

const tls = z.strictObject({
  ca: pemFile
    .optional()
    .describe('File with the certificates of the authorities that are trusted, instead of those that Node knows.'),
  cert: pemFile
    .optional()
    .describe('File with the gateway’s own certificate and the chain above it, for endpoints that ask for one.'),
  key: pemFile.optional().describe('File with the key of `cert`.'),
  servername: serverName
    .optional()
    .describe('Name that is sent (SNI) and that the certificate must be for; default: the host of the endpoint.'),
  verify: z
    .boolean({ error: 'expected true or false' })
    .default(true)
    .describe(
      'Whether the endpoint’s certificate must be valid. `false` lets anybody on the way read and change everything.',
    ),
});

export const upstream = z.strictObject({
  endpoints: z
    .array(endpoint)
    .min(1)
    .describe(
      'URLs (`http://host:port`, `https://host:port`, `unix:/path`), or objects with `url` and `weight`. A name is resolved again by its TTL; the last good answer holds.',
    ),
  host: oneOf('expected keep, upstream or a host', [z.literal(['keep', 'upstream']), authority])
    .optional()
    .describe(
      'The `Host` that the endpoint sees: `keep` = the client’s, `upstream` = the endpoint’s own, or a fixed value. The original goes into `X-Forwarded-Host`. Default: `keep`, and `upstream` where an endpoint is `https`.',
    ),
  balance: choice(['adaptive', 'round-robin', 'random', 'least-request'], laterValues('upstreams.*.balance'))
    .default(UPSTREAM_DEFAULTS.balance)
    .describe('How an endpoint is chosen. `adaptive` is least-request in this version.'),
  healthCheck: oneOf('expected false or an object', [off, healthCheck])
    .default(UPSTREAM_DEFAULTS.healthCheck)
    .describe('Active checks; `false` = none.'),
  outlierDetection: oneOf('expected false or an object', [off, outlierDetection])
    .prefault({})
    .describe('Ejects endpoints that fail in a row (what others call a circuit breaker); `false` = off.'),
  timeouts: z
    .strictObject({
      connect: positiveDuration
        .default(UPSTREAM_DEFAULTS.timeouts.connect)
        .describe('Longest time to connect, and to wait for a connection.'),
      idle: positiveDuration
        .default(UPSTREAM_DEFAULTS.timeouts.idle)
        .describe('Life of a pooled connection without requests, where the upstream sends no `Keep-Alive: timeout`.'),
    })
    .prefault({})
    .describe('Timeouts towards endpoints.'),
  maxConnections: z
    .int()
    .min(1)
    .default(UPSTREAM_DEFAULTS.maxConnections)
    .describe('Most connections to an endpoint; beyond it requests wait in order, then 503.'),
  tls: tls.optional().describe('How `https` endpoints are spoken to.'),
});

export const upstreams = z.record(name, upstream).default({}).describe('Named groups of endpoints.');
