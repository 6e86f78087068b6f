import type { Environment } from './interpolate.ts';
import type { ConfigPath } from './issue.ts';
import { asObject } from './raw.ts';

/** A variable that stands in for a field, and the place where its value was put. */
export interface EnvironmentDefault {
  readonly variable: string;
  readonly path: ConfigPath;
}

/**
 * Puts `HEADGATE_LISTEN`, `HEADGATE_ADMIN` and `HEADGATE_STORE` where the configuration says nothing, as containers
 * want it. Changes `raw` in place.
 */
export function applyEnvironment(raw: unknown, env: Environment): readonly EnvironmentDefault[] {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return [];
  const config = raw as Record<string, unknown>;
  const used: EnvironmentDefault[] = [];
  const put = (variable: string, isAbsent: boolean, path: ConfigPath, write: (value: string) => void) => {
    const value = env[variable];
    if (value === undefined || value === '' || !isAbsent) return;
    write(value);
    used.push({ variable, path });
  };
  putListen(config, put);
  put('HEADGATE_STORE', config.store === undefined, ['store'], (value) => {
    config.store = value;
  });
  const hasAdmin = config.admin === undefined || isOpenObject(config.admin);
  put('HEADGATE_ADMIN', hasAdmin && asObject(config.admin).address === undefined, ['admin', 'address'], (value) => {
    config.admin = value === 'false' ? false : { ...asObject(config.admin), address: value };
  });
  return used;
}

type Put = (variable: string, isAbsent: boolean, path: ConfigPath, write: (value: string) => void) => void;

function putListen(config: Record<string, unknown>, put: Put): void {
  const listeners = config.listeners === undefined ? [{}] : config.listeners;
  if (!Array.isArray(listeners)) return;
  // Only one socket can have it: the first entry that names none.
  const index = listeners.findIndex((entry) => isOpenObject(entry) && asObject(entry).address === undefined);
  put('HEADGATE_LISTEN', index !== -1, ['listeners', index, 'address'], (value) => {
    listeners[index] = { ...asObject(listeners[index]), address: value };
    config.listeners = listeners;
  });
}

function isOpenObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
