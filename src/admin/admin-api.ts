import type { LogLevel } from '../ports.ts';
import type { AdminSource } from './admin-source.ts';
import type { AdminProblem, LogLevelView } from './api-types.ts';
import { upstreamsCsv } from './csv.ts';
import { INDEX_PAGE } from './index-page.ts';

export type AdminMethod = 'GET' | 'POST' | 'PUT';

export interface AdminRequest {
  readonly query: URLSearchParams;
  /** As text; '' without one. */
  readonly body: string;
}

export interface AdminReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface AdminRoute {
  /** Needs no token and no Host check: for kubelets and scrapers. */
  readonly open?: true;
  readonly methods: Readonly<
    Partial<Record<AdminMethod, (source: AdminSource, request: AdminRequest) => AdminReply | Promise<AdminReply>>>
  >;
}

/** All paths of the admin server. */
export const ADMIN_ROUTES: ReadonlyMap<string, AdminRoute> = new Map<string, AdminRoute>([
  ['/livez', { open: true, methods: { GET: () => text(200, 'ok\n') } }],
  [
    '/readyz',
    { open: true, methods: { GET: (source) => (source.ready() ? text(200, 'ok\n') : text(503, 'not ready\n')) } },
  ],
  ['/metrics', { open: true, methods: { GET: metrics } }],
  ['/', { methods: { GET: () => ({ status: 200, contentType: 'text/html; charset=utf-8', body: INDEX_PAGE }) } }],
  ['/api/v1/config', { methods: { GET: (source) => json(source.config()) } }],
  ['/api/v1/routes', { methods: { GET: (source) => json(source.routes()) } }],
  ['/api/v1/upstreams', { methods: { GET: upstreams } }],
  ['/api/v1/limits', { methods: { GET: async (source) => json(await source.limits()) } }],
  ['/api/v1/fleet', { methods: { GET: async (source) => json(await source.fleet()) } }],
  ['/api/v1/reload', { methods: { POST: reload } }],
  ['/api/v1/log', { methods: { PUT: setLogLevel } }],
]);

/** A problem document (RFC 9457). `more` are members of its own. */
export function adminProblem(
  status: number,
  title: string,
  detail: string,
  more: Pick<AdminProblem, 'errors'> = {},
  headers: Readonly<Record<string, string>> = {},
): AdminReply {
  const document: AdminProblem = { type: 'about:blank', title, status, detail, ...more };
  return { status, contentType: 'application/problem+json', body: `${JSON.stringify(document)}\n`, headers };
}

async function metrics(source: AdminSource): Promise<AdminReply> {
  const body = await source.metricsText();
  return { status: 200, contentType: 'text/plain; version=0.0.4; charset=utf-8', body };
}

async function upstreams(source: AdminSource, { query }: AdminRequest): Promise<AdminReply> {
  const format = query.get('format') ?? 'json';
  if (format === 'json') return json(await source.upstreams());
  if (format === 'csv') {
    return { status: 200, contentType: 'text/csv; charset=utf-8', body: upstreamsCsv(await source.upstreams()) };
  }
  return adminProblem(400, 'Bad request', 'format is json or csv');
}

async function reload(source: AdminSource): Promise<AdminReply> {
  const result = await source.reload();
  if (result.ok) return json(result);
  const detail = `the configuration is not valid, nothing was changed: ${result.errors[0] ?? 'no reason given'}`;
  return adminProblem(422, 'Configuration invalid', detail, { errors: result.errors });
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

function setLogLevel(source: AdminSource, { body }: AdminRequest): AdminReply {
  const level = LEVELS.find((known) => known === levelIn(body));
  if (level === undefined) {
    return adminProblem(400, 'Bad request', `the body is {"level": "…"}, one of ${LEVELS.join(', ')}`);
  }
  source.setLogLevel(level);
  return json({ level } satisfies LogLevelView);
}

function levelIn(body: string): unknown {
  try {
    return (JSON.parse(body) as { level?: unknown } | null)?.level;
  } catch {
    return undefined;
  }
}

function json(value: unknown): AdminReply {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(value)}\n` };
}

function text(status: number, body: string): AdminReply {
  return { status, contentType: 'text/plain; charset=utf-8', body };
}
