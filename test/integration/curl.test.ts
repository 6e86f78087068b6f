import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { TestGateway } from '../kit/gateway.ts';

/**
 * curl asks a server of Node's own directly, and through the gateway: an independent client and an independent server
 * must see the same of each other, but for what a gateway adds.
 */

const run = promisify(execFile);
const THIS_FILE = fileURLToPath(import.meta.url);
const BIG = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 31 + (n >> 8)) & 255));

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly fields: readonly string[];
  readonly trailers: NodeJS.Dict<string>;
  readonly body: string;
}

let server: Server;
let gateway: TestGateway;
let folder: string;
const seen: Seen[] = [];

const answers: Record<string, (request: IncomingMessage, response: ServerResponse, body: Buffer) => void> = {
  '/204': (_, response) => response.writeHead(204, { 'X-A': '1' }).end(),
  '/304': (_, response) => response.writeHead(304, { ETag: '"a"' }).end(),
  '/404': (_, response) => response.writeHead(404, 'No Such Thing', { 'Content-Type': 'text/plain' }).end('no'),
  '/500': (_, response) => response.writeHead(500).end('oh'),
  '/302': (_, response) => response.writeHead(302, { Location: '/moved' }).end(),
  '/empty': (_, response) => response.writeHead(200, { 'Content-Length': '0' }).end(),
  '/gzip': (_, response) => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('compressed')),
  '/big': (_, response) => response.writeHead(200, { 'Content-Length': BIG.length }).end(BIG),
  '/fields': (_, response) =>
    response
      .writeHead(
        200,
        [
          ['Set-Cookie', 'a=1'],
          ['set-cookie', 'b=2'],
          ['X-Empty', ''],
          ['X-Obs', 'g\xfc'],
        ].flat(),
      )
      .end('x'),
  '/chunked': (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain' });
    for (const part of ['one ', 'two ', 'three']) response.write(part);
    response.end();
  },
  '/trailers': (_, response) => {
    response.writeHead(200, { Trailer: 'X-Sum' });
    response.write('body');
    response.addTrailers({ 'X-Sum': '4' });
    response.end();
  },
  '/hints': (_, response) => {
    response.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => response.end('hinted'));
  },
  '/range': (request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const part = BIG.subarray(Number(from), Number(to) + 1);
    response.writeHead(206, { 'Content-Range': `bytes ${from}-${to}/${BIG.length}` }).end(part);
  },
};

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-curl-'));
  server = createServer({ insecureHTTPParser: false }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts);
      const { method, url, rawHeaders, trailers } = request;
      seen.push({ method, url, fields: lines(rawHeaders), trailers, body: body.toString('latin1') });
      const path = new URL(url ?? '/', 'http://h').pathname;
      const answer =
        answers[path] ?? ((_: IncomingMessage, echo: ServerResponse) => echo.end(`${method} ${body.length}`));
      answer(request, response, body);
    });
  }).listen(0, '127.0.0.1');
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/refuses') {
      response.writeHead(413, { Connection: 'close' }).end('too large');
      return;
    }
    response.writeContinue();
    server.emit('request', request, response);
  });
  await once(server, 'listening');
  gateway = await TestGateway.start({
    upstreams: { origin: { endpoints: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] } },
    routes: [{ name: 'all', upstream: 'origin' }],
  });
});

after(async () => {
  await gateway.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

/** Of one connection, added by the gateway, or another each time. */
const NOT_COMPARED = new Set([
  ...['connection', 'keep-alive', 'via', 'x-request-id', 'date', 'x-forwarded-for', 'x-forwarded-proto'],
  ...['x-forwarded-host', 'forwarded', 'transfer-encoding'],
]);

function lines(flat: readonly string[]): string[] {
  const found: string[] = [];
  for (let at = 0; at < flat.length; at += 2) {
    if (!NOT_COMPARED.has((flat[at] as string).toLowerCase())) found.push(`${flat[at]}: ${flat[at + 1]}`);
  }
  return found.sort();
}

interface Answer {
  readonly summary: string;
  readonly heads: readonly string[];
  readonly body: Buffer;
  readonly request: Seen | undefined;
}

let runs = 0;

async function curl(port: number, path: string, args: readonly string[]): Promise<Answer> {
  const head = join(folder, `head-${++runs}`);
  const body = join(folder, `body-${runs}`);
  writeFileSync(body, '');
  const told = ['-sS', '--max-time', '10', '-o', body, '-D', head, '-w', '%{http_code} %{http_version} %{errormsg}'];
  const before = seen.length;
  const { stdout } = await run('curl', [...told, '-H', 'Host: app.test', ...args, `http://127.0.0.1:${port}${path}`]);
  const heads = readFileSync(head, 'latin1')
    .split('\r\n')
    .map((line) => line.replace(/^[^: ]+:/, (name) => name.toLowerCase()))
    .filter((line) => !NOT_COMPARED.has(line.slice(0, Math.max(0, line.indexOf(':')))));
  return { summary: stdout, heads: heads.sort(), body: readFileSync(body), request: seen[before] };
}

async function both(path: string, args: readonly string[]): Promise<[direct: Answer, via: Answer]> {
  const direct = await curl((server.address() as AddressInfo).port, path, args);
  return [direct, await curl(gateway.port(), path, args)];
}

suite('curl sees, and is seen, alike with and without the gateway', () => {
  const requests: Record<string, [path: string, ...args: string[]]> = {
    'GET with a query': ['/a?b=c&d=%20e'],
    HEAD: ['/big', '-I'],
    'HEAD of chunks': ['/chunked', '-I'],
    'POST of a form': ['/post', '-d', 'a=1&b=2'],
    'POST of nothing': ['/post', '-X', 'POST', '-H', 'Content-Length: 0'],
    'POST in chunks': ['/post', '-H', 'Transfer-Encoding: chunked', '-d', 'in chunks'],
    'POST that expects 100': ['/post', '-H', 'Expect: 100-continue', '-d', 'x'.repeat(5000)],
    'POST that expects 100, in chunks': [
      '/post',
      '-H',
      'Expect: 100-continue',
      '-H',
      'Transfer-Encoding: chunked',
      '-d',
      'y',
    ],
    'POST of octets': ['/post', '--data-binary', `@${THIS_FILE}`],
    'POST of a multipart form': [
      '/post',
      '-H',
      'Content-Type: multipart/form-data; boundary=b',
      '--data-binary',
      '--b\r\n\r\nx\r\n--b--\r\n',
    ],
    'PUT of a file': ['/put', '-T', THIS_FILE],
    DELETE: ['/x', '-X', 'DELETE'],
    PATCH: ['/x', '-X', 'PATCH', '-d', '{}'],
    PROPFIND: ['/x', '-X', 'PROPFIND', '-d', '<a/>'],
    OPTIONS: ['/x', '-X', 'OPTIONS'],
    '204': ['/204'],
    '304': ['/304', '-H', 'If-None-Match: "a"'],
    '404 with a phrase': ['/404'],
    '500': ['/500'],
    '302': ['/302'],
    'a redirect that is followed': ['/302', '-L'],
    'an empty body': ['/empty'],
    'a body in chunks': ['/chunked'],
    trailers: ['/trailers', '-H', 'TE: trailers'],
    '103': ['/hints'],
    'a range': ['/range', '-r', '1000-1999'],
    'a large body': ['/big'],
    'a compressed body': ['/gzip', '--compressed'],
    'a compressed body as it is': ['/gzip', '-H', 'Accept-Encoding: gzip'],
    'odd fields of a response': ['/fields'],
    'odd fields of a request': [
      '/x',
      '-H',
      'X-Empty;',
      '-H',
      'X-Obs: gr\u00fc\u00df',
      '-H',
      'X-Two: 1',
      '-H',
      'X-Two: 2',
    ],
    'a user and cookies': ['/x', '-u', 'me:secret', '-b', 'a=1; b=2', '-A', 'agent', '-e', 'http://from.test/'],
    'HTTP/1.0': ['/x', '--http1.0'],
    'HTTP/1.0, a length': ['/big', '--http1.0'],
    'HTTP/1.0, without a length': ['/chunked', '--http1.0'],
    'HTTP/1.0 POST': ['/post', '--http1.0', '-d', 'old'],
    'Connection: close': ['/x', '-H', 'Connection: close'],
    'a path as it is, that is canonical': ['/a//b;c=d/%2520', '--path-as-is'],
  };
  for (const [name, [path, ...args]] of Object.entries(requests)) {
    test(name, async () => {
      const [direct, via] = await both(path, args);
      // The gateway answers in its own version (RFC 9110 §2.5), as Node does.
      assert.equal(via.summary, direct.summary);
      // To HTTP/1.0 a length may be told that chunks did not tell, or the other way round.
      const isFraming = (line: string): boolean => args.includes('--http1.0') && line.startsWith('content-length:');
      const said = ({ heads }: Answer): string[] => heads.filter((line) => !isFraming(line));
      assert.deepEqual(said(via), said(direct));
      // Of HEAD curl writes the head there.
      if (args.includes('-I')) return;
      assert.ok(via.body.equals(direct.body), `${via.body.length} octets of body, directly ${direct.body.length}`);
      assert.deepEqual(via.request, direct.request);
    });
  }

  test('a final answer instead of 100', async () => {
    const args = ['-H', 'Expect: 100-continue', '--expect100-timeout', '9', '-d', 'x'.repeat(5000)];
    const [direct, via] = await both('/refuses', args);
    assert.deepEqual(
      [via.summary, via.heads, via.body.toString()],
      [direct.summary, direct.heads, direct.body.toString()],
    );
    assert.match(via.summary, /^413 /);
  });
});

suite('where the gateway has a say, curl sees it', () => {
  const targets: Record<string, [args: string[], status: string, target: string | undefined]> = {
    'absolute-form': [['--request-target', 'http://app.test/x?y'], '200', '/x?y'],
    'absolute-form without a path': [['--request-target', 'http://app.test?y'], '200', '/?y'],
    'dot segments': [['--path-as-is', '--request-target', '/a/./b/../c'], '200', '/a/c'],
    '//': [['--request-target', '//evil.test/x'], '200', '//evil.test/x'],
    'OPTIONS *': [['-X', 'OPTIONS', '--request-target', '*'], '204', undefined],
    'GET *': [['--request-target', '*'], '400', undefined],
    'an encoded slash': [['--request-target', '/a/..%2fb'], '400', undefined],
    'a fragment': [['--request-target', '/a#b'], '400', undefined],
    'no path': [['--request-target', 'app.test:80'], '400', undefined],
    TRACE: [['-X', 'TRACE'], '405', undefined],
    'two lengths': [['-H', 'Content-Length: 5', '-H', 'Content-Length: 6', '-X', 'POST'], '400', undefined],
    'an unknown expectation': [['-H', 'Expect: tea', '-d', 'x'], '417', undefined],
  };
  for (const [name, [args, status, target]] of Object.entries(targets)) {
    test(name, async () => {
      const before = seen.length;
      const { summary } = await curl(gateway.port(), '/', args);
      assert.equal(summary.slice(0, 3), status);
      assert.equal(seen[before]?.url, target);
    });
  }

  test('several requests over one connection', async () => {
    const { stdout } = await run('curl', [
      '-sS',
      '-w',
      ' %{num_connects}\\n',
      gateway.url('/1'),
      gateway.url('/2'),
      gateway.url('/204'),
      gateway.url('/4'),
    ]);
    assert.deepEqual(
      stdout.split('\n').filter((line) => line !== ''),
      ['GET 0 1', 'GET 0 0', ' 0', 'GET 0 0'],
    );
  });
});
