import { canonicalPath } from '../../src/core/route/path.ts';
import { Forwarder, soundParser } from './forwarder.ts';
import { Rng } from './rng.ts';
import type { FuzzTarget } from './target.ts';

const PIECES = [
  ...[
    '/',
    '/',
    '/',
    'a',
    'b',
    '.',
    '..',
    '...',
    '%2e',
    '%2E',
    '%252e',
    '%2f',
    '%5c',
    '%25',
    '%7E',
    '%41',
    '%c3%a9',
    '%3b',
  ],
  ...[
    ';',
    ';x',
    '%',
    '%4',
    '%zz',
    '%00',
    '%0a',
    '%7f',
    '~',
    '+',
    '%20',
    ':',
    '@',
    '//',
    '[',
    ']',
    '%5B',
    '%2%65',
    '%%32e',
  ],
];

function pathOf(rng: Rng): string {
  let path = rng.chance(0.98) ? '/' : '';
  for (let left = rng.below(12); left > 0; left--) path += rng.pick(PIECES);
  return path;
}

const QUERIES = ['', '', '?', '?a=/../b', '?x=%2e%2e/&y=?z', '?{|}'];

/** Paths: one canonical form, the one that is matched is the one that is forwarded, and nothing is decoded twice. */
export function pathTarget(canonical: (path: string) => string | undefined = canonicalPath): FuzzTarget {
  return {
    name: 'path',
    share: 1,
    input: (seed) => pathOf(new Rng(seed)),
    run: (seed) => {
      const rng = new Rng(seed);
      const path = pathOf(rng);
      const found = canonical(path);
      const meant = reference(path);
      if (found !== meant) return `${JSON.stringify(path)} is ${found}, by RFC 3986 ${meant}`;
      if (found === undefined) return undefined;
      if (canonical(found) !== found) return `${path} is ${found}, and that ${canonical(found)}`;
      const { pathname } = new URL(`http://h${found}`);
      if (pathname !== found) return `${path} is ${found}; another reader takes it for ${pathname}`;
      return judgeForwarded(path, found, rng.pick(QUERIES));
    },
  };
}

function judgeForwarded(path: string, found: string, query: string): string | undefined {
  const octets = Buffer.from(`GET ${path}${query} HTTP/1.1\r\nHost: h\r\n\r\n`, 'latin1');
  const [sent] = new Forwarder(soundParser).feed(octets).sent;
  return sent?.target === found + query ? undefined : `${path}${query} is forwarded as ${sent?.target}`;
}

/** RFC 3986 §6.2.2 in the plainest words, with what is refused; shares nothing with `canonicalPath`. */
function reference(path: string): string | undefined {
  if (!path.startsWith('/') || /%(?![0-9a-f]{2})/i.test(path)) return undefined;
  if (/%(?:[01][0-9a-f]|7f|2f|5c)/i.test(path)) return undefined;
  const decoded = path.replace(/%[0-9a-f]{2}/gi, (octet) => {
    const character = String.fromCharCode(Number.parseInt(octet.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : octet.toUpperCase();
  });
  if (/\/\.\.?(?:;|%3B)/.test(decoded)) return undefined;
  return withoutDotSegments(decoded);
}

/** `remove_dot_segments` of RFC 3986 §5.2.4, step by step. */
function withoutDotSegments(path: string): string {
  let input = path;
  let output = '';
  while (input !== '') {
    if (input.startsWith('/./')) input = input.slice(2);
    else if (input === '/.') input = '/';
    else if (input.startsWith('/../') || input === '/..') {
      input = input === '/..' ? '/' : input.slice(3);
      output = output.slice(0, Math.max(0, output.lastIndexOf('/')));
    } else {
      const next = input.indexOf('/', 1);
      output += next < 0 ? input : input.slice(0, next);
      input = next < 0 ? '' : input.slice(next);
    }
  }
  return output;
}
