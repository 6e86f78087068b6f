/** `rewrite` and `stripPrefix` of a route, as far as the path goes. At most one of the two is given. */
export interface PathRewrite {
  readonly stripPrefix: string | undefined;
  readonly rewrite: { readonly path: string | undefined } | undefined;
}

/**
 * The path that the endpoint sees. `stripPrefix` is taken off at a segment boundary (a path without it stays as it is);
 * in `rewrite.path` a `*` at the end stands for what the match's `*` took, which starts at `starAt` (see `RouteHit`).
 * Always starts with `/`.
 */
export function rewritePath(path: string, starAt: number, edit: PathRewrite): string {
  const target = edit.rewrite?.path;
  if (target !== undefined) return target.endsWith('*') ? fillStar(target, path, starAt) : target;
  return edit.stripPrefix === undefined ? path : withoutPrefix(path, edit.stripPrefix);
}

/** The origin of a redirect's target, where it has one, and its path that ends in `*`. */
const STAR_TARGET = /^((?:https?:)?\/\/[^/?#]+)?(\/[^?#]*\*)$/;

/** Whether a redirect's target depends on the request: a `*` ends its path, and no query or fragment follows. */
export function hasStar(to: string): boolean {
  return STAR_TARGET.test(to);
}

/**
 * Where a request is redirected: `to`, its `*` at the end filled as in `rewrite.path`, and then the request's query (`''`,
 * or with its `?`). A `to` without one stays as it is. The request never chooses the host: a path that would start with
 * `//`, which browsers read as a host, starts with `/`.
 */
export function redirectTarget(to: string, path: string, starAt: number, query: string): string {
  const [, origin, target] = STAR_TARGET.exec(to) ?? [];
  if (target === undefined) return to;
  const filled = fillStar(target, path, starAt);
  return origin === undefined ? filled.replace(/^\/+/, '/') + query : origin + filled + query;
}

function fillStar(target: string, path: string, starAt: number): string {
  const base = target.slice(0, -1);
  if (starAt === -1) return base;
  // `/prefix` was matched, without a slash: so the result has none either.
  if (starAt > path.length) return base.length > 1 && base.endsWith('/') ? base.slice(0, -1) : base;
  return base + path.slice(starAt);
}

function withoutPrefix(path: string, prefix: string): string {
  const length = prefix.endsWith('/') ? prefix.length - 1 : prefix.length;
  if (!path.startsWith(prefix.slice(0, length))) return path;
  if (path.length === length) return '/';
  return path.charCodeAt(length) === 0x2f ? path.slice(length) : path;
}
