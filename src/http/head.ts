import type { Fields } from './fields.ts';

export type ProtocolVersion = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';

/** The head of a request, whatever codec it came through. Valid until its exchange is finished. */
export interface RequestHead extends Fields {
  readonly method: string;
  /** Path as received, before normalisation; `*` for `OPTIONS *`. */
  readonly path: string;
  /** `''`, or the query with its leading `?`, as received. */
  readonly query: string;
  /** `path` and `query`, as one. */
  readonly target: string;
  /** Host and port as the client named them: what `host: keep` forwards. Empty only for HTTP/1.0 without Host. */
  readonly authority: string;
  /** Lower-case host without the port: what routes match. */
  readonly host: string;
  readonly version: ProtocolVersion;
  /** Whether a body follows. */
  readonly hasBody: boolean;
  /** Content-Length when stated. */
  readonly bodyLength: number | undefined;
  /** The protocol asked for by a well-formed Upgrade (`websocket` only), else undefined. */
  readonly upgrade: string | undefined;
  /** `100-continue` was asked for and is to be forwarded. */
  readonly expectsContinue: boolean;
  /** Lower-case names of fields that Connection tied to the client's connection. */
  readonly connectionNamed: ReadonlySet<string> | undefined;
}

/** The head of a final or informational response from an endpoint. Valid until the next message on its connection. */
export interface ResponseHead extends Fields {
  readonly status: number;
  readonly reasonPhrase: string;
  readonly version: ProtocolVersion;
  /** Lower-case names of fields that Connection tied to the endpoint's connection. */
  readonly connectionNamed: ReadonlySet<string> | undefined;
}

/** Names and values in turn: `[name, value, name, value, …]`, names in the spelling they are to have on an HTTP/1 wire. */
export type FlatFields = string[];

/** Fields that stay the same over many messages; the codec keeps their rendered form beside them. */
export class FieldBlock {
  readonly lines: FlatFields;
  private text: string | undefined = undefined;

  constructor(lines: FlatFields) {
    this.lines = lines;
  }

  /** The lines as HTTP/1 writes them, rendered once. */
  get http1(): string {
    this.text ??= renderLines('', this.lines);
    return this.text;
  }

  /** This block less the lines of these lower-case names. */
  without(names: ReadonlySet<string>): FieldBlock {
    const lines: FlatFields = [];
    for (let at = 0; at < this.lines.length; at += 2) {
      const name = this.lines[at] as string;
      if (!names.has(name.toLowerCase())) lines.push(name, this.lines[at + 1] as string);
    }
    return lines.length === this.lines.length ? this : new FieldBlock(lines);
  }
}

/** A block to begin with. */
export const EMPTY_BLOCK = new FieldBlock([]);

/** Appends `name: value` lines to `out`. */
export function renderLines(out: string, lines: FlatFields): string {
  for (let at = 0; at < lines.length; at += 2) out += `${lines[at]}: ${lines[at + 1]}\r\n`;
  return out;
}

/**
 * A head on its way out: the fields that came in, less those dropped and the hop-by-hop ones, plus `shared`, the request's
 * id, `varying` and `extra`. Whoever edits a head adds to `dropCodes` or `drop`, and lines by `addLine`; the codec then
 * writes it in one pass.
 */
export interface OutgoingFields {
  fields: Fields;
  /** Mask of field codes (`field-code.ts`). */
  dropCodes: number;
  /** Lower-case names. */
  drop: ReadonlySet<string> | undefined;
  /** The same over many messages. */
  shared: FieldBlock | undefined;
  /** Told as X-Request-Id; '' where it is not to be told. */
  requestId: string;
  /** One of a few blocks that take turns. */
  varying: FieldBlock | undefined;
  /** Further lines; most heads have none. */
  extra: FlatFields | undefined;
}

/** Adds a line behind all others. */
export function addLine(head: OutgoingFields, name: string, value: string): void {
  if (head.extra === undefined) head.extra = [name, value];
  else head.extra.push(name, value);
}

/** All lines that a head adds to those that came in, whatever they are kept in. */
export function addedLines({ shared, requestId, varying, extra }: OutgoingFields): FlatFields {
  const id = requestId === '' ? [] : ['X-Request-Id', requestId];
  return [...(shared?.lines ?? []), ...id, ...(varying?.lines ?? []), ...(extra ?? [])];
}

/** A reply as middleware sees it; the body is streamed beside it. */
export interface ReplyHead extends OutgoingFields {
  status: number;
  reasonPhrase: string;
  /** Length of the body when known; undefined = streamed until its end. */
  readonly bodyLength: number | undefined;
}

/** A request on its way to an endpoint. */
export interface OutgoingRequest extends OutgoingFields {
  readonly method: string;
  /** Origin-form. */
  readonly target: string;
  readonly host: string;
  readonly hasBody: boolean;
  readonly bodyLength: number | undefined;
  readonly upgrade: string | undefined;
  readonly expectsContinue: boolean;
}
