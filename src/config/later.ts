/**
 * Fields of the reference page that this version does not have, by the place they stand in (`[]` = any entry of a list,
 * `*` = any name). They are told apart from misspelt ones: "known, not in this version".
 */
const LATER: Readonly<Record<string, readonly string[]>> = {
  '': ['consumers', 'tiers', 'middleware', 'tracing'],
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

/** Values that are known and answered so, by the field that would hold them; `<…>` and `…` stand for what one chooses. */
const LATER_VALUES = {
  'listeners[].protocols': ['http2'],
  store: ['rediss://…'],
  'limits.*.key': ['jwt.<claim>', 'consumer'],
  'limits.*.cost': ['header.<name>'],
  'upstreams.*.endpoints[]': ['h2c://…'],
  'upstreams.*.balance': ['peak-ewma', 'hash'],
  'upstreams.*.healthCheck.type': ['grpc'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Values of a later version for a field. */
export function laterValues(place: keyof typeof LATER_VALUES): readonly string[] {
  return LATER_VALUES[place];
}

/** All of them, by field: for the reference page. */
export function laterValuePlaces(): readonly (readonly [place: string, values: readonly string[]])[] {
  return Object.entries(LATER_VALUES);
}

/** Fields of a later version that may stand in a place. */
export function laterFields(place: string): readonly string[] {
  return LATER[place] ?? [];
}

/** All of them, by place: for the reference page. */
export function laterPlaces(): readonly (readonly [place: string, fields: readonly string[]])[] {
  return Object.entries(LATER);
}
