/** Condition on a header or query parameter. */
export type ValueMatch =
  | { readonly kind: 'present' }
  | { readonly kind: 'equals'; readonly value: string }
  | { readonly kind: 'pattern'; readonly pattern: RegExp };

export interface NamedMatch {
  readonly name: string;
  readonly match: ValueMatch;
}

/** `match` of a route, compiled. Empty lists mean "all". Hosts are lower case; paths are in the syntax of `parsePathPattern`. */
export interface RouteMatch {
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly NamedMatch[];
  readonly query: readonly NamedMatch[];
}

/** What a router asks a request for; a header name is in lower case. */
export interface RouteConditions {
  header(name: string): string | undefined;
  /** First value of a query parameter, decoded (`queryParameter`). */
  query(name: string): string | undefined;
}

/** Whether a value, undefined where the request has none, meets a condition. */
export function valueMatches(value: string | undefined, match: ValueMatch): boolean {
  if (value === undefined) return false;
  switch (match.kind) {
    case 'present':
      return true;
    case 'equals':
      return value === match.value;
    case 'pattern':
      return match.pattern.test(value);
  }
}
