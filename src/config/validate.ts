import type * as z from 'zod';
import { NOT_YET } from './addresses.ts';
import { crossChecks } from './checks.ts';
import { type ConfigPath, type Finding, pathKey } from './issue.ts';
import { fieldsAt, placeOf } from './json-schema.ts';
import { laterFields } from './later.ts';
import { asObject } from './raw.ts';
import { type Config, configSchema } from './schema.ts';
import { didYouMean } from './suggest.ts';

export interface Validated {
  /** Undefined where there is an error. */
  readonly config: Config | undefined;
  readonly findings: readonly Finding[];
}

/**
 * Holds a configuration against the schema and against the rules that span fields, and reports all errors at once.
 * `shows` tells whether a message may quote the value at a path.
 */
export function validate(raw: unknown, shows: (path: ConfigPath) => boolean): Validated {
  const result = configSchema.safeParse(raw ?? {}, { reportInput: true });
  const own = result.success ? [] : result.error.issues.flatMap((issue) => findingsOf(issue, [], raw, shows));
  const findings = withoutEchoes([...own, ...crossChecks(raw)]);
  return { config: findings.length === 0 ? result.data : undefined, findings };
}

type Issue = z.core.$ZodIssue;
type Shows = (path: ConfigPath) => boolean;

function findingsOf(issue: Issue, base: ConfigPath, raw: unknown, shows: Shows): Finding[] {
  const path = [...base, ...(issue.path as ConfigPath)];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownField(path, key), isField: true }));
    case 'invalid_union': {
      const fitting = issue.errors.find((issues) => issues.every(isBelowTheRoot));
      if (fitting !== undefined) return fitting.flatMap((inner) => findingsOf(inner, path, raw, shows));
      return [valueFinding(issue.message, path, raw, shows)];
    }
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({ path, message, isField: true }));
    default:
      return [valueFinding(messageOf(issue), path, raw, shows)];
  }
}

/** Whether an issue of a form says that the form is right and something in it is wrong. */
function isBelowTheRoot(issue: Issue): boolean {
  return issue.path.length > 0 || issue.code === 'unrecognized_keys' || issue.code === 'custom';
}

const KIND_WORDS: Readonly<Record<string, string>> = {
  object: 'an object',
  record: 'an object',
  array: 'a list',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  string: 'a text',
};

function messageOf(issue: Issue): string {
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')) {
    return `expected ${KIND_WORDS[issue.expected] ?? issue.expected}`;
  }
  if (issue.code === 'too_small')
    return `expected ${issue.origin === 'array' ? 'a list of ' : ''}at least ${issue.minimum}`;
  if (issue.code === 'too_big')
    return `expected ${issue.origin === 'array' ? 'a list of ' : ''}at most ${issue.maximum}`;
  return issue.message;
}

function unknownField(path: ConfigPath, key: string): string {
  const later = laterFields(placeOf(path));
  if (later.includes(key)) return NOT_YET;
  return `unknown field${didYouMean(key, [...fieldsAt(path), ...later])}`;
}

/** Ends a message with what stands there, or says that nothing does. */
function valueFinding(message: string, path: ConfigPath, raw: unknown, shows: Shows): Finding {
  if (!message.startsWith('expected')) return { path, message };
  const value = valueAt(raw, path);
  if (value === undefined) return { path, message: `is missing: ${message}`, absentFrom: path.slice(0, -1) };
  if (Array.isArray(value) && /at (least|most) \d/.test(message)) return { path, message };
  if (typeof value === 'object')
    return { path, message: `${message}, got ${Array.isArray(value) ? 'a list' : 'an object'}` };
  if (!shows(path)) return { path, message };
  const text = JSON.stringify(value) ?? typeof value;
  return { path, message: `${message}, got ${text.length > 80 ? `${text.slice(0, 80)}…` : text}` };
}

/** Value at a path, or undefined where the way ends before. */
export function valueAt(raw: unknown, path: ConfigPath): unknown {
  let value: unknown = raw;
  for (const part of path) {
    if (Array.isArray(value) && typeof part === 'number') value = value[part];
    else value = Object.hasOwn(asObject(value), part) ? asObject(value)[String(part)] : undefined;
  }
  return value;
}

/** One error for each place, and none that follows from a field whose name is wrong. */
function withoutEchoes(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  const withBadField = new Set(findings.filter((one) => one.isField).map(({ path }) => pathKey(path.slice(0, -1))));
  return findings.filter(({ path, absentFrom }) => {
    if (absentFrom !== undefined && withBadField.has(pathKey(absentFrom))) return false;
    const isNew = !seen.has(pathKey(path));
    seen.add(pathKey(path));
    return isNew;
  });
}
