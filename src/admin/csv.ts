import type { UpstreamView } from './api-types.ts';

const COLUMNS = [
  'upstream',
  'endpoint',
  'weight',
  'state',
  'reason',
  'in_flight',
  'latency_ms',
  'connections_open',
  'connections_idle',
  'failures',
  'ejected_for_ms',
];

/** The endpoints of all upstreams as CSV (RFC 4180), one line each below a line of names. */
export function upstreamsCsv(upstreams: readonly UpstreamView[]): string {
  const rows = upstreams.flatMap((upstream) =>
    upstream.endpoints.map((endpoint) => [
      upstream.name,
      endpoint.name,
      endpoint.weight,
      endpoint.state,
      endpoint.reason,
      endpoint.inFlight,
      endpoint.latencyMs ?? '',
      endpoint.connections.open,
      endpoint.connections.idle,
      endpoint.failures,
      endpoint.ejectedForMs ?? '',
    ]),
  );
  return [COLUMNS, ...rows].map((row) => `${row.map(csvField).join(',')}\r\n`).join('');
}

function csvField(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
