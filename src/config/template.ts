import { Document, Scalar, stringify } from 'yaml';
import { withoutPassword } from './redact.ts';
import type { HeadgateConfig } from './schema.ts';

/** The commented file that `headgate init` writes: it works as it stands, and shows what else there is. */
export const CONFIG_TEMPLATE = `# Headgate configuration. Check it: headgate check   Run it: headgate start
# "headgate schema" prints a JSON Schema of every field, for editors.

listeners:
  - address: 127.0.0.1:8080          # ":8080" = every address of the machine
    # trustedProxies: private        # behind a balancer in a private network: believe its X-Forwarded-For

# What a fleet of gateways shares. Without it each gateway counts for itself, in memory.
# store: \${HEADGATE_REDIS:-redis://127.0.0.1:6379}

limits:
  # At most 100 requests of a client in any rolling minute.
  per-client: { key: client.ip, window: 100/1m }
  # 50 requests a second for each API key, and up to 100 at once.
  # per-key: { key: header.x-api-key, rate: 50/s, burst: 100 }
  # 10000 requests in each calendar day, for all together.
  # daily: { quota: 10000/day, timezone: UTC }

upstreams:
  app:
    endpoints:
      - http://127.0.0.1:3000
      # - { url: http://127.0.0.1:3001, weight: 2 }
    # healthCheck: { path: /healthz, interval: 5s }

routes:
  - name: app
    match: { path: /* }              # also host, methods, headers, query
    limits: [per-client]
    upstream: app
    # stripPrefix: /app
    # timeout: 60s
    # headers: { response: { set: { X-Frame-Options: DENY } } }

  # An answer of the gateway's own, and a redirect:
  # - match: { path: /ping }
  #   respond: { status: 200, body: pong }
  # - match: { host: www.example.com }
  #   redirect: { to: https://example.com/, status: 308 }

admin:
  address: 127.0.0.1:9901            # metrics, health and the admin API
`;

/** Flags of `headgate proxy`. */
export interface ProxyFlags {
  /** URLs of the endpoints, at least one. */
  readonly to: readonly string[];
  readonly port: number;
  /** A window such as `10/s`; undefined = no limit. */
  readonly limit: string | undefined;
  readonly limitKey: string;
  /** URL of Redis; undefined = memory. */
  readonly store: string | undefined;
}

/** The configuration that `headgate proxy` runs: the same as a file, for `--print-config` to write down. */
export function proxyConfig(flags: ProxyFlags): HeadgateConfig {
  const hasLimit = flags.limit !== undefined;
  return {
    listeners: [{ address: `127.0.0.1:${flags.port}` }],
    ...(flags.store === undefined ? {} : { store: flags.store }),
    ...(hasLimit ? { limits: { 'per-client': { key: flags.limitKey, window: flags.limit } } } : {}),
    upstreams: { app: { endpoints: [...flags.to] } },
    routes: [{ name: 'app', match: { path: '/*' }, ...(hasLimit ? { limits: ['per-client'] } : {}), upstream: 'app' }],
  };
}

/**
 * The file that `--print-config` prints. A password of the store stays out of it: the URL comes from the environment, as it
 * does for a gateway whose file names no store.
 */
export function proxyYaml(config: HeadgateConfig): string {
  const document = new Document(config);
  const { store } = config;
  if (typeof store === 'string' && withoutPassword(store) !== store) {
    const reference = new Scalar(`\${HEADGATE_STORE}`);
    reference.comment = ' the URL of --store: its password does not belong into a file';
    document.set('store', reference);
  }
  return document.toString({ lineWidth: 0 });
}

/** A configuration as YAML, to be saved as `headgate.yaml`. A `${` in a text is escaped, so that it is read back as it was. */
export function toYaml(config: HeadgateConfig): string {
  return stringify(escapeReferences(config), { lineWidth: 0 });
}

function escapeReferences(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('${', () => '$${');
  if (Array.isArray(value)) return value.map(escapeReferences);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, escapeReferences(item)]));
}
