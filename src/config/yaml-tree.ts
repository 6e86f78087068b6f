import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
} from 'yaml';
import { type ConfigPath, pathKey } from './issue.ts';

export interface Position {
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
}

/** A text that could not be read as YAML. */
export interface SyntaxProblem extends Position {
  readonly message: string;
  /** The value that could not be read; undefined for the text itself. */
  readonly path: ConfigPath | undefined;
}

/** Plain values read from YAML or JSON, with the place of each in the text. */
export interface YamlTree {
  readonly value: unknown;
  readonly problems: readonly SyntaxProblem[];
  /** False where the text is so broken that its values mean nothing. */
  readonly usable: boolean;
  /** Place of the value at a path, of its field's name with `isField`; of the nearest parent where there is none. */
  locate(path: ConfigPath, isField: boolean): Position;
}

interface Span {
  /** Offset of the field's name; undefined for entries of lists and the top. */
  readonly field: number | undefined;
  readonly value: number;
  readonly isScalar: boolean;
}

/** Most nodes that a file may unfold to through aliases. */
const MAX_NODES = 1_000_000;

/** Reads YAML 1.2 or JSON. Never throws for what stands in the text. */
export function readYaml(text: string, isJson: boolean): YamlTree {
  const lines = new LineCounter();
  // JSON may be indented with tabs, YAML may not; in valid JSON a tab is nothing but white space.
  const source = isJson ? text.replaceAll('\t', ' ') : text;
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, merge: false, version: '1.2' });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const problems = complaintsOf(document).map(
    (error): SyntaxProblem => ({ ...at(error.pos[0]), message: messageOf(error, source), path: undefined }),
  );
  const usable = document.errors.every((error) => error.code === 'DUPLICATE_KEY');
  const spans = new Map<string, Span>();
  const reader = new TreeReader(document, spans);
  const value = usable ? reader.read(document.contents, [], undefined) : undefined;
  for (const { offset, ...problem } of reader.problems) problems.push({ ...at(offset), ...problem });
  return { value, problems, usable, locate: (path, isField) => at(offsetOf(spans, path, isField)) };
}

class TreeReader {
  readonly problems: { offset: number; message: string; path: ConfigPath }[] = [];
  readonly #document: Document;
  readonly #spans: Map<string, Span>;
  /** Nodes that are being read: an alias to one of them has no end. */
  readonly #open = new Set<Node>();
  #nodes = 0;

  constructor(document: Document, spans: Map<string, Span>) {
    this.#document = document;
    this.#spans = spans;
  }

  read(node: unknown, path: ConfigPath, field: number | undefined): unknown {
    const target = isAlias(node) ? node.resolve(this.#document) : (node as Node | null);
    const offset = (node as Node | null)?.range?.[0] ?? field ?? 0;
    this.#spans.set(pathKey(path), { field, value: offset, isScalar: !isMap(target) && !isSeq(target) });
    if (isAlias(node) && target === undefined) {
      const message = `nothing is named &${node.source}; a text that starts with "*" is put in quotes, as in "*.example.com"`;
      this.problems.push({ offset, message, path });
    }
    if (target === null || target === undefined || isScalar(target)) return isScalar(target) ? target.value : null;
    if (this.#open.has(target) || ++this.#nodes > MAX_NODES) {
      this.problems.push({ offset, message: 'the alias unfolds without end', path });
      return null;
    }
    this.#open.add(target);
    const value = isSeq(target) ? this.#list(target.items, path) : isMap(target) ? this.#map(target.items, path) : null;
    this.#open.delete(target);
    return value;
  }

  #list(items: readonly unknown[], path: ConfigPath): unknown[] {
    return items.map((item, index) => this.read(item, [...path, index], undefined));
  }

  #map(items: readonly { key: unknown; value: unknown }[], path: ConfigPath): Record<string, unknown> {
    const entries = items.map(({ key, value }): [string, unknown] => {
      const offset = (key as Node | null)?.range?.[0] ?? 0;
      const name = isScalar(key) ? String(key.value) : undefined;
      if (name === undefined) this.problems.push({ offset, message: 'the name of a field is a plain text', path });
      return [name ?? '', this.read(value, [...path, name ?? ''], offset)];
    });
    // Keeps `__proto__` a field of its own, for the next step to refuse.
    return Object.fromEntries(entries);
  }
}

function offsetOf(spans: ReadonlyMap<string, Span>, path: ConfigPath, isField: boolean): number {
  for (let length = path.length; length >= 0; length--) {
    const span = spans.get(pathKey(path.slice(0, length)));
    if (span === undefined) continue;
    const wantsField = length === path.length ? isField || !span.isScalar : true;
    return wantsField && span.field !== undefined ? span.field : span.value;
  }
  return 0;
}

/** What the parser says: of broken syntax only the first, for the rest follows from it. */
function complaintsOf(document: Document): readonly YAMLError[] {
  const broken = document.errors.find((error) => error.code !== 'DUPLICATE_KEY');
  return broken === undefined ? [...document.errors, ...(document.warnings as readonly YAMLError[])] : [broken];
}

function messageOf(error: YAMLError, source: string): string {
  const [start, end] = error.pos;
  if (error.code === 'DUPLICATE_KEY') {
    const name = /^[^\s:,}]+/.exec(source.slice(start, Math.max(end, start + 80)))?.[0] ?? '';
    return `the field ${name} is there twice`;
  }
  if (error.code === 'MULTIPLE_DOCS') return 'a file holds one document, without a second "---"';
  const message = error.message.split('\n')[0]!;
  const line = source.slice(source.lastIndexOf('\n', start - 1) + 1).split('\n')[0]!;
  const hint = line.includes('${') ? ' (inside { } and [ ] a reference is put in quotes)' : '';
  return `no valid YAML: ${message}${hint}`;
}
