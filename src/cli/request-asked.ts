import { matchableHost } from '../core/route/host.ts';
import { canonicalPath, queryIsValid } from '../core/route/path.ts';
import { queryParameter } from '../core/route/query.ts';
import type { RouteConditions } from '../core/route/route-match.ts';
import { cookieValue } from '../http/cookie.ts';
import { ListFields } from '../http/fields.ts';
import { UsageError } from './exit.ts';

/** A request that was described on the command line and is not sent. */
export class AskedRequest implements RouteConditions {
  readonly method: string;
  /** `Host` value; '' where the URL is only a path and no Host was given. */
  readonly authority: string;
  /** Lower case, without port. */
  readonly host: string;
  /** As typed. */
  readonly rawPath: string;
  /** What routes are matched against; undefined where the gateway refuses it. */
  readonly path: string | undefined;
  /** With its `?`; '' without one. */
  readonly queryText: string;
  readonly clientIp: string;
  readonly #fields: ListFields;

  private constructor(
    method: string,
    authority: string,
    rawPath: string,
    queryText: string,
    fields: ListFields,
    clientIp: string,
  ) {
    this.method = method;
    this.authority = authority;
    this.host = matchableHost(authority);
    this.rawPath = rawPath;
    this.path = queryIsValid(queryText) ? canonicalPath(rawPath) : undefined;
    this.queryText = queryText;
    this.clientIp = clientIp;
    this.#fields = fields;
  }

  /** `url` is absolute, or a path; what the gateway would refuse in it is kept as it is. Throws a UsageError. */
  static parse(method: string, url: string, headers: readonly string[], clientIp: string): AskedRequest {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(method)) throw new UsageError(`"${method}" is no method`);
    const parts = /^(?:https?:\/\/([^/?#]*))?(\/[^?#]*)?(\?[^#]*)?(?:#.*)?$/is.exec(url);
    if (parts === null || (parts[1] === undefined && parts[2] === undefined)) {
      throw new UsageError(`"${url}" is no URL: http://host/path, or /path`);
    }
    const fields = new ListFields(headers.map(parseHeader));
    const authority = fields.get('host') ?? parts[1] ?? '';
    return new AskedRequest(method, authority, parts[2] ?? '/', parts[3] ?? '', fields, clientIp);
  }

  header(name: string): string | undefined {
    return name === 'host' && this.authority !== '' ? this.authority : this.#fields.get(name);
  }

  cookie(name: string): string | undefined {
    return cookieValue(this.#fields.get('cookie'), name);
  }

  query(name: string): string | undefined {
    return queryParameter(this.queryText, name);
  }
}

function parseHeader(text: string): [string, string] {
  const colon = text.indexOf(':');
  if (colon < 1) throw new UsageError(`"${text}" is no header field: write 'name: value'`);
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}
