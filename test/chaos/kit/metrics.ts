/** Cumulative counts by upper bound in seconds, ascending; the last bound is Infinity. */
export type Buckets = ReadonlyMap<number, number>;

/** The answer of `/metrics` at one moment. */
export class Scrape {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** Sum over all label sets of a metric that hold `labels` (as text, e.g. `limit="hot"`). */
  sum(name: string, ...labels: readonly string[]): number {
    return this.#samples(name, labels).reduce((total, [, value]) => total + value, 0);
  }

  /** A histogram, summed over the label sets that hold `labels`. */
  histogram(name: string, ...labels: readonly string[]): Buckets {
    const counts = new Map<number, number>();
    for (const [text, value] of this.#samples(`${name}_bucket`, labels)) {
      const bound = /le="([^"]+)"/.exec(text)![1]!;
      const seconds = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound);
      counts.set(seconds, (counts.get(seconds) ?? 0) + value);
    }
    return new Map([...counts].sort(([a], [b]) => a - b));
  }

  #samples(name: string, labels: readonly string[]): [labels: string, value: number][] {
    const line = new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm');
    return Array.from(this.#text.matchAll(line), ([, text, value]): [string, number] => [
      text ?? '',
      Number(value),
    ]).filter(([text]) => labels.every((label) => text.includes(label)));
  }
}

/** What was observed between two scrapes. */
export function between(earlier: Buckets, later: Buckets): Buckets {
  return new Map([...later].map(([bound, count]) => [bound, count - (earlier.get(bound) ?? 0)]));
}

export function countOf(buckets: Buckets): number {
  return buckets.get(Number.POSITIVE_INFINITY) ?? 0;
}

/** Share of the observations at or below `seconds`; inside a bucket they are taken to lie evenly. 1 where there are none. */
export function shareWithin(buckets: Buckets, seconds: number): number {
  const total = countOf(buckets);
  if (total === 0) return 1;
  let [lower, below] = [0, 0];
  for (const [upper, count] of buckets) {
    if (seconds <= upper) {
      const part = upper === Number.POSITIVE_INFINITY ? 0 : (seconds - lower) / (upper - lower);
      return (below + (count - below) * part) / total;
    }
    [lower, below] = [upper, count];
  }
  return 1;
}

/** The least bucket bound that holds the quantile, as text in ms: `≤ 25`. */
export function quantileText(buckets: Buckets, quantile: number): string {
  const wanted = countOf(buckets) * quantile;
  let last = 0;
  for (const [bound, count] of buckets) {
    if (count >= wanted && bound !== Number.POSITIVE_INFINITY) return `≤ ${bound * 1000} ms`;
    if (bound !== Number.POSITIVE_INFINITY) last = bound;
  }
  return `> ${last * 1000} ms`;
}
