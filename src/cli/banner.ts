import type { LoadedConfig } from '../config/load.ts';
import { redact } from '../config/redact.ts';
import type { Config } from '../config/schema.ts';
import type { Gateway } from '../gateway.ts';
import { counted } from './print.ts';

/** `http://host:port`, or the unix socket as it is written. */
function shownAddress(address: string, scheme = 'http'): string {
  return address.startsWith('unix:') || address.startsWith('/') ? address : `${scheme}://${address}`;
}

function schemeOf({ listeners }: Config, index: number): string {
  return (listeners[index]?.tls ?? false) === false ? 'http' : 'https';
}

/** Where a started gateway listens, where its admin API is, and what it shares with the fleet: a few lines. */
export function bannerLines(
  gateway: Omit<Gateway, 'inject'>,
  { config, secrets }: LoadedConfig,
  version: string,
  workers: number,
): string[] {
  const { adminAddress } = gateway;
  return [
    `headgate ${version}`,
    ...gateway.listeners.map(({ address }, index) => `listening on ${shownAddress(address, schemeOf(config, index))}`),
    adminAddress === undefined ? 'admin API off' : `admin API on ${shownAddress(adminAddress)}`,
    ...(workers === 1 ? [] : [counted(workers, 'worker')]),
    storeLine(redact(config, secrets).store, gateway.fleet, workers),
  ];
}

/** `store` without its password. */
function storeLine(store: Config['store'], fleet: Gateway['fleet'], workers: number): string {
  if (store === 'memory') return `store: memory, for this ${workers === 1 ? 'process' : 'gateway'} alone`;
  const url = typeof store === 'string' ? store : store.url;
  if (fleet.storeUp) return `store: ${url}, ${counted(fleet.size, 'gateway')}`;
  return `store: ${url}, not reached yet; until it is, limits act as onStoreFailure says`;
}
