/**
 * What is set aside and not yet charged. Every use of a limit is a reservation that ends in a charge; a unit may be taken
 * only if `level − reserved ≥ units`. A strict decision reserves its cost for no time and charges it at once, so between
 * decisions nothing is reserved and the rule is `level ≥ units`.
 *
 * What a call to the store carries beside its decisions is here in its final form. It is applied first, whatever the
 * call then decides. A store that holds no reservation under an id (it was never made, is settled, or has expired)
 * frees nothing; only what was spent above the units reserved under it is charged.
 */
export interface Settlement {
  /** Instance and sequence; new at each process start. */
  readonly id: string;
  /** Units spent under the reservation up to the sending. */
  readonly spent: number;
  /** Units that were reserved under it: they are charged when it expires unsettled. 0 = what was spent without the store. */
  readonly reserved: number;
  /** True once nothing more is spent under it. */
  readonly final: boolean;
}

/** Gives back what is reserved under an id and not spent. */
export interface Return {
  readonly id: string;
}

/** Keeps a reservation for another term. */
export interface Renewal {
  readonly id: string;
  readonly forUs: number;
}

/** Units to charge for a settlement whose reservation is not known. */
export function excess(spent: number, reserved: number): number {
  return Math.max(0, spent - reserved);
}
