import type { Message } from '../kit/strict-http.ts';
import { StrictReader } from '../kit/strict-http.ts';
import { readChunked } from './chunks.ts';
import { allOf, differing, differsFromInput, namedBy, passing } from './field-rules.ts';
import type { Forwarded, Forwarder } from './forwarder.ts';
import { isKnownMethod, type LlhttpMessage, LlhttpReader } from './llhttp.ts';

/** Judges what became of the octets of one client connection. Knows the rules, and shares no code with what it judges. */

const llhttp = new LlhttpReader('request');

/** What the gateway writes itself, or drops where the peer is not trusted. */
const REWRITTEN = new Set([
  ...[
    'host',
    'content-length',
    'expect',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-forwarded-host',
    'forwarded',
    'via',
  ],
  ...['x-request-id', 'x-real-ip', 'max-forwards'],
]);
const NOT_IN_TRAILERS = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'trailer',
  'authorization',
  'te',
]);

/** The first thing that is wrong, or undefined. */
export function judgeRequests(input: Buffer, { sent, broken }: Forwarder): string | undefined {
  if (broken !== undefined) return broken;
  if (sent.length === 0) return undefined;
  for (const request of sent) {
    const problem = judgeEdits(request) ?? (request.complete ? judgeReading(input, request) : undefined);
    if (problem !== undefined) return problem;
  }
  return judgeStrict(sent) ?? judgeLlhttp(sent);
}

/** A strict origin reads what was meant, and as many requests. */
function judgeStrict(sent: readonly Forwarded[]): string | undefined {
  const read: Message[] = [];
  const reader = new StrictReader({ kind: 'request', onMessage: (message) => read.push(message) });
  try {
    reader.push(Buffer.from(sent.map(({ wire }) => wire).join(''), 'latin1'));
  } catch (error) {
    return `the origin cannot read it: ${(error as Error).message}`;
  }
  const last = reader.current;
  const all = last === undefined ? read : [...read, last];
  if (!last && !reader.idle) return 'the origin is left with half a head';
  if (all.length !== sent.length) return `the origin reads ${all.length} requests, not ${sent.length}`;
  for (const [index, message] of all.entries()) {
    const { method, target, complete } = message;
    const { fields, trailers } = message;
    const seen = { method, target, fields, body: message.text(), trailers, complete };
    const problem = differs(sent[index] as Forwarded, seen as Seen);
    if (problem !== undefined) return `the origin reads ${problem}`;
  }
  return undefined;
}

function judgeLlhttp(sent: readonly Forwarded[]): string | undefined {
  const wire = sent.map(({ wire: text, method }) =>
    isKnownMethod(method) ? text : `POST${text.slice(method.length)}`,
  );
  const { messages, error } = llhttp.read(Buffer.from(wire.join(''), 'latin1'));
  if (error !== undefined) return `llhttp does not read it: ${error}`;
  if (messages.length !== sent.length) return `llhttp reads ${messages.length} requests, not ${sent.length}`;
  for (const [index, message] of messages.entries()) {
    const request = sent[index] as Forwarded;
    const problem = differs(request, withMethod(message, request.method));
    if (problem !== undefined) return `llhttp reads ${problem}`;
  }
  return undefined;
}

type Seen = Pick<LlhttpMessage, 'method' | 'target' | 'fields' | 'body' | 'trailers' | 'complete'>;

function withMethod(message: LlhttpMessage, method: string): LlhttpMessage {
  return isKnownMethod(method) ? message : { ...message, method };
}

/** How a reader's view of the wire differs from what was meant. */
function differs(meant: Forwarded, seen: Seen): string | undefined {
  if (seen.complete !== meant.complete) return seen.complete ? 'an aborted request as whole' : 'a whole request as cut';
  if (seen.method !== meant.method || seen.target !== meant.target) return `${seen.method} ${seen.target}`;
  if (seen.body !== meant.body) return `the body ${JSON.stringify(seen.body)} for ${JSON.stringify(meant.body)}`;
  const hosts = seen.fields.filter(([name]) => name.toLowerCase() === 'host');
  if (hosts.length !== 1 || hosts[0]?.[1] !== meant.host) return `Host ${JSON.stringify(hosts)}`;
  const named = namedBy(meant.fields);
  const passes = passing(seen.fields, new Set(), isRewritten);
  const fields = differing(passing(meant.fields, named, isRewritten), passes, 'fields');
  if (fields !== undefined || !meant.complete) return fields;
  const tied = seen.trailers.find(([name]) => named.has(name.toLowerCase()));
  if (tied !== undefined) return `a trailer that Connection names: ${tied[0]}`;
  return differing(allOf(meant.trailers), allOf(seen.trailers), 'trailers');
}

/** Underscores are what some back ends make of hyphens. */
function isRewritten(name: string): boolean {
  return REWRITTEN.has(name.replaceAll('_', '-')) || /^x[-_](?:forwarded|client[-_]ip|original)/.test(name);
}

/** The gateway's own part of the head. */
function judgeEdits({ headText, upgrade, trailers }: Forwarded): string | undefined {
  const head = headText.toLowerCase();
  if (head.includes('6.6.6.6') && /\r\n(x-real-ip|x[-_]forwarded[-_]for|forwarded):[^\r]*6\.6\.6\.6/.test(head)) {
    return `a claim of the client's passes: ${headText}`;
  }
  if (!/\r\nvia: (?:[^\r]*, )?1\.[01] headgate\r\n/.test(head)) return 'no Via';
  if (/\r\n(keep-alive|proxy-connection|http2-settings|proxy-authorization):/.test(head))
    return `hop by hop: ${headText}`;
  if (upgrade === undefined && /\r\nupgrade:/.test(head)) return 'Upgrade passes';
  if (/\r\nte:(?! trailers\r\n)|\r\nconnection:(?! (?:te|upgrade)\r\n)/.test(head)) return `hop by hop: ${headText}`;
  const forbidden = trailers.find(([name]) => NOT_IN_TRAILERS.has(name.toLowerCase()));
  return forbidden === undefined ? undefined : `${forbidden[0]} in trailers`;
}

/** The request as it came is what llhttp reads in the same octets, its end included. */
function judgeReading(input: Buffer, request: Forwarded): string | undefined {
  if (request.end < 0) return 'taken for whole before its end';
  const text = input.toString('latin1', request.start, request.end);
  const plain = plainHead(text, request.method);
  const { messages, error, read } = llhttp.read(Buffer.from(plain, 'latin1'));
  const [message] = messages;
  if (message !== undefined && isChunked(message) && /^(?:\r\n)?[^\r]* HTTP\/1\.0\r\n/.test(text)) {
    return `chunked taken in HTTP/1.0 (RFC 9112 §6.1): ${JSON.stringify(text)}`;
  }
  const isCut = error !== undefined || (message !== undefined && saysUpgrade(message));
  if (isCut && message !== undefined && isChunked(message)) return judgeBody(text, request);
  if (error !== undefined) return `taken, where llhttp says ${error}: ${JSON.stringify(text)}`;
  if (message === undefined || messages.length > 1 || !message.complete)
    return `taken for whole: ${JSON.stringify(text)}`;
  if (saysUpgrade(message)) return undefined;
  if (read < plain.length) return `octets are left: ${JSON.stringify(text)}`;
  const fields = differing(allOf(message.fields), allOf(request.fields), 'fields as they came');
  return fields ?? differsFromInput(message, request, namedBy(request.fields), text);
}

/** llhttp stops behind a head that asks for any upgrade. */
function saysUpgrade({ fields }: LlhttpMessage): boolean {
  return fields.some(([name]) => name.toLowerCase() === 'upgrade');
}

/**
 * Where llhttp refuses or leaves a body that RFC 9112 §7.1 allows: blanks in chunk extensions, framing fields in trailers
 * (which RFC 9110 §6.5.1 lets a recipient ignore), a body behind a head that asks for an upgrade.
 */
function judgeBody(text: string, request: Forwarded): string | undefined {
  const read = readChunked(text.slice(text.indexOf('\r\n\r\n') + 4));
  if (read === undefined) return `taken, where neither llhttp nor RFC 9112 §7.1 does: ${JSON.stringify(text)}`;
  return differsFromInput(read, request, namedBy(request.fields), text);
}

function isChunked({ fields }: LlhttpMessage): boolean {
  return fields.some(([name]) => name.toLowerCase() === 'transfer-encoding');
}

/** The same request in what llhttp knows: its methods, its versions, no blank behind a length. */
function plainHead(text: string, method: string): string {
  const end = text.indexOf('\r\n\r\n') + 2;
  const head = isKnownMethod(method) ? text.slice(0, end) : text.slice(0, end).replace(/^((?:\r\n)?)\S+/, '$1POST');
  return (
    head
      .replace(/^((?:\r\n)?[^\r\n]* HTTP\/1\.)[2-9]\r\n/, '$11\r\n')
      .replace(/\r\n((?:content-length|transfer-encoding):[^\r]*?)[ \t]+\r\n/i, '\r\n$1\r\n') + text.slice(end)
  );
}
