export type { HeadgateConfig } from './config/schema.ts';
export { defineConfig } from './config/schema.ts';
export type { InjectRequest, InjectResponse } from './gateway/inject.ts';
export {
  type BoundListener,
  ConfigError,
  createGateway,
  type Gateway,
  type GatewayOverrides,
  StartError,
  type StopOptions,
  VERSION,
} from './gateway.ts';
