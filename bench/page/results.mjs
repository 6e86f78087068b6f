// Reads bench/results: what was measured, newest first.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { here } from '../nginx-common.mjs';

function read(matches) {
  const folder = join(here, 'results');
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith('.json') && matches(name));
  return names
    .sort()
    .reverse()
    .map((name) => ({ name, ...JSON.parse(readFileSync(join(folder, name), 'utf8')) }));
}

/** Runs of the benchmark, those with some proxies only left out, newest first. */
export function benchRuns() {
  return read((name) => /^\d/.test(name)).filter(({ what }) => what.partial !== true);
}

/** The newest soak, if there is one. */
export function newestSoak() {
  return read((name) => name.startsWith('soak-'))[0];
}

/** By suite the newest run that measured it, else the newest that says why it could not. */
export function newestOfEach(runs) {
  const found = {};
  for (const wanted of [({ rows }) => rows !== undefined, ({ skipped }) => skipped !== undefined]) {
    for (const run of runs) {
      for (const [name, suite] of Object.entries(run.suites)) {
        if (found[name] === undefined && wanted(suite)) found[name] = { ...suite, run };
      }
    }
  }
  return found;
}
