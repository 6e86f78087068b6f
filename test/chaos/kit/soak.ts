export interface SoakSpec {
  readonly port: number;
  /** Each does one thing at a time. */
  readonly workers: number;
}

export interface SoakResult {
  /** How often each kind of behaviour was played. */
  readonly counts: Readonly<Record<string, number>>;
  /** What did not end as it should, the first few. */
  readonly surprises: readonly string[];
  readonly surprised: number;
}
