/** Where an endpoint listens. `authority` is the Host value that means this endpoint; `tls` is there where it speaks https. */
export type EndpointAddress = TcpAddress | UnixAddress;

export interface TcpAddress {
  readonly kind: 'tcp';
  /** A name or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
  readonly authority: string;
  readonly tls?: EndpointTls;
}

export interface UnixAddress {
  readonly kind: 'unix';
  readonly path: string;
  readonly authority: string;
}

/** How connections to an endpoint are secured. */
export interface EndpointTls {
  /** Sent as SNI and looked for in the certificate; '' where the endpoint is an IP address, which SNI has no word for (RFC 6066 §3). */
  readonly servername: string;
  /** One object for all endpoints of an upstream. */
  readonly settings: TlsSettings;
}

/** `upstreams.<name>.tls` with its files read: PEM texts. */
export interface TlsSettings {
  /** Instead of the roots that Node knows. */
  readonly ca: string | undefined;
  /** The gateway's own certificate with the chain above it, and its key. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly verify: boolean;
}
