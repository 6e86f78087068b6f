/**
 * Fields of the reference page that this version does not have, by the place they stand in (`[]` = any entry of a list,
 * `*` = any name). They are told apart from misspelt ones: "known, not in this version".
 */
const LATER: Readonly<Record<string, readonly string[]>> = {
  '': ['consumers', 'tiers', 'middleware', 'tracing', 'workers'],
  'listeners[]': ['tls', 'proxyProtocol'],
  store: ['nodes', 'sentinels', 'master', 'tls', 'password'],
  'limits.*': ['concurrency', 'maxCost', 'settle', 'chargeOn', 'overrides', 'candidate', 'deny', 'warnAt'],
  'upstreams.*': [
    'discover',
    'hash',
    'sticky',
    'panicThreshold',
    'slowStart',
    'probe',
    'maxInFlight',
    'queue',
    'adaptive',
    'tls',
  ],
  'upstreams.*.endpoints[]': ['zone', 'priority', 'drain'],
  'upstreams.*.outlierDetection': ['failureRatio', 'minRequests'],
  'routes[]': [
    'split',
    'auth',
    'hedge',
    'mirror',
    'cors',
    'compress',
    'cache',
    'ipAccess',
    'idempotency',
    'priority',
    'middleware',
  ],
  defaults: ['auth', 'middleware'],
};

/** Fields of a later version that may stand in a place. */
export function laterFields(place: string): readonly string[] {
  return LATER[place] ?? [];
}

/** All of them, by place: for the reference page. */
export function laterPlaces(): readonly (readonly [place: string, fields: readonly string[]])[] {
  return Object.entries(LATER);
}
