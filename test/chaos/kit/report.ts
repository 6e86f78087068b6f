interface Row {
  readonly what: string;
  readonly value: string;
  /** Empty: a figure without a bound. */
  readonly bound: string;
  readonly ok: boolean;
}

/** What a script found: figures beside their bounds, printed as a table and one line of JSON. */
export class Report {
  readonly #name: string;
  readonly #rows: Row[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** A figure that must lie within its bound. */
  check(what: string, value: string | number, bound: string, ok: boolean): void {
    this.#rows.push({ what, value: String(value), bound, ok });
  }

  /** A figure to know. */
  note(what: string, value: string | number): void {
    this.#rows.push({ what, value: String(value), bound: '', ok: true });
  }

  /** The figures that have a bound. */
  get checks(): readonly Row[] {
    return this.#rows.filter(({ bound }) => bound !== '');
  }

  /** Prints everything; the process ends with 1 when a bound is broken. */
  print(): void {
    const ok = this.#rows.every((row) => row.ok);
    const widths = [widest(this.#rows, 'what'), widest(this.#rows, 'value'), widest(this.#rows, 'bound')] as const;
    const lines = this.#rows.map(
      (row) =>
        `  ${row.what.padEnd(widths[0])}  ${row.value.padStart(widths[1])}  ${row.bound.padEnd(widths[2])}  ${verdict(row)}`,
    );
    process.stdout.write(`${this.#name}: ${ok ? 'holds' : 'BROKEN'}\n${lines.join('\n')}\n`);
    process.stdout.write(`${JSON.stringify({ script: this.#name, ok, results: this.#rows })}\n`);
    process.exitCode = ok ? 0 : 1;
  }
}

function verdict(row: Row): string {
  if (row.bound === '') return '';
  return row.ok ? 'ok' : 'BROKEN';
}

function widest(rows: readonly Row[], field: 'what' | 'value' | 'bound'): number {
  return Math.max(0, ...rows.map((row) => row[field].length));
}

export function round(value: number, digits = 1): number {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}
