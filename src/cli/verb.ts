/** One verb of the command line. */
export interface Verb {
  /** What `--help` prints. */
  readonly help: string;
  /** Resolves with the exit code. */
  run(args: readonly string[]): Promise<number>;
}
