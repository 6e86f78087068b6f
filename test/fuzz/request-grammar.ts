import type { Rng } from './rng.ts';

/** Requests as RFC 9110 and 9112 allow them, the odd forms among them, made from parts that are each legal. */

const METHODS = ['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH'];
const ODD_METHODS = ['PURGE', 'get', 'X', "!#$%&'*+-.^_`|~", 'TRACE', 'UPDATEREDIRECTREF', 'PRI', 'MKCOL', 'Get'];
const TARGETS = ['/', '/a', '/a/b?c=d', '/?', '/a%20b', '/a;v=1/b'];
const ODD_TARGETS = [
  ...['//h/p', '/./a', '/a/../b', '/%7e/%2B', '/a?x=/../b&y=%zz', '/?{"a":[1|2]}', '/[x]', "/!$&'()*+,=:@~_-.", '/a//'],
  ...['http://h.test/x?y', 'http://h.test', 'HTTP://H.test:80?q', 'http://[::1]:8080/', '/%252e%252e/x', '/...', '/..'],
];
const HOSTS = ['h.test', 'h.test', 'H.test:80', '127.0.0.1:8080'];
const ODD_HOSTS = ['[::1]', '[2001:db8::1]:443', 'h.test.', 'h_t-x.test', 'h.test:', "a!$&'()*+,;=~b"];
const FIELDS = ['Accept: */*', 'User-Agent: fuzz/1', 'Cookie: a=1', 'X-A: b', 'Accept-Encoding: gzip, br'];
const ODD_FIELDS = [
  ...[
    'X-Empty:',
    'X-Blank: \t ',
    'X-Obs: \x80\xa0\xff',
    'x-two: 1',
    'X-Two: 2',
    'X-Tab:\ta\tb\t',
    "X!#$%&'*+.^_`|~: v",
  ],
  ...['Cookie: b=2', 'Connection: keep-alive', 'Connection: x-a, X-Two', 'Connection: close', 'Connection: , te ,,'],
  ...[
    'TE: trailers',
    'TE: gzip',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'Upgrade: h2c',
    'Via: 1.1 a',
  ],
  ...['HTTP2-Settings: AAMA', 'Proxy-Authorization: Basic eA==', 'X-Forwarded-For: 6.6.6.6', 'Forwarded: for=6.6.6.6'],
  ...['X_Forwarded_For: 6.6.6.6', 'X-Real-IP: 6.6.6.6', 'X-Request-Id: mine', 'Max-Forwards: 3', 'Trailer: X-T', 'A:b'],
  ...[
    'Content-Encoding: chunked',
    'Connection: upgrade',
    'Upgrade: websocket',
    'X-Forwarded-Host: evil',
    'Range: bytes=0-1',
  ],
];
const BODIES = ['', 'hello', '0\r\n\r\n', 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n', '\0\xff\r\n', 'x'.repeat(40)];
const EXTENSIONS = ['', '', '', ';a', ';a=b', ' ; a = b', ';a="x y"', ';a="q\\"\xff;";b', '\t;\ta', ';a=""'];
const TRAILERS = [
  '',
  '',
  'X-T: 1\r\n',
  'X-T: 1\r\nX-U:\r\n',
  'Host: evil\r\n',
  'X-A: 7\r\n',
  'Content-Length: 3\r\nX-V: \xe9 \r\n',
];

/** One to four requests behind each other. */
export function requests(rng: Rng): string {
  let text = '';
  for (let left = rng.mostly([1, 1, 2], [3, 4]); left > 0; left--) text += oneRequest(rng);
  return text;
}

function oneRequest(rng: Rng): string {
  const isOld = rng.chance(0.06);
  const version = isOld ? 'HTTP/1.0' : rng.mostly(['HTTP/1.1'], ['HTTP/1.1', 'HTTP/1.2'], 0.05);
  const method = rng.mostly(METHODS, ODD_METHODS);
  const lines = [`Host: ${rng.mostly(HOSTS, ODD_HOSTS)}`];
  for (let left = rng.below(4); left > 0; left--) lines.push(rng.mostly(FIELDS, ODD_FIELDS, 0.5));
  const [framing, body] = rng.chance(0.5) ? [undefined, ''] : framed(rng, isOld);
  if (framing !== undefined) lines.splice(rng.below(lines.length + 1), 0, framing);
  if (framing !== undefined && rng.chance(0.08)) lines.push('Expect: 100-continue');
  const start = `${rng.chance(0.05) ? '\r\n' : ''}${method} ${rng.mostly(TARGETS, ODD_TARGETS, 0.3)} ${version}`;
  return `${start}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** The framing field and the octets of a body. */
export function framed(rng: Rng, isOld: boolean): [field: string, octets: string] {
  const body = rng.pick(BODIES);
  if (!isOld && rng.chance(0.6)) {
    const field = rng.mostly(
      ['Transfer-Encoding: chunked'],
      ['transfer-encoding:\tChunked ', 'TRANSFER-ENCODING:CHUNKED'],
    );
    return [field, chunked(rng, body)];
  }
  const zeros = rng.mostly([''], ['0', '00']);
  return [rng.mostly([`Content-Length: ${body.length}`], [`content-length:\t${zeros}${body.length} \t`]), body];
}

function chunked(rng: Rng, body: string): string {
  let text = '';
  for (let at = 0; at < body.length; ) {
    const size = Math.min(body.length - at, 1 + rng.below(20));
    const digits = rng.chance(0.5) ? size.toString(16) : size.toString(16).toUpperCase();
    text += `${rng.mostly([''], ['0', '000'])}${digits}${rng.pick(EXTENSIONS)}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${text}${rng.mostly(['0'], ['00', '0;last'])}\r\n${rng.pick(TRAILERS)}\r\n`;
}
