import { existsSync } from 'node:fs';
import { formatIssue } from '../config/issue.ts';
import { CONFIG_FILE_NAMES, type LoadedConfig, loadConfigFile } from '../config/load.ts';
import { CommandError } from './exit.ts';
import { complain, counted } from './print.ts';

/** Options of every verb that reads a configuration. */
export const FILE_OPTION = { config: { type: 'string', short: 'c' } } as const;

/** The file that was named, or the first of the usual names in this folder. */
export function configFile(named: string | undefined): string {
  if (named !== undefined) {
    if (!existsSync(named)) throw new CommandError(`no file "${named}"`);
    return named;
  }
  const found = CONFIG_FILE_NAMES.find((name) => existsSync(name));
  if (found === undefined) {
    throw new CommandError(
      `no ${CONFIG_FILE_NAMES[0]} in this folder: name a file with -c, or write one with "headgate init"`,
    );
  }
  return found;
}

/** Loads a file; prints all its errors and answers undefined where it has some. */
export async function loadOrComplain(file: string): Promise<LoadedConfig | undefined> {
  const result = await loadConfigFile(file, process.env);
  if (result.ok) return result;
  complain(...result.errors.map(formatIssue), counted(result.errors.length, 'error'));
  return undefined;
}
