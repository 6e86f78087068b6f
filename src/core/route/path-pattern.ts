/** One segment of a pattern: text to be met exactly, or a parameter that takes one segment that is not empty. */
export type PatternSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'param'; readonly name: string };

/**
 * `match.path`, taken apart: `/exact`, `/users/:id`, `/prefix/*` (which also matches `/prefix`), `/*`. The patterns
 * meet canonical paths (`canonicalPath`) segment by segment; case counts.
 */
export interface PathPattern {
  readonly text: string;
  readonly segments: readonly PatternSegment[];
  /** Ends in `/*`: takes whatever follows. */
  readonly isPrefix: boolean;
  readonly paramNames: readonly string[];
  /** Ranks `exact` before `params` before `prefix`. */
  readonly kind: 'exact' | 'params' | 'prefix';
}

/** Takes a valid pattern apart; `pathPatternProblem` says what is wrong with one that is not. */
export function parsePathPattern(text: string): PathPattern {
  const isPrefix = text.endsWith('/*');
  const body = isPrefix ? text.slice(0, -2) : text;
  const parts = body === '' ? [] : body.slice(1).split('/');
  const segments = parts.map(
    (part): PatternSegment =>
      part.startsWith(':') ? { kind: 'param', name: part.slice(1) } : { kind: 'literal', text: part },
  );
  const paramNames = segments.flatMap((segment) => (segment.kind === 'param' ? [segment.name] : []));
  const kind = isPrefix ? 'prefix' : paramNames.length > 0 ? 'params' : 'exact';
  return { text, segments, isPrefix, paramNames, kind };
}

/** What is wrong with a pattern, for a person who wrote it, or undefined. */
export function pathPatternProblem(text: string): string | undefined {
  if (!text.startsWith('/')) return 'a path starts with "/"';
  if (text.includes('?')) return 'a path has no query: match it under "query"';
  const body = text.endsWith('/*') ? text.slice(0, -2) : text;
  if (body.includes('*')) return '"*" stands only at the end, as "/*"';
  const names = new Set<string>();
  for (const part of body.split('/')) {
    if (!part.startsWith(':')) continue;
    const name = part.slice(1);
    if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(name))
      return `"${part}" is no parameter: a name follows the colon, as in ":id"`;
    if (names.has(name)) return `the parameter ":${name}" stands twice`;
    names.add(name);
  }
  return undefined;
}

/** Whether a canonical path meets a pattern: for single patterns off the routing path (exceptions of limits). */
export function pathMatches(pattern: PathPattern, path: string): boolean {
  const parts = path.slice(1).split('/');
  const { segments } = pattern;
  if (pattern.isPrefix ? parts.length < segments.length : parts.length !== segments.length) return false;
  return segments.every((segment, index) =>
    segment.kind === 'param' ? parts[index] !== '' : parts[index] === segment.text,
  );
}
