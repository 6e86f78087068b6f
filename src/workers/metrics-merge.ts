/** How the values of several processes make one. */
type Rule = 'sum' | 'max' | 'min' | 'primary';

/**
 * Of gauges, and of what only the primary knows. Counters and histograms that are not here are summed. `sum`: there is so
 * much in all; `max` and `min`: the worst process; `primary`: one value for the whole gateway.
 */
const RULES: Readonly<Record<string, Rule>> = {
  headgate_build_info: 'primary',
  headgate_http_requests_in_flight: 'sum',
  headgate_tunnels: 'sum',
  headgate_connections: 'sum',
  headgate_fleet_size: 'primary',
  headgate_store_up: 'min',
  headgate_endpoint_up: 'min',
  headgate_endpoint_state: 'max',
  headgate_endpoint_in_flight: 'sum',
  headgate_retry_budget_ratio: 'max',
  headgate_config_info: 'primary',
  headgate_config_reloads_total: 'primary',
  headgate_config_last_reload_successful: 'primary',
  headgate_config_last_reload_timestamp_seconds: 'primary',
  headgate_certificate_expiry_timestamp_seconds: 'min',
  process_start_time_seconds: 'primary',
  process_max_fds: 'min',
  process_resident_memory_bytes: 'sum',
  process_virtual_memory_bytes: 'sum',
  process_heap_bytes: 'sum',
  process_open_fds: 'sum',
  nodejs_version_info: 'primary',
  nodejs_active_resources: 'sum',
  nodejs_active_resources_total: 'sum',
  nodejs_active_handles: 'sum',
  nodejs_active_handles_total: 'sum',
  nodejs_active_requests: 'sum',
  nodejs_active_requests_total: 'sum',
  nodejs_heap_size_total_bytes: 'sum',
  nodejs_heap_size_used_bytes: 'sum',
  nodejs_external_memory_bytes: 'sum',
  nodejs_heap_space_size_total_bytes: 'sum',
  nodejs_heap_space_size_used_bytes: 'sum',
  nodejs_heap_space_size_available_bytes: 'sum',
  nodejs_eventloop_lag_seconds: 'max',
  nodejs_eventloop_lag_min_seconds: 'max',
  nodejs_eventloop_lag_max_seconds: 'max',
  nodejs_eventloop_lag_mean_seconds: 'max',
  nodejs_eventloop_lag_stddev_seconds: 'max',
  nodejs_eventloop_lag_p50_seconds: 'max',
  nodejs_eventloop_lag_p90_seconds: 'max',
  nodejs_eventloop_lag_p99_seconds: 'max',
};

interface Family {
  /** Its `# HELP` and `# TYPE` lines. */
  head: string;
  type: string;
  /** By name and labels, in their order. */
  readonly samples: Map<string, number>;
}

/** How a family is merged: by the table, a gauge that is not in it as the largest value, all else summed. */
function ruleOf(name: string, type: string): Rule {
  return RULES[name] ?? (type === 'gauge' ? 'max' : 'sum');
}

/** Whether it is decided how a family is merged. */
export function isDecided(name: string, type: string): boolean {
  return type !== 'gauge' || RULES[name] !== undefined;
}

/** Metrics of several processes in the Prometheus text format 0.0.4, family by family. */
export class MergedMetrics {
  private readonly families = new Map<string, Family>();

  /** Adds what one process says. */
  add(text: string, from: 'primary' | 'worker'): void {
    eachFamily(text, (name, family) => {
      const rule = ruleOf(name, family.type);
      if (rule === 'primary' && from === 'worker') return;
      this.merge(name, family, rule);
    });
  }

  /** Adds what one that is gone had counted; its gauges went with it. */
  addCounters(text: string): void {
    eachFamily(text, (name, family) => {
      if (family.type !== 'gauge' && ruleOf(name, family.type) === 'sum') this.merge(name, family, 'sum');
    });
  }

  addAll(other: MergedMetrics): void {
    for (const [name, family] of other.families) this.merge(name, family, ruleOf(name, family.type));
  }

  toString(): string {
    let text = '';
    for (const { head, samples } of this.families.values()) {
      text += head;
      for (const [sample, value] of samples) text += `${sample} ${formatted(value)}\n`;
    }
    return text;
  }

  private merge(name: string, { head, type, samples }: Family, rule: Rule): void {
    let family = this.families.get(name);
    if (family === undefined) {
      family = { head, type, samples: new Map() };
      this.families.set(name, family);
    }
    for (const [sample, value] of samples) {
      const known = family.samples.get(sample);
      family.samples.set(sample, known === undefined ? value : merged(known, value, rule));
    }
  }
}

function merged(one: number, other: number, rule: Rule): number {
  if (Number.isNaN(one)) return other;
  if (Number.isNaN(other)) return one;
  if (rule === 'sum') return one + other;
  return rule === 'min' ? Math.min(one, other) : Math.max(one, other);
}

function formatted(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

function eachFamily(text: string, visit: (name: string, family: Family) => void): void {
  let name = '';
  let family: Family | undefined;
  const end = (): void => {
    if (family !== undefined && family.type !== '') visit(name, family);
  };
  for (const line of text.split('\n')) {
    if (line.startsWith('# HELP ')) {
      end();
      name = line.slice(7).split(' ', 1)[0]!;
      family = { head: `${line}\n`, type: '', samples: new Map() };
    } else if (family === undefined || line === '') continue;
    else if (line.startsWith('# TYPE ')) {
      family.head += `${line}\n`;
      family.type = line.slice(line.lastIndexOf(' ') + 1);
    } else if (!line.startsWith('#')) {
      const space = line.lastIndexOf(' ');
      family.samples.set(line.slice(0, space), parsed(line.slice(space + 1)));
    }
  }
  end();
}

function parsed(text: string): number {
  return text === '+Inf' ? Number.POSITIVE_INFINITY : text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}
