import type { LoadedConfig } from '../config/load.ts';
import type { WorkerPart } from '../gateway/worker-part.ts';
import type { LimiterView } from '../limits/limiter.ts';
import type { LogLevel } from '../ports.ts';
import type { UpstreamView } from '../upstream/upstream-view.ts';

/** A configuration as it goes to a worker: what only printouts need stays behind. */
export type SentConfig = Omit<LoadedConfig, 'secrets'>;

export function sentConfig({ secrets: _, ...config }: LoadedConfig): SentConfig {
  return { ...config, warnings: [] };
}

export function receivedConfig(config: SentConfig): LoadedConfig {
  return { ...config, secrets: new Map() };
}

/** The first message of a primary: all that a worker needs. Not on the command line, which anybody on the machine can read. */
export interface Begin {
  readonly type: 'begin';
  /** From 1; a worker that takes the place of another has its number. */
  readonly number: number;
  readonly config: SentConfig;
  readonly part: WorkerPart;
  /** In force, which may differ from the configuration's. */
  readonly level: LogLevel;
  /** In base64: a TLS session that one worker began, any may resume. */
  readonly ticketKeys: string;
  /** A person reads the log. */
  readonly readable: boolean;
}

export type ToWorker =
  | Begin
  /** The client's connection comes with it. */
  | { readonly type: 'connection'; readonly listener: number }
  /** Answered by `answer`: undefined when it is in force, else why it is not. */
  | { readonly type: 'reload'; readonly id: number; readonly config: SentConfig }
  /** Answered by a `Counts`. */
  | { readonly type: 'count'; readonly id: number }
  /** Answered by `UpstreamView`s. */
  | { readonly type: 'upstreams'; readonly id: number }
  | { readonly type: 'level'; readonly level: LogLevel }
  /** Answered by `alive`. */
  | { readonly type: 'poke' }
  /** The first sign of shutdown. */
  | { readonly type: 'drain' }
  /** No more connections come: what is in flight gets `graceMs`. */
  | { readonly type: 'stop'; readonly graceMs: number };

/** What a worker has counted since it began. */
export interface Counts {
  /** Prometheus text. */
  readonly metrics: string;
  readonly limits: readonly LimiterView[];
}

/** What a primary asks, by the answer's type. */
export interface Answers {
  readonly reload: string | null;
  readonly count: Counts;
  readonly upstreams: readonly UpstreamView[];
}

export type ToPrimary =
  | { readonly type: 'ready' }
  /** Its event loop turns. */
  | { readonly type: 'alive' }
  /** It cannot begin; one line for people. */
  | { readonly type: 'failed'; readonly message: string }
  /** The connection last handed over has arrived; `connections` are open now. */
  | { readonly type: 'taken'; readonly connections: number }
  | { readonly type: 'answer'; readonly id: number; readonly value: Answers[keyof Answers] }
  /** Sent unasked, so that what was counted outlives a worker that is killed. */
  | { readonly type: 'counts'; readonly counts: Counts; readonly connections: number }
  /** It ends for a reason of its own: it wants no more connections, and another in its place. */
  | { readonly type: 'leaving' };
