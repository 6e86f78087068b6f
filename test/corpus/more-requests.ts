import type { CorpusCase } from './corpus-case.ts';

/**
 * Further raw requests, derived from the text of RFC 9110, 9112 and 3986 rule by rule: what must pass although it is odd,
 * what must be refused although it is nearly right, and what may go either way but never desynchronise.
 */

type Extra = Partial<Omit<CorpusCase, 'id' | 'raw' | 'expect' | 'why'>>;

const CASES: CorpusCase[] = [];

function add(expect: CorpusCase['expect'], id: string, raw: string, why: string, extra: Extra = {}): void {
  CASES.push({ id: `more-${id}`, raw, expect, why, ...extra });
}

const HOST = 'Host: gw.test\r\n';
const SMUGGLED = `GET /smuggled HTTP/1.1\r\n${HOST}\r\n`;
const get = (target: string, ...lines: string[]): string =>
  `GET ${target} HTTP/1.1\r\n${HOST}${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const post = (body: string, ...lines: string[]): string =>
  `POST /a HTTP/1.1\r\n${HOST}${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`;
const chunked = (body: string, ...lines: string[]): string => post(body, ...lines, 'Transfer-Encoding: chunked');
const ONE: Extra = { n_forwarded: 1 };

// Methods: any token, by its case (RFC 9110 §9.1).
for (const [index, method] of [
  'purge',
  'M-SEARCH',
  'X',
  'get',
  'QUERY',
  'PRI',
  "!#$%&'*+-.^_`|~0aZ",
  'LOCK',
  'HTTP',
].entries()) {
  add('forward', `method-${index}`, `${method} /a HTTP/1.1\r\n${HOST}\r\n`, 'RFC 9110 §9.1: a method is any token', {
    ...ONE,
    method,
  });
}
add('forward', 'method-64', `${'M'.repeat(64)} /a HTTP/1.1\r\n${HOST}\r\n`, 'RFC 9110 §9.1: no bound is near', ONE);
for (const [index, method] of [
  'G(T',
  'G,T',
  'G/T',
  'G:T',
  'G;T',
  'G<T',
  'G=T',
  'G?T',
  'G@T',
  'G[T',
  'G\\T',
  'G{T',
  'G\x7fT',
  'G\x80T',
].entries()) {
  add('reject', `method-no-token-${index}`, `${method} /a HTTP/1.1\r\n${HOST}\r\n`, 'RFC 9110 §5.6.2: no tchar', {
    expect_status: [400, 501],
  });
}

// Request line: three words, one SP between (RFC 9112 §3).
const lines: Record<string, string> = {
  'two-words': 'GET /a',
  'one-word': 'GET',
  'no-method': '/a HTTP/1.1',
  'trailing-sp': 'GET /a HTTP/1.1 ',
  'trailing-tab': 'GET /a HTTP/1.1\t',
  'version-1.': 'GET /a HTTP/1.',
  'version-.1': 'GET /a HTTP/.1',
  'version-1.1x': 'GET /a HTTP/1.1x',
  'version-+1.1': 'GET /a HTTP/+1.1',
  'version-1,1': 'GET /a HTTP/1,1',
  'version-01.1': 'GET /a HTTP/01.1',
  'version-x': 'GET /a HTTP/a.b',
  'version-mixed': 'GET /a Http/1.1',
  'version-3': 'GET /a HTTP/3',
  'version-3.0': 'GET /a HTTP/3.0',
  'version-0.9': 'GET /a HTTP/0.9',
  'version-https': 'GET /a HTTPS/1.1',
  'version-icap': 'GET /a ICAP/1.0',
  'version-rtsp': 'DESCRIBE /a RTSP/1.0',
  'version-nul': 'GET /a HTTP/1.1\0',
  'sp-in-target': 'GET /a b HTTP/1.1',
  'vt-between': 'GET\x0b/a HTTP/1.1',
  'ff-between': 'GET\x0c/a HTTP/1.1',
  'nbsp-between': 'GET\xa0/a HTTP/1.1',
  'tab-then-fields': `GET\t/${'a'.repeat(80)}\tHTTP/1.1`,
};
for (const [id, line] of Object.entries(lines)) {
  add('reject', `line-${id}`, `${line}\r\n${HOST}\r\n`, 'RFC 9112 §3: method SP target SP version CRLF', {
    expect_status: [400, 505],
  });
}
add(
  'either-but-no-desync',
  'line-cr-cr-lf',
  `GET /a HTTP/1.1\r\r\n${HOST}\r\n`,
  'RFC 9112 §2.2: a bare CR is invalid, or SP',
  { expect_status: [400] },
);
add(
  'forward',
  'version-1.2',
  `GET /a HTTP/1.2\r\n${HOST}\r\n`,
  'RFC 9110 §2.5: a higher minor version is read as the highest known',
  ONE,
);
add('forward', 'version-1.9', `POST /a HTTP/1.9\r\n${HOST}Content-Length: 2\r\n\r\nhi`, 'RFC 9110 §2.5', {
  ...ONE,
  body: 'hi',
});
add('forward', 'empty-line-before', `\r\n${get('/a')}`, 'RFC 9112 §2.2: at least one empty line is ignored', ONE);
add(
  'either-but-no-desync',
  'empty-lines-before',
  `\r\n\r\n${get('/a')}`,
  'RFC 9112 §2.2: one is to be ignored, more may be',
  { expect_status: [400] },
);

// Targets (RFC 9112 §3.2, RFC 3986 §3.3).
const targets: Record<string, [sent: string, seen: string]> = {
  root: ['/', '/'],
  'double-slash': ['//gw.test/a', '//gw.test/a'],
  'triple-slash': ['///', '///'],
  'sub-delims': ["/!$&'()*+,;=:@", "/!$&'()*+,;=:@"],
  unreserved: ['/-._~', '/-._~'],
  'encoded-utf8': ['/caf%C3%A9', '/caf%C3%A9'],
  'encoded-space': ['/a%20b', '/a%20b'],
  'encoded-percent': ['/%2525', '/%2525'],
  'query-only-marks': ['/a???', '/a???'],
  'query-slashes': ['/a?/../b//', '/a?/../b//'],
  'query-brackets': ['/a?x[]=1&y[k]=2', '/a?x[]=1&y[k]=2'],
  'query-bare': ['/a?f=A|B&j={"k":[1]}&q=`^', '/a?f=A|B&j={"k":[1]}&q=`^'],
  'query-bad-escape': ['/a?x=%zz&y=%', '/a?x=%zz&y=%'],
  'query-encoded': ['/a?x=%2e%2e%2f%00', '/a?x=%2e%2e%2f%00'],
  'query-absolute': ['/a?u=http://evil.test/', '/a?u=http://evil.test/'],
  dots: ['/...', '/...'],
  'dot-file': ['/.well-known/x', '/.well-known/x'],
  semicolon: ['/a;jsessionid=1/b', '/a;jsessionid=1/b'],
  long: [`/${'a'.repeat(8100)}`, `/${'a'.repeat(8100)}`],
  'long-query': [`/a?${'q'.repeat(8100)}`, `/a?${'q'.repeat(8100)}`],
  asterisk: ['/*', '/*'],
  'absolute-like': ['/http://evil.test/', '/http://evil.test/'],
};
for (const [id, [sent, seen]] of Object.entries(targets)) {
  add('forward', `target-${id}`, get(sent), 'RFC 9112 §3.2.1: origin-form', { ...ONE, target: seen });
}
const badTargets = [
  ...['/a|b', '/a"b', '/a^b', '/a`b', '/{a}', '/a<b>', '/a?x=<y>', '/a\\b', '/a?x=\\', '/a#', '/a?b#c', '/caf\xc3\xa9'],
  ...[
    '/a?\xe9',
    '/a\x00b',
    '/a\x1fb',
    '/a?\x7f',
    'a',
    'a/b',
    '**',
    '/%00',
    '/%0d%0aX:y',
    '/%7f',
    '/a%',
    '/a%4',
    '/%zz',
  ],
  ...[
    'http:/gw.test/a',
    'http:gw.test/a',
    'http//gw.test/a',
    '://gw.test/a',
    'http://',
    'http://:80/a',
    'http://gw.test:x/a',
  ],
  ...[
    'http://gw.test:99999/a',
    'http://gw test/a',
    'http://gw.test#f',
    'http://[::1/a',
    'ftp://gw.test/a',
    'file:///a',
    'ws://gw.test/a',
  ],
  ...['mailto:a@gw.test', 'urn:a:b', 'javascript:1'],
];
for (const [index, target] of badTargets.entries()) {
  add('reject', `target-bad-${index}`, get(target), `RFC 9112 §3.2: no request target: ${JSON.stringify(target)}`, {
    expect_status: [400, 301],
  });
}
add('reject', 'target-empty', `GET  HTTP/1.1\r\n${HOST}\r\n`, 'RFC 9112 §3: the target is missing');
for (const target of ['/%2e%2e/x', '/a/%2E%2e/b', '/a/./b', '/a/../b', '/%61']) {
  add(
    'either-but-no-desync',
    `path-${target.length}-${CASES.length}`,
    get(target),
    'RFC 3986 §6.2.2: one form for all, or refused',
    {
      expect_status: [400, 301, 308],
    },
  );
}
for (const target of ['/a%2fb', '/a%5cb', '/..;/a', '/a/..%2f..%2fb']) {
  add(
    'either-but-no-desync',
    `path-${target.length}-${CASES.length}`,
    get(target),
    'RFC 3986 §2.2: two readers, two paths',
    { expect_status: [400] },
  );
}

// Absolute-form (RFC 9112 §3.2.2): its authority wins, and origin-form goes on.
const absolute: Record<string, [target: string, host: string, seen: string]> = {
  port: ['http://gw.test:8080/a', 'gw.test', '/a'],
  upper: ['HTTP://GW.TEST/a', 'gw.test', '/a'],
  'empty-port': ['http://gw.test:/a', 'gw.test', '/a'],
  'query-no-path': ['http://gw.test?q=1', 'gw.test', '/?q=1'],
  'other-host': ['http://gw.test/a?b', 'other.test', '/a?b'],
  'double-slash': ['http://gw.test//a', 'gw.test', '//a'],
  'url-in-query': ['http://gw.test/a?u=http://x/', 'gw.test', '/a?u=http://x/'],
};
for (const [id, [target, host, seen]] of Object.entries(absolute)) {
  const raw = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  add('forward', `absolute-${id}`, raw, 'RFC 9112 §3.2.2', { ...ONE, target: seen });
}
add(
  'forward',
  'absolute-http10',
  'GET http://gw.test/a HTTP/1.0\r\n\r\n',
  'RFC 9112 §3.2.2: without Host too, in HTTP/1.0',
  { ...ONE, target: '/a' },
);
add(
  'reject',
  'absolute-no-host',
  'GET http://gw.test/a HTTP/1.1\r\n\r\n',
  'RFC 9112 §3.2: Host is required all the same',
);
add('reject', 'absolute-two-hosts', `GET http://gw.test/a HTTP/1.1\r\n${HOST}${HOST}\r\n`, 'RFC 9112 §3.2');
add('either-but-no-desync', 'absolute-userinfo-2', `GET http://a@gw.test/ HTTP/1.1\r\n${HOST}\r\n`, 'RFC 9110 §4.2.4', {
  expect_status: [400],
});
add(
  'either-but-no-desync',
  'options-absolute-nopath',
  `OPTIONS http://gw.test HTTP/1.1\r\n${HOST}\r\n`,
  'RFC 9112 §3.2.4: becomes *',
  { expect_status: [200, 204] },
);
add('forward', 'options-path', `OPTIONS /a HTTP/1.1\r\n${HOST}\r\n`, 'RFC 9110 §9.3.7', ONE);
add('forward', 'options-root', `OPTIONS / HTTP/1.1\r\n${HOST}\r\n`, 'RFC 9110 §9.3.7: / is not *', {
  ...ONE,
  target: '/',
});
add(
  'reject',
  'options-maxfwd-00',
  `OPTIONS /a HTTP/1.1\r\n${HOST}Max-Forwards: 00\r\n\r\n`,
  'RFC 9110 §7.6.2: 00 is 0',
  { expect_status: [200, 204] },
);
add('forward', 'get-maxfwd-0', get('/a', 'Max-Forwards: 0'), 'RFC 9110 §7.6.2: GET may pass it', ONE);
add('reject', 'get-asterisk', get('*'), 'RFC 9112 §3.2.4: * is for OPTIONS');
for (const [index, target] of ['gw.test:443', '/a', 'http://gw.test/', 'gw.test', '*'].entries()) {
  add(
    'reject',
    `connect-${index}`,
    `CONNECT ${target} HTTP/1.1\r\n${HOST}\r\n`,
    'RFC 9110 §9.3.6: no tunnel is offered',
    { expect_status: [400, 405, 501] },
  );
}
add(
  'reject',
  'trace-secret',
  `TRACE /a HTTP/1.1\r\n${HOST}Authorization: x\r\n\r\n`,
  'RFC 9110 §9.3.8: nothing is reflected',
  { expect_status: [405, 501] },
);

// Host (RFC 9112 §3.2, RFC 3986 §3.2.2).
for (const [index, host] of ['gw.test:80', 'GW.Test', 'gw.test:', 'gw.test:0', 'gw.test:65535'].entries()) {
  add('forward', `host-${index}`, `GET /a HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 'RFC 3986 §3.2', ONE);
}
add(
  'forward',
  'host-ows',
  'GET /a HTTP/1.1\r\nHost: \t gw.test \t\r\n\r\n',
  'RFC 9110 §5.5: blanks are not the value',
  ONE,
);
add(
  'forward',
  'host-last',
  'GET /a HTTP/1.1\r\nX: y\r\nhOsT:gw.test\r\n\r\n',
  'RFC 9110 §5.3: order says nothing',
  ONE,
);
for (const [index, host] of [
  '[::1]',
  '[2001:db8::1]:8080',
  '127.0.0.1',
  'a_b.test',
  'xn--bcher-kva.test',
  'gw.test.',
  'gw.test,gw.test',
].entries()) {
  add(
    'either-but-no-desync',
    `host-odd-${index}`,
    `GET /a HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    'RFC 3986 §3.2.2: valid, routed or not',
    { expect_status: [404, 421] },
  );
}
for (const [index, host] of [
  ...['', ' ', 'gw.test gw.test', 'gw.test#', 'gw.test?x', '/gw.test', 'http://gw.test', 'gw.test\\', '"gw.test"'],
  ...[
    'gw.test:80:80',
    'gw.test:-1',
    'gw.test:+80',
    'gw.test:8 0',
    '::1',
    '[::1',
    '::1]',
    '[]',
    '[::1]x',
    '[gw.test]',
    '[:::]',
    '[1.2.3.4]',
    '[::g]',
  ],
  ...[
    'gw.test\x7f',
    'g\xe9.test',
    'gw<test',
    'gw|test',
    'gw{test',
    'gw.test:99999',
    '[::1]:x',
    '[1:2:3:4:5:6:7:8:9]',
    '@gw.test',
    'gw.test@',
    'a^b',
  ],
].entries()) {
  add(
    'reject',
    `host-bad-${index}`,
    `GET /a HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    `RFC 3986 §3.2: no authority of http: ${JSON.stringify(host)}`,
  );
}
add('reject', 'host-missing', 'GET /a HTTP/1.1\r\nX: y\r\n\r\n', 'RFC 9112 §3.2');
add('reject', 'host-missing-1.2', 'GET /a HTTP/1.2\r\n\r\n', 'RFC 9112 §3.2, §2.3');
add(
  'reject',
  'host-two-http10',
  `GET /a HTTP/1.0\r\n${HOST}${HOST}\r\n`,
  'RFC 9112 §3.2: more than one is invalid in any version',
);
add('reject', 'host-folded', 'GET /a HTTP/1.1\r\nHost:\r\n gw.test\r\n\r\n', 'RFC 9112 §5.2');
add('reject', 'host-sp-colon', 'GET /a HTTP/1.1\r\nHost : gw.test\r\n\r\n', 'RFC 9112 §5.1');

// Content-Length (RFC 9110 §8.6, RFC 9112 §6.3).
for (const [index, length] of ['5 ', '5\t', '\t5 \t', '0005', '00000000000000000000005'].entries()) {
  add(
    'forward',
    `length-${index}`,
    post('hello', `Content-Length:${length}`),
    'RFC 9110 §8.6: 1*DIGIT, with blanks around',
    { ...ONE, body: 'hello', header: { 'content-length': '5' } },
  );
}
add('forward', 'length-0-then', `${post('', 'Content-Length: 0')}${get('/b')}`, 'RFC 9112 §6.3: no body', {
  n_forwarded: 2,
});
add(
  'forward',
  'length-get',
  get('/a', 'Content-Length: 3').concat('abc'),
  'RFC 9110 §9.3.1: content of GET has no meaning, but a length',
  { ...ONE, body: 'abc' },
);
add('forward', 'length-head', `HEAD /a HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`, 'RFC 9110 §9.3.2', {
  ...ONE,
  body: 'abc',
});
add('forward', 'length-delete', `DELETE /a HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`, 'RFC 9110 §9.3.5', {
  ...ONE,
  body: 'abc',
});
add(
  'forward',
  'length-is-request',
  post(SMUGGLED, `Content-Length: ${SMUGGLED.length}`),
  'RFC 9112 §6.3: a body is no request',
  { ...ONE, body: SMUGGLED },
);
add('forward', 'no-length-post', post(''), 'RFC 9112 §6.3: neither field, no body', ONE);
for (const [index, length] of [
  ...[
    '-1',
    '-0',
    '5;',
    '5,',
    ',5',
    '5,5',
    '5, 6',
    '5.0',
    '5e0',
    '0x5',
    '\x0c5',
    '5\x0b',
    '\xb25',
    '٥',
    '5 5',
    '5\0',
    "'5'",
    '5L',
    '1_0',
    'NaN',
  ],
  ...[
    '18446744073709551621',
    '9223372036854775808',
    '99999999999999999999999999',
    '5\xa0',
    '\xa05',
    '5h',
    'five',
    '+0',
    '%35',
    '5%',
    '5\\',
    '=5',
  ],
].entries()) {
  add(
    'reject',
    `length-bad-${index}`,
    post(`hello${SMUGGLED}`, `Content-Length: ${length}`),
    `RFC 9110 §8.6: no 1*DIGIT: ${JSON.stringify(length)}`,
    { expect_status: [400, 413] },
  );
}
add(
  'reject',
  'length-twice-0',
  post(SMUGGLED, 'Content-Length: 0', `Content-Length: ${SMUGGLED.length}`),
  'RFC 9112 §6.3',
);
add(
  'reject',
  'length-thrice',
  post('hello', 'Content-Length: 5', 'content-length: 6', 'CONTENT-LENGTH: 5'),
  'RFC 9112 §6.3',
);
add(
  'reject',
  'length-and-lookalike',
  post('hello', 'Content-Length: 5', 'Content_Length: 6'),
  'a back end may take it for the real one',
);
add('reject', 'length-tab-colon', post('hello', 'Content-Length\t: 5'), 'RFC 9112 §5.1');
add('reject', 'length-fold', post('hello', 'Content-Length:\r\n 5'), 'RFC 9112 §5.2');
add('reject', 'length-bare-cr', post('hello', 'X: y\rContent-Length: 5'), 'RFC 9112 §2.2');

// Transfer-Encoding (RFC 9112 §6.1, §7).
for (const [index, line] of [
  'Transfer-Encoding:chunked',
  'transfer-ENCODING: CHUNKED',
  'Transfer-Encoding: \t chunked\t ',
  'Transfer-Encoding: Chunked',
].entries()) {
  add('forward', `coding-${index}`, post('5\r\nhello\r\n0\r\n\r\n', line), 'RFC 9112 §7: coding names have no case', {
    ...ONE,
    body: 'hello',
  });
}
for (const [index, coding] of [
  ...[
    '',
    ',',
    'chunked,',
    ',,chunked',
    'chunked;a=b',
    'chunked;',
    'chunked ; x',
    'chunked\x0b',
    '\x0cchunked',
    'chunked\xa0',
    '\xa0chunked',
    'chunked\x85',
  ],
  ...[
    'identity',
    'identity, chunked',
    'chunked, gzip',
    'gzip',
    'gzip, chunked',
    'deflate, gzip, chunked',
    'chunked, chunked',
    'xchunked',
    'chunkedx',
  ],
  ...[
    'chunked chunked',
    '"chunked"',
    "'chunked'",
    '(chunked)',
    'chun\tked',
    'chunked\0',
    '[chunked]',
    'chunked/1',
    'ch%75nked',
    'trailers',
    '5',
    'null',
  ],
].entries()) {
  add(
    'reject',
    `coding-bad-${index}`,
    post(`0\r\n\r\n${SMUGGLED}`, `Transfer-Encoding: ${coding}`),
    `RFC 9112 §6.1: not exactly chunked: ${JSON.stringify(coding)}`,
    { expect_status: [400, 501] },
  );
}
add(
  'reject',
  'coding-twice',
  post(`0\r\n\r\n${SMUGGLED}`, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
  'RFC 9112 §7.1: chunked once',
  { expect_status: [400, 501] },
);
add(
  'reject',
  'coding-twice-empty',
  post(`0\r\n\r\n${SMUGGLED}`, 'Transfer-Encoding:', 'Transfer-Encoding: chunked'),
  'RFC 9112 §6.1',
  { expect_status: [400, 501] },
);
for (const [index, length] of ['5', '0', 'x', ''].entries()) {
  const raw = post(`0\r\n\r\n${SMUGGLED}`, `Content-Length: ${length}`, 'Transfer-Encoding: chunked');
  add(
    'either-but-no-desync',
    `coding-and-length-${index}`,
    raw,
    'RFC 9112 §6.1: refused, or the length dropped and the connection closed',
    { expect_status: [400], must_close: true },
  );
}
add(
  'reject',
  'coding-http10',
  `POST /a HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'RFC 9112 §6.1: faulty framing in HTTP/1.0',
);

// Chunks (RFC 9112 §7.1).
const goodChunks: Record<string, [wire: string, body: string]> = {
  'hex-mixed': [`aB\r\n${'x'.repeat(171)}\r\n0\r\n\r\n`, 'x'.repeat(171)],
  'zeros-13': ['0000000000005\r\nhello\r\n0\r\n\r\n', 'hello'],
  'last-zeros': ['5\r\nhello\r\n0000\r\n\r\n', 'hello'],
  'ext-name': ['5;a\r\nhello\r\n0\r\n\r\n', 'hello'],
  'ext-value': ['5;a=b\r\nhello\r\n0;c=d\r\n\r\n', 'hello'],
  'ext-two': ['5;a=b;c\r\nhello\r\n0\r\n\r\n', 'hello'],
  'ext-bws': ['5 ;a\r\nhello\r\n0\r\n\r\n', 'hello'],
  'ext-bws-tab': ['5\t;\ta\t=\tb\r\nhello\r\n0\r\n\r\n', 'hello'],
  'ext-quoted-empty': ['5;a=""\r\nhello\r\n0\r\n\r\n', 'hello'],
  'ext-quoted-semicolon': ['5;a="b;c=d"\r\nhello\r\n0\r\n\r\n', 'hello'],
  'ext-quoted-escape': ['5;a="\\"\\\\"\r\nhello\r\n0\r\n\r\n', 'hello'],
  'ext-quoted-obs': ['5;a="\x80\xff"\r\nhello\r\n0\r\n\r\n', 'hello'],
  'ext-tchar': ["5;!#$%&'*+-.^_`|~=0\r\nhello\r\n0\r\n\r\n", 'hello'],
  'ext-long': [`5;a=${'b'.repeat(2000)}\r\nhello\r\n0\r\n\r\n`, 'hello'],
  'one-octet-chunks': ['1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n', 'hello'],
  'data-is-last-chunk': ['5\r\n0\r\n\r\n\r\n0\r\n\r\n', '0\r\n\r\n'],
  'data-is-request': [`${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`, SMUGGLED],
  'trailer-empty-value': ['5\r\nhello\r\n0\r\nX-T:\r\n\r\n', 'hello'],
  'trailer-obs': ['5\r\nhello\r\n0\r\nX-T: \xe9\r\n\r\n', 'hello'],
  'trailer-many': [`5\r\nhello\r\n0\r\n${'X-T: 1\r\n'.repeat(30)}\r\n`, 'hello'],
};
for (const [id, [wire, body]] of Object.entries(goodChunks)) {
  add('forward', `chunk-${id}`, chunked(wire), 'RFC 9112 §7.1', { ...ONE, body });
  add('forward', `chunk-${id}-then`, chunked(wire) + get('/next'), 'RFC 9112 §9.3: what follows is the next request', {
    n_forwarded: 2,
    body,
  });
}
const badChunks: Record<string, string> = {
  minus: '-5\r\nhello\r\n0\r\n\r\n',
  plus: '+5\r\nhello\r\n0\r\n\r\n',
  'leading-sp': ' 5\r\nhello\r\n0\r\n\r\n',
  'leading-tab': '\t5\r\nhello\r\n0\r\n\r\n',
  empty: '\r\nhello\r\n0\r\n\r\n',
  'only-ext': ';a=b\r\nhello\r\n0\r\n\r\n',
  'sp-inside': '0 5\r\nhello\r\n0\r\n\r\n',
  quote: '"5"\r\nhello\r\n0\r\n\r\n',
  'hex-h': '5h\r\nhello\r\n0\r\n\r\n',
  'upper-0X': '0X5\r\nhello\r\n0\r\n\r\n',
  comma: '5,5\r\nhello\r\n0\r\n\r\n',
  'obs-digit': '\xb25\r\nhello\r\n0\r\n\r\n',
  'lf-size': '5\nhello\r\n0\r\n\r\n',
  'lf-ext': '5;a\nhello\r\n0\r\n\r\n',
  'lf-both': '5\nhello\n0\n\n',
  'cr-size': '5\rhello\r\n0\r\n\r\n',
  'crcr-size': '5\r\r\nhello\r\n0\r\n\r\n',
  'cr-data': '5\r\nhello\r0\r\n\r\n',
  'lfcr-data': '5\r\nhello\n\r0\r\n\r\n',
  'sp-data': '5\r\nhello \r\n0\r\n\r\n',
  'nul-data-end': '5\r\nhello\0\r\n0\r\n\r\n',
  'ext-empty': '5;\r\nhello\r\n0\r\n\r\n',
  'ext-double': '5;;a\r\nhello\r\n0\r\n\r\n',
  'ext-no-name': '5;=b\r\nhello\r\n0\r\n\r\n',
  'ext-no-value': '5;a=\r\nhello\r\n0\r\n\r\n',
  'ext-open-quote': '5;a="b\r\nhello\r\n0\r\n\r\n',
  'ext-behind-quote': '5;a="b"c\r\nhello\r\n0\r\n\r\n',
  'ext-escape-cr': '5;a="\\\r\n"\r\nhello\r\n0\r\n\r\n',
  'ext-ctl': '5;a="\x01"\r\nhello\r\n0\r\n\r\n',
  'ext-del': '5;a\x7f\r\nhello\r\n0\r\n\r\n',
  'ext-no-semicolon': '5 a=b\r\nhello\r\n0\r\n\r\n',
  'ext-comma': '5;a=b,c\r\nhello\r\n0\r\n\r\n',
  'ext-8k': `5;a=${'b'.repeat(8192)}\r\nhello\r\n0\r\n\r\n`,
  'size-14-digits': '10000000000000\r\nhello\r\n0\r\n\r\n',
  'size-ffffffffffffffff': 'ffffffffffffffff\r\nhello\r\n0\r\n\r\n',
  'last-1': '5\r\nhello\r\n1\r\n\r\n',
  'last-lf': '5\r\nhello\r\n0\r\n\n',
  'last-lf-trailer': '5\r\nhello\r\n0\r\nX: y\n\r\n',
  'trailer-no-colon': '5\r\nhello\r\n0\r\nXY\r\n\r\n',
  'trailer-sp-colon': '5\r\nhello\r\n0\r\nX : y\r\n\r\n',
  'trailer-sp-first': '5\r\nhello\r\n0\r\n X: y\r\n\r\n',
  'trailer-nul': '5\r\nhello\r\n0\r\nX: \0\r\n\r\n',
  'trailer-cr': '5\r\nhello\r\n0\r\nX: a\rb\r\n\r\n',
  'trailer-bad-name': '5\r\nhello\r\n0\r\nX(: y\r\n\r\n',
};
for (const [id, wire] of Object.entries(badChunks)) {
  add('reject', `chunk-bad-${id}`, chunked(wire), 'RFC 9112 §7.1');
}
for (const [index, name] of [
  'Content-Length',
  'Host',
  'Content-Type',
  'Cookie',
  'Expect',
  'X-Forwarded-For',
  'Via',
  'X_Forwarded_For',
  'Transfer_Encoding',
  'Connection',
  'TE',
].entries()) {
  const raw = chunked(`5\r\nhello\r\n0\r\n${name}: x\r\n\r\n`);
  add('either-but-no-desync', `trailer-forbidden-${index}`, raw, 'RFC 9110 §6.5.1: refused, dropped, or kept apart', {
    expect_status: [400],
  });
}

// Field lines (RFC 9112 §5, RFC 9110 §5.5).
const goodFields: Record<string, [lines: string[], header: Record<string, string>]> = {
  empty: [['X-A:'], { 'x-a': '' }],
  'empty-blanks': [['X-A: \t '], { 'x-a': '' }],
  'no-blank': [['X-A:b'], { 'x-a': 'b' }],
  blanks: [['X-A: \t b \t'], { 'x-a': 'b' }],
  'inner-blanks': [['X-A: b \t c'], { 'x-a': 'b \t c' }],
  colons: [['X-A: :b::'], { 'x-a': ':b::' }],
  obs: [['X-A: \x80\x81\xfe\xff'], { 'x-a': '\x80\x81\xfe\xff' }],
  'name-of-one': [['A: b'], { a: 'b' }],
  'name-digits': [['0: b'], { '0': 'b' }],
  'name-200': [[`${'n'.repeat(200)}: b`], { ['n'.repeat(200)]: 'b' }],
  'value-8k': [[`X-A: ${'v'.repeat(8192)}`], { 'x-a': 'v'.repeat(8192) }],
  quoted: [['X-A: "b, c"'], { 'x-a': '"b, c"' }],
  'proto-name': [['__proto__: 1', 'constructor: 2'], { constructor: '2' }],
  'case-twice': [['X-A: 1', 'x-a: 2'], { 'x-a': '1, 2' }],
  'content-encoding': [['Content-Encoding: chunked'], { 'content-encoding': 'chunked' }],
  'hop-lookalike': [['Keep_Alive: x'], { keep_alive: 'x' }],
};
for (const [id, [fieldLines, header]] of Object.entries(goodFields)) {
  add('forward', `field-${id}`, get('/a', ...fieldLines), 'RFC 9110 §5', { ...ONE, header });
}
add(
  'forward',
  'field-99',
  get('/a', ...Array.from({ length: 99 }, (_, n) => `X-${n}: ${n}`)),
  '100 fields are to work',
  { ...ONE, header: { 'x-98': '98' } },
);
for (const [index, name] of [
  'X A',
  'X\tA',
  'X(',
  'X)',
  'X,',
  'X/',
  'X;',
  'X<',
  'X=',
  'X>',
  'X?',
  'X@',
  'X[',
  'X\\',
  'X]',
  'X{',
  'X}',
  '"X"',
  '',
  ' X',
  '\tX',
  'X ',
  'X\t',
  'X\0',
  'X\x1f',
  'X\x80',
  '\xa0X',
].entries()) {
  add(
    'reject',
    `field-bad-name-${index}`,
    get('/a', 'Y: z', `${name}: b`),
    `RFC 9110 §5.1: no token: ${JSON.stringify(name)}`,
  );
}
for (const code of [0, 1, 2, 7, 8, 10, 11, 12, 13, 14, 27, 31, 127]) {
  const raw = get('/a', `X-A: b${String.fromCharCode(code)}c`);
  add('either-but-no-desync', `field-ctl-${code}`, raw, 'RFC 9110 §5.5: refused, or replaced before it goes on', {
    expect_status: [400],
  });
}
add('either-but-no-desync', 'field-fold-tab', get('/a', 'X-A: b\r\n\tc'), 'RFC 9112 §5.2', { expect_status: [400] });
add('reject', 'field-fold-first', `GET /a HTTP/1.1\r\n\tX: y\r\n${HOST}\r\n`, 'RFC 9112 §2.2');
add('reject', 'field-101', get('/a', ...Array.from({ length: 101 }, (_, n) => `X-${n}: ${n}`)), 'RFC 6585 §5', {
  expect_status: [431, 400],
});
add('reject', 'field-lf-end', `GET /a HTTP/1.1\r\n${HOST}X: y\n\r\n`, 'RFC 9112 §2.2: strict');
add('reject', 'field-lfcr', `GET /a HTTP/1.1\n\r${HOST}\n\r`, 'RFC 9112 §2.2');
add('reject', 'target-40k', get(`/${'a'.repeat(40_000)}`), 'RFC 9112 §3', { expect_status: [414, 400, 431] });

// Fields of the connection (RFC 9110 §7.6.1).
add(
  'forward',
  'hop-named',
  get('/a', 'Connection: X-Hop, x-two', 'X-Hop: 1', 'X-Two: 2', 'X-End: 3'),
  'RFC 9110 §7.6.1',
  { ...ONE, absent: ['x-hop', 'x-two'], header: { 'x-end': '3' } },
);
add(
  'forward',
  'hop-named-twice',
  get('/a', 'X-Hop: 1', 'Connection: close', 'Connection: x-hop'),
  'RFC 9110 §7.6.1: a list over lines',
  { ...ONE, absent: ['x-hop'] },
);
add(
  'forward',
  'hop-empty-members',
  get('/a', 'Connection: , ,x-hop,,', 'X-Hop: 1'),
  'RFC 9110 §5.6.1: empty members are ignored',
  { ...ONE, absent: ['x-hop'] },
);
add(
  'forward',
  'hop-standard',
  get(
    '/a',
    'Keep-Alive: 5',
    'Proxy-Connection: x',
    'TE: gzip',
    'Upgrade: h2c',
    'HTTP2-Settings: AA',
    'Proxy-Authorization: Basic eA==',
  ),
  'RFC 9110 §7.6.1',
  {
    ...ONE,
    absent: ['keep-alive', 'proxy-connection', 'te', 'upgrade', 'http2-settings', 'proxy-authorization'],
  },
);
add('forward', 'hop-te-trailers', get('/a', 'TE: trailers', 'Connection: TE'), 'RFC 9110 §10.1.4', {
  ...ONE,
  header: { te: 'trailers' },
});
add(
  'forward',
  'hop-auth-kept',
  get('/a', 'Connection: authorization, cookie', 'Authorization: Basic eA==', 'Cookie: a=1'),
  'a client must not shed its own credentials',
  { ...ONE, present: ['authorization', 'cookie'] },
);
add(
  'forward',
  'hop-ours-stay',
  get('/a', 'Connection: x-forwarded-for, via, x-request-id, forwarded'),
  'ours are added last',
  { ...ONE, present: ['x-forwarded-for', 'via', 'x-request-id', 'forwarded'] },
);
add(
  'forward',
  'hop-trailer-named',
  chunked('5\r\nhello\r\n0\r\nX-Hop: 1\r\n\r\n', 'Connection: x-hop'),
  'RFC 9110 §7.6.1: trailers too',
  { ...ONE, body: 'hello' },
);
add('forward', 'close-then', get('/a', 'Connection: Close') + SMUGGLED, 'RFC 9112 §9.6: nothing behind close is read', {
  ...ONE,
  must_close: true,
});
add('forward', 'close-in-list', get('/a', 'Connection: x, cLoSe') + SMUGGLED, 'RFC 9112 §9.6', {
  ...ONE,
  must_close: true,
});
add(
  'forward',
  'http10-then',
  `GET /a HTTP/1.0\r\n${HOST}\r\n${SMUGGLED}`,
  'RFC 9112 §9.3: HTTP/1.0 ends with its answer',
  { ...ONE, must_close: true },
);
add(
  'forward',
  'http10-keep-alive',
  `GET /a HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n${get('/b')}`,
  'RFC 9112 §9.3',
  { n_forwarded: 2 },
);
add('forward', 'keep-alive-close', get('/a', 'Connection: keep-alive, close') + SMUGGLED, 'RFC 9112 §9.3: close wins', {
  ...ONE,
  must_close: true,
});

// Expect (RFC 9110 §10.1.1).
for (const [index, value] of ['100-continue', '100-Continue', ' 100-CONTINUE '].entries()) {
  add(
    'forward',
    `expect-${index}`,
    post('hello', `Expect: ${value}`, 'Content-Length: 5'),
    'RFC 9110 §10.1.1: without case',
    { ...ONE, body: 'hello' },
  );
}
for (const [index, value] of [
  '100',
  '100-continue, x',
  'x=100-continue',
  '100 continue',
  '"100-continue"',
  '100-continue;q=1',
  '101-continue',
  '100-continue\xa0',
].entries()) {
  add(
    'either-but-no-desync',
    `expect-bad-${index}`,
    post('hello', `Expect: ${value}`, 'Content-Length: 5'),
    'RFC 9110 §10.1.1: unknown: 417, or ignored',
    { expect_status: [400, 417] },
  );
}
add(
  'either-but-no-desync',
  'expect-twice',
  post('hello', 'Expect: 100-continue', 'Expect: 100-continue', 'Content-Length: 5'),
  'RFC 9110 §10.1.1',
  { expect_status: [400, 417] },
);
add('forward', 'expect-no-body', get('/a', 'Expect: 100-continue'), 'RFC 9110 §10.1.1: nothing to wait for', ONE);
add(
  'forward',
  'expect-http10',
  `POST /a HTTP/1.0\r\n${HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
  'RFC 9110 §10.1.1: ignored in HTTP/1.0',
  { ...ONE, no_1xx: true },
);

// Pipelines.
add(
  'forward',
  'pipeline-mixed',
  get('/1') + chunked('5\r\nhello\r\n0\r\n\r\n') + post('abc', 'Content-Length: 3') + get('/4'),
  'RFC 9112 §9.3.2',
  { n_forwarded: 4 },
);
add(
  'forward',
  'pipeline-crlf',
  `${post('ab', 'Content-Length: 2')}\r\n${get('/2')}`,
  'RFC 9112 §2.2: CRLF behind a body',
  { n_forwarded: 2 },
);
add('reject', 'pipeline-bad-first', `BAD\r\n\r\n${SMUGGLED}`, 'RFC 9112 §9.3: nothing is read behind an error', {
  must_close: true,
});
add('either-but-no-desync', 'pipeline-bad-second', `${get('/1')}GET /2 HTTP/1.1\r\n\r\n${SMUGGLED}`, 'RFC 9112 §3.2', {
  n_forwarded: 1,
  must_close: true,
});
for (const [index, size] of [1, 2, 3].entries()) {
  add(
    'reject',
    `truncated-${index}`,
    post('hello'.slice(0, size), 'Content-Length: 5'),
    'RFC 9112 §8: an incomplete request is not completed',
    { eof: true, expect_status: [400, 408, 499, 502] },
  );
}

export const MORE_CASES: readonly CorpusCase[] = CASES;
