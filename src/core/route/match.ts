import { type PathPattern, parsePathPattern } from './path-pattern.ts';
import { type RouteConditions, type RouteMatch, valueMatches } from './route-match.ts';
import { hashRange, PathWalk, SegmentNode } from './segment-trie.ts';

/** The route that a request takes, with what its path pattern took. Immutable. */
export interface RouteHit {
  /** Index in the list given to `compileRouter`. */
  readonly route: number;
  readonly paramNames: readonly string[];
  /** By position, as they stand in the canonical path (not decoded). */
  readonly paramValues: readonly string[];
  /** Where in the path the part that `*` took starts; past the end where it took nothing at all (`/prefix`); -1 without `*`. */
  readonly starAt: number;
}

/** Value of a path parameter by its name. */
export function pathParam(hit: RouteHit, name: string): string | undefined {
  const index = hit.paramNames.indexOf(name);
  return index === -1 ? undefined : hit.paramValues[index];
}

/** One route under one of its path patterns. */
interface Candidate {
  readonly pattern: PathPattern;
  readonly match: RouteMatch;
  readonly conditions: number;
  /** It holds for every request with its path. */
  readonly isFree: boolean;
  readonly hit: RouteHit;
}

type Candidates = Candidate[];

/** What is known of one host pattern. */
interface PathTable {
  readonly exact: Map<string, Candidates>;
  trie: SegmentNode<Candidates> | undefined;
}

const NONE: readonly string[] = [];
const ANY_PATH = '/*';

/**
 * Finds the route of a request. Precedence: host exact > wildcard (longest) > none; then path exact > parameters (a
 * literal before a parameter, from the left) > longest prefix, in segments; then more header and query conditions, then
 * a route that names methods before one that does not, then the order given. Where the most specific place has no
 * route whose method and conditions hold, the next one is tried. The work depends on the length of the request's host and
 * path, not on the number of routes; nothing is allocated unless a pattern with parameters is hit.
 */
export class Router {
  readonly #exactHosts = new Map<string, PathTable>();
  readonly #wildcardHosts = new SegmentNode<PathTable>();
  readonly #anyHost = emptyTable();
  readonly #walk = new PathWalk<Candidates>();
  readonly #wildcardsFound: PathTable[] = [];
  #work = 0;

  constructor(routes: readonly RouteMatch[]) {
    routes.forEach((match, route) => {
      const patterns = [...new Set(match.paths.length === 0 ? [ANY_PATH] : match.paths)].map(parsePathPattern);
      const tables = match.hosts.length === 0 ? [this.#anyHost] : [...new Set(match.hosts)].map((h) => this.#table(h));
      for (const pattern of patterns) {
        const candidate = candidateOf(route, match, pattern);
        for (const table of tables) addTo(table, candidate);
      }
    });
  }

  /** Nodes and candidates looked at by the last `match`: what tests hold against the number of routes. */
  get work(): number {
    return this.#work;
  }

  /** `host` as `matchableHost` gives it, `path` as `canonicalPath` gives it. */
  match(host: string, path: string, method: string, conditions: RouteConditions): RouteHit | undefined {
    this.#work = 0;
    const table = this.#exactHosts.size === 0 ? undefined : this.#exactHosts.get(host);
    const hit = table === undefined ? undefined : this.#inTable(table, path, method, conditions);
    if (hit !== undefined) return hit;
    if (!this.#wildcardHosts.isLeaf) {
      for (let index = this.#findWildcards(host) - 1; index >= 0; index--) {
        const found = this.#inTable(this.#wildcardsFound[index]!, path, method, conditions);
        if (found !== undefined) return found;
      }
    }
    return this.#inTable(this.#anyHost, path, method, conditions);
  }

  #table(hostPattern: string): PathTable {
    if (!hostPattern.startsWith('*.')) {
      const table = this.#exactHosts.get(hostPattern) ?? emptyTable();
      this.#exactHosts.set(hostPattern, table);
      return table;
    }
    let node = this.#wildcardHosts;
    for (const label of hostPattern.slice(2).split('.').reverse()) node = node.addChild(label);
    node.below ??= emptyTable();
    return node.below;
  }

  /** Collects the tables of the wildcards that hold for a host, shortest first, and returns their number. */
  #findWildcards(host: string): number {
    let found = 0;
    let node: SegmentNode<PathTable> | undefined = this.#wildcardHosts;
    // `*` takes one label at least: the first label is never looked up.
    for (let end = host.length, dot = host.lastIndexOf('.'); dot > 0; end = dot, dot = host.lastIndexOf('.', dot - 1)) {
      node = node.child(host, dot + 1, end, hashRange(host, dot + 1, end));
      if (node === undefined) break;
      this.#work++;
      if (node.below !== undefined) this.#wildcardsFound[found++] = node.below;
    }
    return found;
  }

  #inTable(table: PathTable, path: string, method: string, conditions: RouteConditions): RouteHit | undefined {
    const exact = table.exact.size === 0 ? undefined : table.exact.get(path);
    const hit = exact === undefined ? undefined : this.#firstOf(exact, path, method, conditions);
    if (hit !== undefined || table.trie === undefined) return hit;
    const walk = this.#walk;
    walk.walk(table.trie, path);
    this.#work += walk.count;
    if (walk.complete) {
      for (let index = walk.levelStart[walk.levels - 1]!; index < walk.count; index++) {
        const found = this.#firstOf(walk.nodes[index]!.atEnd, path, method, conditions);
        if (found !== undefined) return found;
      }
    }
    return this.#longestPrefix(path, method, conditions);
  }

  #longestPrefix(path: string, method: string, conditions: RouteConditions): RouteHit | undefined {
    const { levelStart, nodes } = this.#walk;
    for (let level = this.#walk.levels - 1; level >= 0; level--) {
      for (let index = levelStart[level]!; index < levelStart[level + 1]!; index++) {
        const found = this.#firstOf(nodes[index]!.below, path, method, conditions);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #firstOf(
    candidates: Candidates | undefined,
    path: string,
    method: string,
    conditions: RouteConditions,
  ): RouteHit | undefined {
    if (candidates === undefined) return undefined;
    for (let index = 0; index < candidates.length; index++) {
      const candidate = candidates[index]!;
      this.#work++;
      if (!candidate.isFree && !holds(candidate, method, conditions)) continue;
      return candidate.pattern.paramNames.length === 0 ? candidate.hit : hitWithParams(candidate, path);
    }
    return undefined;
  }
}

/** Builds the router of a configuration. `routes` in the order of the file. */
export function compileRouter(routes: readonly RouteMatch[]): Router {
  return new Router(routes);
}

function emptyTable(): PathTable {
  return { exact: new Map(), trie: undefined };
}

function candidateOf(route: number, match: RouteMatch, pattern: PathPattern): Candidate {
  const starAt = pattern.isPrefix ? pattern.text.length - 1 : -1;
  const hit = Object.freeze({ route, paramNames: pattern.paramNames, paramValues: NONE, starAt });
  const conditions = match.headers.length + match.query.length;
  return { pattern, match, conditions, isFree: conditions === 0 && match.methods.length === 0, hit };
}

function addTo(table: PathTable, candidate: Candidate): void {
  const { pattern } = candidate;
  if (pattern.kind === 'exact') {
    const list = table.exact.get(pattern.text) ?? [];
    table.exact.set(pattern.text, list);
    insert(list, candidate);
    return;
  }
  table.trie ??= new SegmentNode();
  let node = table.trie;
  for (const segment of pattern.segments) {
    node = segment.kind === 'param' ? node.addParam() : node.addChild(segment.text);
  }
  if (pattern.isPrefix) insert((node.below ??= []), candidate);
  else insert((node.atEnd ??= []), candidate);
}

/** Keeps a list in the order in which it is tried; routes come in file order, so equals stay behind. */
function insert(list: Candidates, candidate: Candidate): void {
  let at = list.length;
  while (at > 0 && comesBefore(candidate, list[at - 1]!)) at--;
  list.splice(at, 0, candidate);
}

function comesBefore(left: Candidate, right: Candidate): boolean {
  if (left.conditions !== right.conditions) return left.conditions > right.conditions;
  return left.match.methods.length > 0 && right.match.methods.length === 0;
}

function holds(candidate: Candidate, method: string, conditions: RouteConditions): boolean {
  const { methods, headers, query } = candidate.match;
  if (methods.length > 0 && !methods.includes(method)) return false;
  for (let index = 0; index < headers.length; index++) {
    const header = headers[index]!;
    if (!valueMatches(conditions.header(header.name), header.match)) return false;
  }
  for (let index = 0; index < query.length; index++) {
    const parameter = query[index]!;
    if (!valueMatches(conditions.query(parameter.name), parameter.match)) return false;
  }
  return true;
}

function hitWithParams(candidate: Candidate, path: string): RouteHit {
  const { segments, isPrefix, paramNames } = candidate.pattern;
  const paramValues: string[] = [];
  let start = 1;
  for (const segment of segments) {
    const slash = path.indexOf('/', start);
    const end = slash === -1 ? path.length : slash;
    if (segment.kind === 'param') paramValues.push(path.slice(start, end));
    start = end + 1;
  }
  return { route: candidate.hit.route, paramNames, paramValues, starAt: isPrefix ? start : -1 };
}
