export interface SoakSpec {
  readonly port: number;
  /** The same gateway behind TLS. */
  readonly tlsPort: number;
  /** PEM: who signed its certificate. */
  readonly ca: string;
  /** Each does one thing at a time. */
  readonly workers: number;
}

/** What the clients did since they began. */
export interface SoakResult {
  /** How often each kind of behaviour was played. */
  readonly counts: Readonly<Record<string, number>>;
  /** What did not end as it should, the first few. */
  readonly surprises: readonly string[];
  readonly surprised: number;
}

/** One period of the soak, as the outside saw the gateway. */
export interface SoakPeriod {
  /** Minutes since the beginning, at its end. */
  readonly minute: number;
  /** Behaviours that were played in it, and those of them that did not end as they should. */
  readonly done: number;
  readonly surprised: number;
  /** Median of the samples. */
  readonly rssBytes: number;
  /** The most that were open. */
  readonly descriptors: number;
}
