import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** One raw request (bytes as latin1) and the outcome it must have. */
export interface CorpusCase {
  readonly id: string;
  readonly raw: string;
  readonly expect: 'reject' | 'forward' | 'either-but-no-desync';
  readonly expect_status?: readonly number[];
  readonly why: string;
  /** Complete requests that must reach the backend; null = any number. */
  readonly n_forwarded?: number | null;
  /** Of the first forwarded request: decoded body, method, target, joined values by name, names that must (not) be there. */
  readonly body?: string;
  readonly method?: string;
  readonly target?: string;
  readonly header?: Readonly<Record<string, string>>;
  readonly present?: readonly string[];
  readonly absent?: readonly string[];
  /** The gateway must close the connection of itself. */
  readonly must_close?: boolean;
  /** Half-close after sending. */
  readonly eof?: boolean;
  /** A request for `/smuggled` is legal. */
  readonly markers_ok?: boolean;
  /** May be held as incomplete instead of refused. */
  readonly may_wait?: boolean;
  readonly no_1xx?: boolean;
}

function json(name: string): unknown {
  return JSON.parse(readFileSync(fileURLToPath(new URL(name, import.meta.url)), 'utf8'));
}

export const CASES = json('./http1-requests.json') as readonly CorpusCase[];

/** Cases that are not yet as they must be: id → why. */
export const KNOWN_GAPS = json('./known-gaps.json') as Readonly<Record<string, string>>;
