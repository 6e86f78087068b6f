import type { LimitSpec } from '../core/limit/spec.ts';

/** One part of a limit's key, compiled. */
export type KeyPart =
  | { readonly source: 'client.ip' }
  | { readonly source: 'header' | 'cookie' | 'query' | 'path'; readonly name: string }
  | { readonly source: 'route' | 'method' | 'host' };

/** A named limit, compiled from the configuration; frozen, part of the Snapshot. */
export interface LimitModel {
  readonly name: string;
  readonly spec: LimitSpec;
  readonly key: readonly KeyPart[];
  /** Prefix length under which IPv6 clients are one client, 1 to 128. */
  readonly ipv6Prefix: number;
  readonly onMissingKey: 'ip' | 'shared' | 'deny' | 'skip';
  readonly scope: 'global' | 'route';
  readonly except: LimitExcept | undefined;
  readonly cost: number;
  readonly shadow: boolean;
  readonly onStoreFailure: 'local' | 'allow' | 'deny';
}

export interface LimitExcept {
  /** CIDR blocks, as written and validated. */
  readonly ip: readonly string[];
  /** Paths in the syntax of `match.path`. */
  readonly path: readonly string[];
  readonly methods: readonly string[];
}
