/**
 * What limits look at in a request. Getters are asked only for what the keys of the route's limits name, and answer
 * undefined for what is not there. Names of headers are in lower case.
 */
export interface LimitSubject {
  /** Canonical text (`core/ip.ts`). */
  readonly clientIp: string;
  readonly method: string;
  /** Lower case, without port; '' when there is none. */
  readonly host: string;
  /** The path that was matched: normalised, without query. */
  readonly path: string;
  header(name: string): string | undefined;
  cookie(name: string): string | undefined;
  query(name: string): string | undefined;
  pathParam(name: string): string | undefined;
}
