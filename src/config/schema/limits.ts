import * as z from 'zod';
import { isToken } from '../../http/http1/chars.ts';
import { NOT_YET } from '../addresses.ts';
import { isTimeZone } from '../scalars.ts';
import { choice, cidr, method, name, oneOf, quota, rate, scalar } from './fields.ts';
import { pathPattern } from './routes.ts';

const keyExpected =
  'expected client.ip, header.<name>, cookie.<name>, query.<name>, path.<param>, route, method or host';

function keyProblem(text: string): string | undefined {
  if (['client.ip', 'route', 'method', 'host'].includes(text)) return undefined;
  if (text === 'consumer' || text.startsWith('jwt.')) return `${text} is ${NOT_YET}`;
  const [, source, part] = /^(header|cookie|query|path)\.(.+)$/.exec(text) ?? [];
  if (source === undefined || part === undefined) return keyExpected;
  if (source === 'header' || source === 'cookie') return isToken(part) ? undefined : `"${part}" is no ${source} name`;
  return undefined;
}

const keyPart = scalar({
  id: 'keyPart',
  description:
    'Part of a key: `client.ip`, `header.<name>`, `cookie.<name>`, `query.<name>`, `path.<param>`, `route`, `method`, `host`.',
  expected: keyExpected,
  problem: keyProblem,
});

const timezone = scalar({
  id: 'timezone',
  description: 'An IANA time zone such as `UTC` or `Europe/Berlin`.',
  expected: 'expected an IANA time zone such as Europe/Berlin',
  problem: (text) => (isTimeZone(text) ? undefined : 'expected an IANA time zone such as Europe/Berlin'),
});

const limit = z.strictObject({
  window: rate.optional().describe('Any rolling window of that length admits at most so many. `100/1m`.'),
  rate: rate.optional().describe('Any interval of length t admits at most burst + rate × t. `50/s`.'),
  burst: z
    .int()
    .min(1)
    .max(1_000_000_000)
    .optional()
    .meta({ description: 'With `rate`: how many may come at once. Default: the count of the rate.' }),
  quota: quota.optional().describe('Each calendar period admits at most so many. `10000/day`.'),
  timezone: timezone.optional().meta({ description: 'With `quota`: whose calendar.', default: 'UTC' }),
  key: oneOf(`${keyExpected}, or a list of them`, [keyPart, z.array(keyPart).min(1)])
    .optional()
    .describe(
      'What has a bucket of its own: one or a list of `client.ip`, `header.<name>`, `cookie.<name>`, `query.<name>`, `path.<param>`, `route`, `method`, `host`. Without it one bucket holds for all.',
    ),
  ipv6Prefix: z
    .int()
    .min(1)
    .max(128)
    .default(64)
    .describe('An IPv6 client is its prefix of that length; an IPv4-mapped address is IPv4.'),
  onMissingKey: choice(['ip', 'shared', 'deny', 'skip'])
    .default('ip')
    .describe(
      'For a request without the key: `ip` uses its address, `shared` one bucket for all of them, `deny` refuses it, `skip` does not limit it.',
    ),
  scope: choice(['global', 'route'])
    .default('global')
    .describe(
      '`global`: the same key is one bucket wherever the limit is used; `route`: one for each route, which must then have a name.',
    ),
  except: z
    .strictObject({
      ip: z.array(cidr).default([]).describe('Clients in these blocks.'),
      path: z.array(pathPattern).default([]).describe('Paths, as in `match.path`.'),
      methods: z.array(method).default([]).describe('Methods.'),
    })
    .optional()
    .describe('Requests that are not limited and not counted.'),
  cost: z
    .int({ error: ({ input }) => (typeof input === 'string' ? `a cost from the request is ${NOT_YET}` : undefined) })
    .min(1)
    .default(1)
    .describe('What a request takes.'),
  mode: choice(['enforce', 'shadow']).default('enforce').describe('`shadow`: evaluated and counted, never refused.'),
  consistency: choice(['leased', 'strict'])
    .default('leased')
    .describe('`strict`: every decision is the store’s. `leased` is accepted and decides strictly in this version.'),
  onStoreFailure: choice(['local', 'allow', 'deny'])
    .default('local')
    .describe(
      'While the store is away: `local` keeps to this gateway’s share of the limit, `allow` admits, `deny` answers 503.',
    ),
});

export const limits = z
  .record(name, limit)
  .default({})
  .describe('Named limits: each has exactly one of `window`, `rate` and `quota`.');
