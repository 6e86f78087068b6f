/**
 * Every way a request can fail, in THE table: kind → status, reason, retry, blame. Status codes of the gateway's own
 * answers, metric labels, log values and the reference page come from here and from nowhere else.
 *
 * Reason codes are Envoy's response flags where the meaning is Envoy's; `proxyError` is the type of RFC 9209 §2.3.
 */
export type Reason =
  | 'NR'
  | 'DPE'
  | 'RL'
  | 'RLSE'
  | 'UA'
  | 'FB'
  | 'UAEX'
  | 'UH'
  | 'UO'
  | 'UF'
  | 'UC'
  | 'UPE'
  | 'UT'
  | 'DC'
  | 'LR'
  | 'IE';

/** When an attempt that failed this way may be sent again. */
export type Retryable = 'never' | 'if-idempotent' | 'always';

export interface FailureKind {
  readonly status: number;
  readonly reason: Reason;
  readonly title: string;
  /** `always` only where not one byte was written to the endpoint. */
  readonly retryable: Retryable;
  /** Whether the endpoint is blamed (outlier detection). */
  readonly blamesEndpoint: boolean;
  readonly proxyError: string;
  /** Whether the client connection closes after the answer, whatever the body's state. */
  readonly closes: boolean;
}

const failure = (
  status: number,
  reason: Reason,
  title: string,
  proxyError: string,
  more: Partial<Pick<FailureKind, 'retryable' | 'blamesEndpoint' | 'closes'>> = {},
): FailureKind => ({
  status,
  reason,
  title,
  proxyError,
  retryable: 'never',
  blamesEndpoint: false,
  closes: false,
  ...more,
});

const closes = { closes: true } as const;
const safeToRepeat = { retryable: 'always', blamesEndpoint: true } as const;
const repeatIfIdempotent = { retryable: 'if-idempotent', blamesEndpoint: true } as const;

export const FAILURES = {
  'no-route': failure(404, 'NR', 'No route', 'destination_not_found'),
  'bad-request': failure(400, 'DPE', 'Bad request', 'http_request_error', closes),
  'method-not-allowed': failure(405, 'DPE', 'Method not allowed', 'http_request_denied'),
  'request-timeout': failure(408, 'DPE', 'Request timeout', 'http_request_error', closes),
  'body-too-large': failure(413, 'DPE', 'Content too large', 'http_request_error', closes),
  'target-too-long': failure(414, 'DPE', 'URI too long', 'http_request_error', closes),
  'expectation-failed': failure(417, 'DPE', 'Expectation failed', 'http_request_error', closes),
  'fields-too-large': failure(431, 'DPE', 'Request header fields too large', 'http_request_error', closes),
  'not-implemented': failure(501, 'DPE', 'Not implemented', 'http_request_error', closes),
  'version-not-supported': failure(505, 'DPE', 'HTTP version not supported', 'http_request_error', closes),
  'rate-limited': failure(429, 'RL', 'Quota exceeded', 'http_request_denied'),
  'store-failed': failure(503, 'RLSE', 'Limit store unavailable', 'proxy_internal_response'),
  unauthenticated: failure(401, 'UA', 'Unauthorized', 'http_request_denied'),
  forbidden: failure(403, 'FB', 'Forbidden', 'http_request_denied'),
  'no-endpoint': failure(503, 'UH', 'No endpoint available', 'destination_unavailable'),
  overloaded: failure(503, 'UO', 'Overloaded', 'connection_limit_reached'),
  'connect-failed': failure(502, 'UF', 'Bad gateway', 'connection_refused', safeToRepeat),
  'connect-timeout': failure(504, 'UF', 'Gateway timeout', 'connection_timeout', safeToRepeat),
  'name-failed': failure(502, 'UF', 'Bad gateway', 'dns_error', safeToRepeat),
  'tls-failed': failure(502, 'UF', 'Bad gateway', 'tls_protocol_error', safeToRepeat),
  'certificate-refused': failure(502, 'UF', 'Bad gateway', 'tls_certificate_error', safeToRepeat),
  'upstream-closed': failure(502, 'UC', 'Bad gateway', 'connection_terminated', repeatIfIdempotent),
  'upstream-protocol': failure(502, 'UPE', 'Bad gateway', 'http_protocol_error', repeatIfIdempotent),
  'response-timeout': failure(504, 'UT', 'Gateway timeout', 'http_response_timeout', repeatIfIdempotent),
  'client-closed': failure(499, 'DC', 'Client closed request', 'http_request_error'),
  'gateway-stopped': failure(503, 'LR', 'Gateway stopped', 'connection_terminated'),
  internal: failure(500, 'IE', 'Internal error', 'proxy_internal_error'),
} as const satisfies Record<string, FailureKind>;

export type FailureName = keyof typeof FAILURES;

/** Whose side the failure is on. */
export type FailureSource = 'downstream' | 'upstream' | 'gateway';

/**
 * A failed attempt or a refused request: an expected failure, never a bug. It carries no stack, for it is made on the hot
 * path. `detail` is for people and is shown to the client, so it holds no secret and no address of the inside.
 */
export class GatewayError {
  readonly kind: FailureName;
  readonly source: FailureSource;
  readonly detail: string;
  readonly cause: unknown;

  constructor(kind: FailureName, source: FailureSource, detail: string, cause?: unknown) {
    this.kind = kind;
    this.source = source;
    this.detail = detail;
    this.cause = cause;
  }

  get failure(): FailureKind {
    return FAILURES[this.kind];
  }
}
