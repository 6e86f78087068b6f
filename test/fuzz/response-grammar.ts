import { framed } from './request-grammar.ts';
import type { Rng } from './rng.ts';

/** Responses as an endpoint may send them, with the 1xx before and the odd forms among them. */

const STATUSES = [200, 200, 200, 404, 503];
const ODD_STATUSES = [201, 204, 205, 206, 299, 301, 304, 400, 418, 500, 599];
const PHRASES = ['OK', 'Not Found', '', 'Wohl bekomm\xb4s', ' a\tb '];
const FIELDS = ['Content-Type: text/plain', 'Server: x', 'Date: Tue, 15 Nov 1994 08:12:31 GMT', 'ETag: "a"', 'X-A: b'];
const ODD_FIELDS = [
  ...[
    'Set-Cookie: a=1, x',
    'set-cookie: b=2',
    'X-Empty:',
    'X-Obs: \x80\xff',
    'Connection: close',
    'Connection: keep-alive',
  ],
  ...[
    'Connection: x-a, X-Two',
    'X-Two: 2',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: close',
    'Upgrade: h2c',
    'Via: 1.0 b',
  ],
  ...['TE: x', 'Trailer: X-T', 'X-Request-Id: theirs', 'Content-Encoding: gzip', 'Connection: upgrade', 'Vary: *'],
];
const INFORMATIONAL = [
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-A\r\nX-A: 1\r\n\r\n',
];

/** What an endpoint sends in answer to one request of this method. */
export function response(rng: Rng, method: string): string {
  let text = '';
  while (rng.chance(0.15)) text += rng.pick(INFORMATIONAL);
  const isOld = rng.chance(0.08);
  const status = rng.mostly(STATUSES, ODD_STATUSES, 0.25);
  const lines: string[] = [];
  for (let left = rng.below(5); left > 0; left--) lines.push(rng.mostly(FIELDS, ODD_FIELDS, 0.5));
  const [framing, body] = rng.chance(0.12) ? [undefined, 'until the end'] : framed(rng, isOld);
  const hasNoBody = status === 204 || status === 304 || method === 'HEAD';
  if (framing !== undefined) lines.splice(rng.below(lines.length + 1), 0, framing);
  const phrase = rng.mostly([' OK'], ['', ...PHRASES.map((words) => ` ${words}`)]);
  const head = [`HTTP/1.${isOld ? 0 : 1} ${status}${phrase}`, ...lines].join('\r\n');
  return `${text}${head}\r\n\r\n${hasNoBody ? '' : body}`;
}
