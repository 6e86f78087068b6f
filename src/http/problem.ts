import { FAILURES, type FailureName } from '../errors.ts';
import type { FlatFields } from './head.ts';

/** An answer that the gateway makes itself. `body` is a string of octets (latin1). */
export interface Reply {
  readonly status: number;
  readonly fields: FlatFields;
  readonly body: string;
}

const QUOTA_EXCEEDED = 'https://iana.org/assignments/http-problem-types#quota-exceeded';
const REDUCED_CAPACITY = 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity';

export interface ProblemOptions {
  /** Seconds; left out of the answer when undefined. */
  readonly retryAfterS?: number | undefined;
  readonly violatedPolicies?: readonly string[] | undefined;
  /** Value of Allow, for 405. */
  readonly allow?: string | undefined;
}

/** A problem document (RFC 9457) with Proxy-Status (RFC 9209), from the one table of failures. */
export function problemReply(
  kind: FailureName,
  detail: string,
  requestId: string,
  options: ProblemOptions = {},
): Reply {
  const { status, reason, title, proxyError } = FAILURES[kind];
  const document: Record<string, unknown> = {
    type: problemType(kind),
    title,
    status,
    reason,
    detail,
    instance: `/requests/${requestId}`,
  };
  if (options.violatedPolicies !== undefined) document['violated-policies'] = options.violatedPolicies;
  const fields = ['Content-Type', 'application/problem+json'];
  if (options.retryAfterS !== undefined) fields.push('Retry-After', String(options.retryAfterS));
  if (options.allow !== undefined) fields.push('Allow', options.allow);
  fields.push('Cache-Control', 'no-store', 'Proxy-Status', `headgate; error=${proxyError}; details="${reason}"`);
  return { status, fields, body: asciiJson(document) };
}

function problemType(kind: FailureName): string {
  if (kind === 'rate-limited') return QUOTA_EXCEEDED;
  return kind === 'overloaded' || kind === 'store-failed' ? REDUCED_CAPACITY : 'about:blank';
}

/** JSON in ASCII, so that its length in characters is its length in octets. */
function asciiJson(document: unknown): string {
  return JSON.stringify(document).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
