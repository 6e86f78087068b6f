/** Milliseconds since the epoch, the same in every process of this machine, with fractions. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks every few milliseconds until there is an answer; rejects after `guardMs`. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  guardMs = 15_000,
): Promise<T> {
  const guard = performance.now() + guardMs;
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    if (performance.now() > guard) throw new Error(`waited in vain for ${what}`);
    await sleep(5);
  }
}
