import type { Fields } from '../../src/http/fields.ts';
import { RequestParser } from '../../src/http/http1/request-parser.ts';
import { ResponseParser } from '../../src/http/http1/response-parser.ts';
import { LIMITS, type ParserMaker } from './forwarder.ts';
import { BEHIND_DATA, insidesOf, SIZE_LINE } from './insides.ts';
import type { ResponseParserMaker } from './relay.ts';

/** Parsers that are broken on purpose, each in one of the ways that have been holes in others: the fuzz has to find them. */

/** A reader of heads that mends what is not valid. */
function mendedHead(mend: (raw: string) => string): ParserMaker {
  return (events) => {
    const parser = new RequestParser(events, LIMITS);
    const read = parser.head.read.bind(parser.head);
    parser.head.read = (raw) => read(mend(raw));
    return parser;
  };
}

/** A decoder that takes a bare LF for the end of a chunk-size line, as three well-known proxies did. */
function takesBareLf<T extends RequestParser | ResponseParser>(parser: T): T {
  const { body } = insidesOf(parser);
  const read = body.readChunkLine.bind(body);
  body.readChunkLine = (code) => (code === 10 && body.state === SIZE_LINE ? read(13) && read(10) : read(code));
  return parser;
}

export const REQUEST_MUTANTS: Readonly<Record<string, ParserMaker>> = {
  'a bare LF ends a chunk-size line': (events) => takesBareLf(new RequestParser(events, LIMITS)),
  'chunk data need not be followed by CRLF': (events) => {
    const parser = new RequestParser(events, LIMITS);
    const { body } = insidesOf(parser);
    const read = body.readChunkLine.bind(body);
    const skip = (code: number): boolean => read(13) && read(10) && read(code);
    body.readChunkLine = (code) => (body.state === BEHIND_DATA && code !== 13 ? skip(code) : read(code));
    return parser;
  },
  'of two lengths the first is believed': mendedHead((raw) => {
    const first = /\r\ncontent-length:[^\r]*/i.exec(raw);
    if (first === null) return raw;
    const behind = first.index + first[0].length;
    return raw.slice(0, behind) + raw.slice(behind).replace(/\r\ncontent-length:[^\r]*/gi, '');
  }),
  'a coding beside a length is ignored': mendedHead((raw) => {
    return /\r\ncontent-length:/i.test(raw) ? raw.replace(/\r\ntransfer-encoding:[^\r]*/gi, '') : raw;
  }),
  'a length beside a coding is ignored': mendedHead((raw) => {
    return /\r\ntransfer-encoding:/i.test(raw) ? raw.replace(/\r\ncontent-length:[^\r]*/gi, '') : raw;
  }),
  'a coding in HTTP/1.0 is believed': mendedHead((raw) => {
    return /\r\ntransfer-encoding:/i.test(raw) ? raw.replace(' HTTP/1.0\r\n', ' HTTP/1.1\r\n') : raw;
  }),
  'a blank before the colon is forgiven': mendedHead((raw) => raw.replace(/(\r\n[\w-]+)[ \t]+:/g, '$1:')),
  'a folded line is unfolded': mendedHead((raw) => raw.replace(/\r\n[ \t]+/g, ' ')),
  'a bare LF ends a line of the head': mendedHead((raw) => raw.replace(/([^\r])\n/g, '$1\r\n')),
  'a second Host is dropped': mendedHead((raw) => raw.replace(/(\r\nHost:[^\r]*)\r\nHost:[^\r]*/i, '$1')),
  'what Connection names passes': (events) => {
    const parser = new RequestParser(events, LIMITS);
    Object.defineProperty(parser.head, 'connectionNamed', { value: undefined });
    return parser;
  },
  'a broken body looks complete': (events) => {
    return new RequestParser({ ...bound(events), onBodyError: () => events.onEnd(undefined) }, LIMITS);
  },
  'an octet of a body is lost': (events) => {
    const onData = (chunk: Uint8Array): void => events.onData(chunk.length === 5 ? chunk.subarray(1) : chunk);
    return new RequestParser({ ...bound(events), onData }, LIMITS);
  },
  'a head is lost where its end comes alone': (events) => {
    const parser = new RequestParser(events, LIMITS);
    const execute = parser.execute.bind(parser);
    parser.execute = (chunk, at) => (chunk.length === 1 && chunk[0] === 10 ? chunk.length : execute(chunk, at));
    return parser;
  },
  'a read makes no progress': (events) => {
    const parser = new RequestParser(events, LIMITS);
    const execute = parser.execute.bind(parser);
    parser.execute = (chunk, at) => (at > 0 && chunk[at] === 0 ? at : execute(chunk, at));
    return parser;
  },
};

function bound(events: Parameters<ParserMaker>[0]): Parameters<ParserMaker>[0] {
  return {
    onHead: (head) => events.onHead(head),
    onHeadError: (error) => events.onHeadError(error),
    onBodyError: () => events.onBodyError(),
    onData: (chunk) => events.onData(chunk),
    onEnd: (trailers) => events.onEnd(trailers),
  };
}

function mendedResponse(mend: (raw: string, method: string) => [raw: string, method: string]): ResponseParserMaker {
  return (events) => {
    const parser = new ResponseParser(events, LIMITS);
    const read = parser.head.read.bind(parser.head);
    parser.head.read = (raw, method, maxHeaders) => read(...mend(raw, method), maxHeaders);
    return parser;
  };
}

export const RESPONSE_MUTANTS: Readonly<Record<string, ResponseParserMaker>> = {
  'a bare LF ends a chunk-size line': (events) => takesBareLf(new ResponseParser(events, LIMITS)),
  'HEAD is read with a body': mendedResponse((raw, method) => [raw, method === 'HEAD' ? 'GET' : method]),
  'a length beside a coding is ignored': mendedResponse((raw, method) => [
    /\r\ntransfer-encoding:/i.test(raw) ? raw.replace(/\r\ncontent-length:[^\r]*/gi, '') : raw,
    method,
  ]),
  'a folded line is unfolded': mendedResponse((raw, method) => [raw.replace(/\r\n[ \t]+/g, ' '), method]),
  'a 204 has a body': mendedResponse((raw, method) => [raw.replace(/^(HTTP\/1\.\d) 204/, '$1 200'), method]),
  'what Connection names passes': (events) => {
    const parser = new ResponseParser(events, LIMITS);
    Object.defineProperty(parser.head, 'connectionNamed', { value: undefined });
    return parser;
  },
  'trailers are lost': (events) => {
    const bare = {
      onInformational: (head: ResponseParser['head']) => events.onInformational(head),
      onHead: (head: ResponseParser['head']) => events.onHead(head),
      onError: (detail: string) => events.onError(detail),
      onData: (chunk: Uint8Array) => events.onData(chunk),
      onEnd: (_trailers: Fields | undefined) => events.onEnd(undefined),
    };
    return new ResponseParser(bare, LIMITS);
  },
};
