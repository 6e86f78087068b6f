import type { LimitModel } from '../limits/limit-model.ts';
import type { RouteModel } from '../proxy/route-model.ts';
import type { UpstreamModel } from '../upstream/upstream-model.ts';

export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** TLS of a listener; files are absolute, or relative to the working folder. */
export interface ListenerTlsModel {
  readonly certificates: readonly CertificateFiles[];
  readonly clientAuth: 'none' | 'request' | 'require';
  readonly caFile: string | undefined;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** The certificate's file as it is written: label of metrics and messages. */
  readonly label: string;
}

export interface ListenerModel {
  readonly address: ListenAddress;
  /** As written, e.g. `0.0.0.0:8080`: label of metrics and messages. */
  readonly label: string;
  /** Place in the configuration, e.g. `listeners[0]`. */
  readonly place: string;
  /** Undefined: in clear. */
  readonly tls: ListenerTlsModel | undefined;
  readonly proxyProtocol: 'require' | 'allow' | false;
  /** CIDR blocks (`private` expanded); `trustedHops` instead counts proxies. */
  readonly trustedProxies: readonly string[];
  readonly trustedHops: number | undefined;
  readonly headersTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  /** Octets a second. */
  readonly minBodyRate: number | undefined;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly maxConnections: number | undefined;
}

export type StoreModel =
  | { readonly kind: 'memory' }
  | { readonly kind: 'redis'; readonly url: string; readonly prefix: string; readonly timeoutMs: number };

export interface AdminModel {
  readonly address: ListenAddress;
  readonly label: string;
  readonly tokens: readonly { readonly token: string; readonly role: 'read' | 'write' }[];
  readonly allowedHosts: readonly string[];
}

/** The whole configuration in force: frozen, swapped whole by a reload. */
export interface SnapshotModel {
  readonly listeners: readonly ListenerModel[];
  readonly store: StoreModel;
  readonly limits: ReadonlyMap<string, LimitModel>;
  readonly upstreams: ReadonlyMap<string, UpstreamModel>;
  readonly routes: readonly RouteModel[];
  /** Limits that also hold for requests that match no route. */
  readonly defaultLimits: readonly LimitModel[];
  readonly rateLimitHeaders: 'standard' | 'legacy' | 'both' | false;
  readonly secret: string | undefined;
  readonly admin: AdminModel | undefined;
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly access: 'json' | 'combined' | false };
  /** Processes that serve, as written; `auto` = one per core. */
  readonly workers: number | 'auto';
  readonly shutdown: { readonly delayMs: number; readonly graceMs: number };
  /** SHA-256 of the canonical configuration, first 12 hex digits. */
  readonly hash: string;
}
