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
