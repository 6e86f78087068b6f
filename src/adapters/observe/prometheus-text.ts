import type { Histogram } from './histogram.ts';

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** `name="value"` pairs joined by commas, values escaped (exposition format 0.0.4). */
export function labels(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',');
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** Builder of the Prometheus text format 0.0.4: one family after the other, each with its samples. */
export class PrometheusText {
  #text = '';
  #family = '';

  /** Begins a family: what follows belongs to it. */
  family(name: string, type: MetricType, help: string): void {
    this.#family = name;
    this.#text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
  }

  /** One sample of the family; `labelText` is made by `labels`. */
  sample(labelText: string, value: number): void {
    this.#line('', labelText, value);
  }

  histogram(labelText: string, histogram: Histogram): void {
    const prefix = labelText === '' ? '' : `${labelText},`;
    let total = 0;
    for (let index = 0; index < histogram.bounds.length; index++) {
      total += histogram.counts[index]!;
      this.#line('_bucket', `${prefix}le="${histogram.bounds[index]}"`, total);
    }
    total += histogram.counts[histogram.bounds.length]!;
    this.#line('_bucket', `${prefix}le="+Inf"`, total);
    this.#line('_sum', labelText, histogram.sum);
    this.#line('_count', labelText, total);
  }

  toString(): string {
    return this.#text;
  }

  #line(suffix: string, labelText: string, value: number): void {
    const braces = labelText === '' ? '' : `{${labelText}}`;
    this.#text += `${this.#family}${suffix}${braces} ${formatValue(value)}\n`;
  }
}

function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}
