import type { RawClient } from '../kit/http-client.ts';
import type { OriginRequest } from '../kit/raw-origin.ts';
import type { Message } from '../kit/strict-http.ts';
import type { CorpusCase } from './corpus-case.ts';

/** What became of one case. */
export interface Observation {
  readonly client: RawClient;
  /** Neither answered nor closed in reasonable time. */
  readonly stuck: boolean;
  /** The gateway closed of itself, before the client half-closed. */
  readonly closedFirst: boolean;
  /** Heads that reached the origin for this case, whole requests among them. */
  readonly forwarded: readonly OriginRequest[];
  /** Why the origin could not read what it got. */
  readonly malformed: readonly string[];
}

/** Everything that is wrong with an outcome; empty when it is as it must be. */
export function judge(expected: CorpusCase, seen: Observation): string[] {
  const problems = [...checkWire(seen), ...checkMarkers(expected, seen)];
  if (expected.must_close === true && !seen.closedFirst) problems.push('the connection was not closed');
  const complete = seen.forwarded.filter(({ message }) => message.complete).map(({ message }) => message);
  switch (expected.expect) {
    case 'reject':
      problems.push(...checkRejected(expected, seen, complete));
      break;
    case 'forward':
      problems.push(...checkForwarded(expected, seen, complete));
      break;
    default:
      problems.push(...checkEither(expected, seen, complete));
  }
  return problems;
}

/** Holds for every case: what left the gateway, on either side, was valid. */
function checkWire({ client, forwarded, malformed }: Observation): string[] {
  const problems = malformed.map((why) => `the origin got: ${why}`);
  if (client.malformed !== undefined) problems.push(`the client got: ${client.malformed.message}`);
  for (const { message } of forwarded) {
    if (!/\b1\.[01] headgate\b/.test(message.get('via') ?? '')) problems.push('no Via at the origin');
    if (!/(?:^|, )127\.0\.0\.1$/.test(message.get('x-forwarded-for') ?? '')) problems.push('X-Forwarded-For');
  }
  return problems;
}

function checkMarkers(expected: CorpusCase, { forwarded }: Observation): string[] {
  if (expected.markers_ok === true) return [];
  return forwarded
    .filter(({ message }) => message.target.includes('/smuggled'))
    .map(({ message }) => `smuggled: ${message.method} ${message.target}`);
}

function checkRejected(expected: CorpusCase, seen: Observation, complete: readonly Message[]): string[] {
  const problems: string[] = [];
  if (complete.length > 0) problems.push(`${complete.length} complete requests at the origin`);
  const status = seen.client.responses[0]?.status;
  if (status !== undefined && !(expected.expect_status ?? [400]).includes(status)) problems.push(`answered ${status}`);
  if (status === undefined && !seen.closedFirst && expected.may_wait !== true && expected.eof !== true) {
    problems.push('neither answered nor closed');
  }
  return problems;
}

function checkForwarded(expected: CorpusCase, seen: Observation, complete: readonly Message[]): string[] {
  const problems = checkFirst(expected, complete[0]);
  const { responses, interim } = seen.client;
  const wanted = expected.n_forwarded;
  if (seen.stuck) problems.push('no answer');
  if (typeof wanted === 'number') {
    if (complete.length !== wanted) problems.push(`${complete.length} complete requests at the origin, not ${wanted}`);
    const statuses = responses.map(
      (answer) => `${answer.status}${answer.get('x-origin') === undefined ? ' of the gateway' : ''}`,
    );
    if (responses.length !== wanted || statuses.some((status) => status !== '200')) {
      problems.push(`answers: ${statuses.join(', ')}`);
    }
  } else if ((responses[0]?.status ?? 500) >= 300) {
    problems.push(`answered ${responses[0]?.status}`);
  }
  if (expected.no_1xx === true && interim.length > 0) problems.push(`1xx: ${interim[0]?.status}`);
  return problems;
}

function checkEither(expected: CorpusCase, seen: Observation, complete: readonly Message[]): string[] {
  const first = seen.client.responses[0];
  if (complete.length > 0) {
    const problems = checkFirst(expected, complete[0]);
    const wanted = expected.n_forwarded;
    if (typeof wanted === 'number' && complete.length !== wanted) problems.push(`${complete.length} forwarded`);
    return problems;
  }
  if (first === undefined) return seen.stuck ? ['neither answered nor closed'] : [];
  const allowed = expected.expect_status;
  const isAllowed = allowed === undefined ? first.status < 500 : allowed.includes(first.status);
  return isAllowed ? [] : [`answered ${first.status}`];
}

function checkFirst(expected: CorpusCase, message: Message | undefined): string[] {
  if (message === undefined) return [];
  const problems: string[] = [];
  const { body, method, target, header, present, absent } = expected;
  if (body !== undefined && message.text() !== body) problems.push(`body ${JSON.stringify(message.text())}`);
  if (method !== undefined && message.method !== method) problems.push(`method ${message.method}`);
  if (target !== undefined && message.target !== target) problems.push(`target ${message.target}`);
  for (const [name, value] of Object.entries(header ?? {})) {
    if (message.get(name) !== value) problems.push(`${name}: ${message.get(name)}`);
  }
  for (const name of present ?? []) if (message.get(name) === undefined) problems.push(`${name} is gone`);
  for (const name of absent ?? []) if (message.get(name) !== undefined) problems.push(`${name} is there`);
  return problems;
}
