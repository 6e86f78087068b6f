// What stands where nothing was written, for parts that a configuration gets after it was checked. The schema takes these
// defaults from here, so that a process which is handed checked configurations loads no schema.

type RetryEvent = 'connect' | 'refused' | 'reset' | 502 | 503 | 504;
type OutlierEvent = 'connect' | 'reset' | 'timeout' | 502 | 503 | 504;

const RETRY_ON: RetryEvent[] = ['connect', 'refused', 'reset', 502, 503, 504];
const OUTLIER_ON: OutlierEvent[] = ['connect', 'reset', 'timeout', 502, 503, 504];

export const RETRY_DEFAULTS = { attempts: 2, perTry: 'none' as const, budget: '10%', on: RETRY_ON };

export const OUTLIER_DEFAULTS = {
  consecutiveFailures: 5,
  on: OUTLIER_ON,
  baseEjection: '5s',
  maxEjection: '300s',
  maxEjected: '50%',
};

export const UPSTREAM_DEFAULTS = {
  balance: 'adaptive' as const,
  healthCheck: false as const,
  outlierDetection: OUTLIER_DEFAULTS,
  timeouts: { connect: '1s', idle: '4s' },
  maxConnections: 256,
};
