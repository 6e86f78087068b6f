/**
 * What the process itself says: CPU, memory, file descriptors, event-loop delay, heap and GC. One registry for the
 * process, however many gateways live in it; loaded apart from the start, which it would make a tenth slower.
 */
let registry: Promise<{ metrics(): Promise<string> }> | undefined;

/** Begins to observe; what happened before is not in the numbers. Calling it again does nothing. */
export function startProcessMetrics(): Promise<{ metrics(): Promise<string> }> {
  registry ??= import('prom-client').then(({ Registry, collectDefaultMetrics }) => {
    const created = new Registry();
    collectDefaultMetrics({ register: created, eventLoopMonitoringPrecision: 20 });
    return created;
  });
  return registry;
}

/** Prometheus text 0.0.4 of `process_*` and `nodejs_*`. */
export async function processMetricsText(): Promise<string> {
  const text = await (await startProcessMetrics()).metrics();
  // prom-client writes `Nan` for means without a sample; the format spells it `NaN`.
  return text.replace(/ Nan$/gm, ' NaN');
}
