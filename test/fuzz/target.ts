/** One property that millions of inputs are tried on. */
export interface FuzzTarget {
  readonly name: string;
  /** How many of the inputs are for this one, against the shares of the others. */
  readonly share: number;
  /** The octets that `seed` stands for, to be shown. */
  input(seed: number): string;
  /** What is wrong with the outcome for this input; undefined: nothing. */
  run(seed: number): string | undefined;
}
