import { type LoadedConfig, parseConfig } from './config/load.ts';
import type { HeadgateConfig } from './config/schema.ts';
import { ConfigError } from './gateway/errors.ts';
import type { Gateway } from './gateway/gateway-types.ts';
import { type GatewayOverrides, NodeGateway } from './gateway/node-gateway.ts';
import { warnOfWorkers } from './gateway/worker-part.ts';

export { ConfigError, StartError } from './gateway/errors.ts';
export type { BoundListener, Gateway, StopOptions } from './gateway/gateway-types.ts';
export type { GatewayOverrides } from './gateway/node-gateway.ts';
export { VERSION } from './gateway/version.ts';

/** Makes a gateway of a configuration as one would write it, or as `loadConfigFile` gives it. Throws a `ConfigError`. */
export function createGateway(config: HeadgateConfig | LoadedConfig, overrides: GatewayOverrides = {}): Gateway {
  const gateway = new NodeGateway(loaded(config), overrides, loaded);
  warnOfWorkers(gateway.workers, gateway.log);
  return gateway;
}

function loaded(config: HeadgateConfig | LoadedConfig): LoadedConfig {
  if ('ok' in config) return config;
  const result = parseConfig(config, process.env);
  if (!result.ok) throw new ConfigError(result.errors);
  return result;
}
