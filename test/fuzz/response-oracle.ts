import type { Message } from '../kit/strict-http.ts';
import { StrictReader } from '../kit/strict-http.ts';
import { readChunked } from './chunks.ts';
import { allOf, differing, differsFromInput, namedBy, passing } from './field-rules.ts';
import { type LlhttpMessage, LlhttpReader } from './llhttp.ts';
import type { Relay, Relayed } from './relay.ts';

/** Judges what became of the octets of an endpoint. Knows the rules, and shares no code with what it judges. */

const llhttp = new LlhttpReader('response');

const REWRITTEN = new Set(['via', 'x-request-id', 'content-length', 'date']);

/** The first thing that is wrong, or undefined. */
export function judgeResponses(input: Buffer, relay: Relay, methods: readonly string[]): string | undefined {
  if (relay.broken !== undefined) return relay.broken;
  for (const response of relay.sent) {
    const problem = response.complete ? judgeReading(input, response) : undefined;
    if (problem !== undefined) return problem;
  }
  return judgeStrict(relay, methods) ?? judgeLlhttp(relay, methods);
}

/** Whether the client takes the end of the connection for the end of the body. */
function endsWithConnection({ toOldClient, fields, status, method }: Relayed): boolean {
  const hasLength = fields.some(([name]) => name === 'content-length');
  return toOldClient && !hasLength && status !== 204 && status !== 304 && method !== 'HEAD';
}

function judgeStrict({ sent, wire }: Relay, methods: readonly string[]): string | undefined {
  // Not a status by RFC 9110 §15, and passed on for the client to judge; the strict reader will not.
  if (sent.some(({ status }) => status > 599)) return undefined;
  const read: Message[] = [];
  const interim: number[] = [];
  const take = (message: Message): void => {
    if (message.status < 200) interim.push(message.status);
    else read.push(message);
  };
  const reader = new StrictReader({ kind: 'response', methodOf: (index) => methods[index] ?? 'GET', onMessage: take });
  try {
    reader.push(Buffer.from(wire.text, 'latin1'));
    if (sent.at(-1)?.complete && reader.current?.framing === 'until-close') reader.end();
  } catch (error) {
    return `the client cannot read it: ${(error as Error).message}`;
  }
  const all = reader.current === undefined ? read : [...read, reader.current];
  if (all.length !== sent.length) return `the client reads ${all.length} responses, not ${sent.length}`;
  const hints = sent.flatMap(({ informational }) => informational);
  // Of the response that is still to come there may be more.
  if (interim.slice(0, hints.length).join() !== hints.join()) return `the client reads 1xx ${interim}, not ${hints}`;
  for (const [index, message] of all.entries()) {
    const { status, fields, trailers, complete } = message;
    const seen = { status, fields, trailers, complete, body: message.text() };
    const problem = differs(sent[index] as Relayed, seen as Seen);
    if (problem !== undefined) return `the client reads ${problem}`;
  }
  return undefined;
}

function judgeLlhttp({ sent, wire }: Relay, methods: readonly string[]): string | undefined {
  const last = sent.at(-1);
  const ended = last?.complete === true && endsWithConnection(last);
  const reading = llhttp.read(Buffer.from(wire.text, 'latin1'), (index) => methods[index] ?? 'GET', ended);
  if (reading.error !== undefined) return `llhttp does not read it: ${reading.error}`;
  const finals = reading.messages.filter(({ status }) => status >= 200);
  if (finals.length !== sent.length) return `llhttp reads ${finals.length} responses, not ${sent.length}`;
  for (const [index, message] of finals.entries()) {
    const problem = differs(sent[index] as Relayed, message);
    if (problem !== undefined) return `llhttp reads ${problem}`;
  }
  return undefined;
}

type Seen = Pick<LlhttpMessage, 'status' | 'fields' | 'body' | 'trailers' | 'complete'>;

function differs(meant: Relayed, seen: Seen): string | undefined {
  if (seen.complete !== meant.complete) return seen.complete ? 'a cut response as whole' : 'a whole response as cut';
  if (seen.status !== meant.status) return `${seen.status} for ${meant.status}`;
  if (seen.body !== meant.body) return `the body ${JSON.stringify(seen.body)} for ${JSON.stringify(meant.body)}`;
  const isRewritten = (name: string): boolean => REWRITTEN.has(name);
  const passes = passing(seen.fields, new Set(), isRewritten);
  const fields = differing(passing(meant.fields, namedBy(meant.fields), isRewritten), passes, 'fields');
  if (fields !== undefined || !meant.complete || meant.toOldClient) return fields;
  return differing(allOf(meant.trailers), allOf(seen.trailers), 'trailers');
}

/** The response as it came is what llhttp reads in the same octets, its end included. */
function judgeReading(input: Buffer, response: Relayed): string | undefined {
  if (response.end < 0) return 'taken for whole before its end';
  const text = input.toString('latin1', response.start, response.end);
  const octets = Buffer.from(withoutBlanks(text), 'latin1');
  const { messages, error, read } = llhttp.read(octets, () => response.method, response.untilClose);
  const message = messages.find(({ status }) => status >= 200);
  if (message !== undefined && isChunked(message) && /(?:^|\r\n\r\n)HTTP\/1\.0 [2-9]/.test(headsOf(text))) {
    return `chunked taken in HTTP/1.0 (RFC 9112 §6.1): ${JSON.stringify(text)}`;
  }
  if (message !== undefined && error !== undefined && isChunked(message)) return judgeBody(text, response);
  // A 1xx that says close, or HTTP/1.0, is the end of the connection to llhttp; to RFC 9110 §15.2 it is no answer yet.
  if (error === 'HPE_CLOSED_CONNECTION' && message === undefined) return undefined;
  if (error !== undefined) return `taken, where llhttp says ${error}: ${JSON.stringify(text)}`;
  if (message?.complete !== true) return `taken for whole: ${JSON.stringify(text)}`;
  if (messages.at(-1) !== message || read < octets.length) return `octets are left: ${JSON.stringify(text)}`;
  const fields = differing(allOf(message.fields), allOf(response.fields), 'fields as they came');
  return fields ?? differsFromInput(message, response, namedBy(response.fields), text);
}

/** The heads of a final response and of the 1xx before it. */
function headsOf(text: string): string {
  return /^(?:HTTP\/1\.[01] 1[\s\S]*?\r\n\r\n)*HTTP\/1\.[01] [2-9][\s\S]*?\r\n\r\n/.exec(text)?.[0] ?? '';
}

/** llhttp trips over HTAB behind a length or a coding, which RFC 9110 §5.5 allows. */
function withoutBlanks(text: string): string {
  const heads = headsOf(text);
  return (
    heads.replace(/\r\n((?:content-length|transfer-encoding):[^\r]*?)[ \t]+\r\n/gi, '\r\n$1\r\n') +
    text.slice(heads.length)
  );
}

function isChunked({ fields }: LlhttpMessage): boolean {
  return fields.some(([name]) => name.toLowerCase() === 'transfer-encoding');
}

/** Where llhttp is stricter than RFC 9112 §7.1. */
function judgeBody(text: string, response: Relayed): string | undefined {
  const read = readChunked(text.slice(headsOf(text).length));
  if (read === undefined) return `taken, where neither llhttp nor RFC 9112 §7.1 does: ${JSON.stringify(text)}`;
  return differsFromInput(read, response, namedBy(response.fields), text);
}
