import type { LoadedConfig } from '../config/load.ts';
import { redact } from '../config/redact.ts';
import type { Config } from '../config/schema.ts';
import type { Gateway } from '../gateway.ts';
import { counted } from './print.ts';

/** `http://host:port`, or the unix socket as it is written. */
function shownAddress(address: string): string {
  return address.startsWith('unix:') || address.startsWith('/') ? address : `http://${address}`;
}

/** Where a started gateway listens, where its admin API is, and what it shares with the fleet: a few lines. */
export function bannerLines(gateway: Gateway, { config, secrets }: LoadedConfig, version: string): string[] {
  const { adminAddress } = gateway;
  return [
    `headgate ${version}`,
    ...gateway.listeners.map(({ address }) => `listening on ${shownAddress(address)}`),
    adminAddress === undefined ? 'admin API off' : `admin API on ${shownAddress(adminAddress)}`,
    storeLine(redact(config, secrets).store, gateway.fleet),
  ];
}

/** `store` without its password. */
function storeLine(store: Config['store'], fleet: Gateway['fleet']): string {
  if (store === 'memory') return 'store: memory, for this process alone';
  const url = typeof store === 'string' ? store : store.url;
  if (fleet.storeUp) return `store: ${url}, ${counted(fleet.size, 'gateway')}`;
  return `store: ${url}, not reached yet; until it is, limits act as onStoreFailure says`;
}
