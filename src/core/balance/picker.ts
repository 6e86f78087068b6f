import type { Random } from '../random.ts';

/** What a picker sees of an endpoint. Both numbers are read live at every pick; `weight` must not change under a picker. */
export interface Candidate {
  /** Share of the load, > 0, against the other candidates' weights. */
  readonly weight: number;
  /** Requests that were given to it and are not over, those that still connect included: whoever picks raises it at once. */
  readonly inFlight: number;
}

/**
 * Chooses among the endpoints that may be picked. It is built from a snapshot of them, whenever that set changes, and so
 * never filters; a pick without `tried` allocates nothing.
 */
export interface Picker<C extends Candidate> {
  /**
   * The next candidate; undefined only where there is none. Never one of `tried` (where a request failed before) while
   * another is there.
   */
  pick(tried: readonly C[] | undefined): C | undefined;
}

/** Makes a picker over `candidates`, which it keeps and does not change. */
export type PickerFactory = <C extends Candidate>(candidates: readonly C[], random: Random) => Picker<C>;
