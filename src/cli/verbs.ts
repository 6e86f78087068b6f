import type { Verb } from './verb.ts';

export interface VerbEntry {
  readonly summary: string;
  readonly load: () => Promise<Verb>;
}

/** Verbs of this version, in the order of the help text. Each is loaded only when it is asked for. */
export const VERBS: ReadonlyMap<string, VerbEntry> = new Map<string, VerbEntry>([
  ['start', { summary: 'run the gateway', load: async () => (await import('./start.ts')).start }],
  ['proxy', { summary: 'run the gateway without a file', load: async () => (await import('./proxy.ts')).proxy }],
  ['demo', { summary: 'gateway, three backends, what to try', load: async () => (await import('./demo.ts')).demo }],
  ['init', { summary: 'write a commented headgate.yaml', load: async () => (await import('./init.ts')).init }],
  ['check', { summary: 'all errors and warnings of a file', load: async () => (await import('./check.ts')).check }],
  ['explain', { summary: 'what would happen to a request', load: async () => (await import('./explain.ts')).explain }],
  ['config', { summary: 'the configuration in force', load: async () => (await import('./config.ts')).config }],
  ['schema', { summary: 'the JSON Schema of the file', load: async () => (await import('./schema.ts')).schema }],
]);

/** Verbs that the documentation knows and this version does not have. */
export const LATER_VERBS: readonly string[] = [
  'plan',
  'reload',
  'top',
  'limits',
  'drain',
  'undrain',
  'simulate',
  'test',
  'verify',
];

/** Options likewise, with their verbs. */
export const LATER_OPTIONS: readonly string[] = ['explain --request'];
