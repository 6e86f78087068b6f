import type { ConfigPath, Finding } from './issue.ts';
import { pathKey } from './issue.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where `${…}` takes its values from. */
export interface Sources {
  readonly env: Environment;
  /** Content of a file (`${file:/run/secrets/x}`); throws where it cannot be read. */
  readonly readFile: (path: string) => string;
}

/** Secret texts by the place (`pathKey`) of the value that holds them: what printouts must not show. */
export type Secrets = ReadonlyMap<string, readonly string[]>;

export interface Interpolated {
  readonly value: unknown;
  readonly findings: readonly Finding[];
  readonly secrets: Map<string, string[]>;
  /** Places whose text is the outcome of a replacement. */
  readonly replaced: readonly ConfigPath[];
}

/** Names that would reach an object's prototype instead of a field. */
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
const MAX_DEPTH = 64;
/** Variables with such a name are secrets: what they held is hidden in printouts as files' content is. */
const SECRET_NAME = /SECRET|TOKEN|PASS|KEY|CREDENTIAL|AUTH/i;

/**
 * A copy of a configuration with `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `${file:/path}` replaced in its text
 * values; `$${` stands for `${`. Without sources nothing is replaced. A field that holds null counts as not there, a field
 * whose name would reach a prototype is refused.
 */
export function interpolate(input: unknown, sources: Sources | undefined): Interpolated {
  const findings: Finding[] = [];
  const secrets = new Map<string, string[]>();
  const replaced: ConfigPath[] = [];

  const copyText = (text: string, path: ConfigPath): string => {
    if (sources === undefined || !text.includes('${')) return text;
    replaced.push(path);
    return replaceAll(text, sources, {
      problem: (message) => findings.push({ path, message }),
      secret: (value) => secrets.set(pathKey(path), [...(secrets.get(pathKey(path)) ?? []), value]),
    });
  };
  const copyObject = (object: object, path: ConfigPath): Record<string, unknown> => {
    const copy: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(object)) {
      const at = [...path, name];
      if (FORBIDDEN.has(name)) findings.push({ path: at, message: 'no field may have this name', isField: true });
      else copy[name] = value === null ? undefined : copyValue(value, at);
    }
    return copy;
  };
  const copyValue = (value: unknown, path: ConfigPath): unknown => {
    if (path.length > MAX_DEPTH) {
      if (path.length === MAX_DEPTH + 1) findings.push({ path, message: 'is nested too deeply' });
      return undefined;
    }
    if (typeof value === 'string') return copyText(value, path);
    if (Array.isArray(value)) return value.map((item, index) => copyValue(item, [...path, index]));
    return typeof value === 'object' && value !== null ? copyObject(value, path) : value;
  };
  return { value: copyValue(input, []), findings, secrets, replaced };
}

interface Outcome {
  readonly problem: (message: string) => void;
  readonly secret: (value: string) => void;
}

function replaceAll(text: string, sources: Sources, outcome: Outcome): string {
  return text.replace(/\$\$\{|\$\{([^}]*)(\}?)/g, (whole, reference: string | undefined, end: string | undefined) => {
    if (reference === undefined) return '${';
    if (end !== '}') {
      outcome.problem(`"\${" has no "}" (write "$\${" for the text itself)`);
      return whole;
    }
    return referenced(reference, sources, outcome);
  });
}

function referenced(reference: string, sources: Sources, outcome: Outcome): string {
  if (reference.startsWith('file:')) return contentOf(reference.slice(5), sources, outcome);
  const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])(.*))?$/s.exec(reference);
  if (match === null) {
    outcome.problem(`"\${${reference}}" is no reference (write "$\${" for the text itself)`);
    return '';
  }
  const [, name, operator, argument] = match;
  const value = sources.env[name!];
  if (value !== undefined && (value !== '' || operator === undefined)) {
    if (value !== '' && SECRET_NAME.test(name!)) outcome.secret(value);
    return value;
  }
  if (operator === '-') return argument!;
  outcome.problem(operator === '?' && argument !== '' ? `${name}: ${argument}` : `the variable ${name} is not set`);
  return '';
}

function contentOf(file: string, sources: Sources, outcome: Outcome): string {
  try {
    const content = sources.readFile(file).replace(/\r?\n$/, '');
    if (content !== '') outcome.secret(content);
    return content;
  } catch (error) {
    outcome.problem(`cannot read ${file}: ${reasonOf(error)}`);
    return '';
  }
}

/** Why a file could not be read, without the path, which stands in the message already. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES') return 'permission denied';
  if (code === 'EISDIR') return 'it is a folder';
  return error instanceof Error ? error.message : String(error);
}
