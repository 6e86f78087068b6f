import * as z from 'zod';
import { laterValues } from '../later.ts';
import {
  choice,
  cidr,
  duration,
  listenAddress,
  off,
  oneOf,
  positiveDuration,
  redisUrl,
  scalar,
  size,
} from './fields.ts';
import { listenerTls } from './listener-tls.ts';

const defaultListen = '127.0.0.1:8080';
const defaultAdmin = '127.0.0.1:9901';

const listener = z.strictObject({
  address: listenAddress
    .default(defaultListen)
    .describe('Where to listen: `host:port`, `:port`, `[::1]:8080`, `unix:/path`. Changing it wants a restart.'),
  protocols: z
    .array(choice(['http1'], laterValues('listeners[].protocols')), { error: 'expected a list of protocols' })
    .min(1)
    .default(['http1'])
    .describe('Protocols that are spoken.'),
  tls: listenerTls,
  proxyProtocol: oneOf('expected false, require or allow', [off, choice(['require', 'allow'])])
    .default(false)
    .describe(
      'Whether a PROXY header (version 1 or 2) of `trustedProxies` names the client, before TLS: `require` closes every connection without one, `allow` takes those that come.',
    ),
  trustedProxies: oneOf('expected private or a list of addresses and blocks', [z.literal('private'), z.array(cidr)])
    .default([])
    .describe(
      'Peers from which `X-Forwarded-For`, `Forwarded`, `X-Forwarded-Proto`, `X-Request-Id` and a PROXY header are believed; addresses are walked from the right. `private` = the private networks.',
    ),
  trustedHops: z
    .int()
    .min(1)
    .optional()
    .describe('Instead of `trustedProxies`: there are exactly so many proxies in front.'),
  timeouts: z
    .strictObject({
      headers: positiveDuration.default('10s').describe('Longest time for a request head to arrive.'),
      idle: positiveDuration
        .default('75s')
        .describe(
          'Longest wait for the next request of a connection; above the 60 s of the usual balancers in front, so that they close first.',
        ),
      body: positiveDuration.default('60s').describe('Longest gap between two pieces of a request body.'),
    })
    .prefault({})
    .describe('Timeouts towards clients.'),
  minBodyRate: oneOf('expected a size or false', [off, size])
    .default('100b')
    .describe(
      'Least octets a second of a request body, on average from its 31st second on and until its answer begins; 408 below it; `false` = none.',
    ),
  maxHeaderBytes: size.default('32kb').describe('Longest request head; 431 past it.'),
  maxHeaders: z.int().min(1).max(10_000).default(100).describe('Most header lines of a request; 431 past it.'),
  maxConnections: oneOf('expected a number or false', [off, z.int().min(1)])
    .default(false)
    .describe('Most connections at a time; `false` = no limit of its own.'),
});

export const listeners = z
  .array(listener)
  .min(1)
  .prefault([{ address: defaultListen }])
  .describe('Sockets that accept requests.');

const storePrefix = scalar({
  id: 'storePrefix',
  description: 'Letters, digits, `.`, `_`, `-` and `:`, at most 64.',
  expected: 'expected a prefix such as headgate',
  problem: (text) =>
    /^[A-Za-z0-9._:-]{1,64}$/.test(text)
      ? undefined
      : 'a prefix has letters, digits, ".", "_", "-" and ":", at most 64',
});

export const store = oneOf('expected "memory", a URL such as redis://127.0.0.1:6379, or an object with url', [
  z.literal('memory'),
  redisUrl,
  z.strictObject({
    url: redisUrl.describe('Where Redis is: `redis://user:password@host:6379/0`.'),
    prefix: storePrefix.default('headgate').describe('First part of every key in Redis.'),
    timeout: positiveDuration.default('20ms').describe('Longest time for a decision of the store.'),
  }),
])
  .default('memory')
  .describe(
    'What the fleet shares: `memory` (this process alone), a Redis URL, or an object. The gateway starts and serves when the store is down. Changing it wants a restart.',
  );

export const admin = oneOf('expected false or an object', [
  off,
  z.strictObject({
    address: listenAddress.default(defaultAdmin).describe('Where the admin API listens. Changing it wants a restart.'),
    tokens: z
      .array(
        z.strictObject({
          token: z.string().min(1).describe('The secret: `Authorization: Bearer <token>`.'),
          role: choice(['read', 'write']).default('read').describe('`read` sees, `write` also changes.'),
        }),
      )
      .default([])
      .describe('Who may use the API from elsewhere than this machine. Without tokens it answers 403 there.'),
    allowedHosts: z
      .array(z.string().min(1))
      .default([])
      .describe('Further `Host` values under which the API may be asked on loopback.'),
  }),
])
  .prefault({ address: defaultAdmin })
  .describe('Admin API and metrics; `false` = off.');

export const log = z
  .strictObject({
    level: choice(['debug', 'info', 'warn', 'error'])
      .default('info')
      .describe('Least important events that are written.'),
    access: oneOf('expected json, combined or false', [choice(['json', 'combined']), off])
      .default('json')
      .describe('Form of the access log; `combined` adds Referer and User-Agent; `false` = none.'),
  })
  .prefault({})
  .describe('What is written to stdout.');

export const shutdown = z
  .strictObject({
    delay: duration
      .default('5s')
      .describe('After SIGTERM `/readyz` fails at once, and requests are still accepted for so long. SIGINT skips it.'),
    grace: duration.default('20s').describe('Longest wait for requests in flight after that.'),
  })
  .prefault({})
  .describe('How the gateway stops.');
