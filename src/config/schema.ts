import * as z from 'zod';
import { choice, off, oneOf } from './schema/fields.ts';
import { limits } from './schema/limits.ts';
import { headers, limitNames, retry, routes, timeout } from './schema/routes.ts';
import { admin, listeners, log, shutdown, store } from './schema/server.ts';
import { upstreams } from './schema/upstreams.ts';
import { workers } from './schema/workers.ts';

const defaults = z
  .strictObject({
    limits: limitNames
      .default([])
      .describe('Limits of routes that name none; they also hold for requests that match no route.'),
    timeout: timeout.optional().describe('As `routes[].timeout`.'),
    retry: retry.optional().describe('As `routes[].retry`.'),
    headers: headers.optional().describe('As `routes[].headers`.'),
  })
  .prefault({})
  .describe('What holds for every route; a route’s own replace them.');

/**
 * The configuration, in its written form: scalars such as `5s` stay text, defaults are filled in as they would be
 * written. What the fields mean in numbers is `compile.ts`; what more than one field must agree on is `checks.ts`.
 */
export const configSchema = z.strictObject({
  listeners,
  store,
  limits,
  upstreams,
  routes,
  defaults,
  admin,
  rateLimitHeaders: oneOf('expected standard, legacy, both or false', [choice(['standard', 'legacy', 'both']), off])
    .default('standard')
    .describe('`standard` (IETF `RateLimit` fields), `legacy` (`X-RateLimit-*`), `both`, or `false`.'),
  secret: z.string().min(1).optional().meta({
    description: 'Keys the hashes of limiter keys. Default: made once and kept in the store, so that a fleet agrees.',
  }),
  log,
  workers,
  shutdown,
});

/** The configuration as it is written in a file or handed to `createGateway`. */
export type HeadgateConfig = z.input<typeof configSchema>;
/** The configuration with its defaults filled in; scalars are still as written. */
export type Config = z.output<typeof configSchema>;

/** Gives a configuration in TypeScript its type: `export default defineConfig({ ... })`. */
export function defineConfig(config: HeadgateConfig): HeadgateConfig {
  return config;
}
