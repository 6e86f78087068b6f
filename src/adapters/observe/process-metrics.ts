import type { Registry } from 'prom-client';

/**
 * What the process itself says: CPU, memory, file descriptors, event-loop delay, heap and GC. One registry for the
 * process, however many gateways live in it; loaded when it is first asked for, since it costs 10 MB and a tenth of the start.
 */
let registry: Promise<Registry> | undefined;

/** Whether somebody asked before. */
export function areProcessMetricsWanted(): boolean {
  return registry !== undefined;
}

/** Prometheus text 0.0.4 of `process_*` and `nodejs_*`. Delays of the event loop and GC are observed from the first call on. */
export async function processMetricsText(): Promise<string> {
  registry ??= observed();
  const text = await (await registry).metrics();
  // prom-client writes `Nan` for means without a sample; the format spells it `NaN`.
  return text.replace(/ Nan$/gm, ' NaN');
}

async function observed(): Promise<Registry> {
  const { Counter, Registry, collectDefaultMetrics } = await import('prom-client');
  const created = new Registry();
  const { user, system } = process.cpuUsage();
  collectDefaultMetrics({ register: created, eventLoopMonitoringPrecision: 20 });
  // The library counts from its own beginning.
  for (const [name, spentUs] of [
    ['process_cpu_user_seconds_total', user],
    ['process_cpu_system_seconds_total', system],
    ['process_cpu_seconds_total', user + system],
  ] as const) {
    const counter = created.getSingleMetric(name);
    if (counter instanceof Counter) counter.inc(spentUs / 1e6);
  }
  return created;
}
