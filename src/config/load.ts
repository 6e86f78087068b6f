import { readFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { applyEnvironment, type EnvironmentDefault } from './environment.ts';
import { checkFiles } from './file-checks.ts';
import { type Environment, interpolate, reasonOf, type Secrets } from './interpolate.ts';
import { type ConfigIssue, type ConfigPath, type Finding, formatPath, pathKey } from './issue.ts';
import { lint } from './lint.ts';
import { isSecretPlace } from './redact.ts';
import type { Config } from './schema.ts';
import { type ConfigTexts, readUpstreamFiles } from './upstream-tls.ts';
import { validate, valueAt } from './validate.ts';
import { type Position, readYaml, type YamlTree } from './yaml-tree.ts';

/** A configuration without errors. */
export interface LoadedConfig {
  readonly ok: true;
  readonly config: Config;
  /** What `redact` hides: texts from files and from variables that are named like secrets. */
  readonly secrets: Secrets;
  /** Allowed, and most likely not meant. */
  readonly warnings: readonly ConfigIssue[];
  /** What `upstreams.*.tls` names, as it was when it was judged. */
  readonly texts: ConfigTexts;
  /** The file, as it was named; undefined for an object. */
  readonly source: string | undefined;
}

/** All errors of a configuration, in the order of the text. */
export interface FailedConfig {
  readonly ok: false;
  readonly errors: readonly ConfigIssue[];
}

export type LoadResult = LoadedConfig | FailedConfig;

/** How files are read: handed in by tests. */
export interface ConfigFiles {
  /** Content as UTF-8; throws where it cannot be read. */
  readonly readText: (path: string) => string;
  /** A module's namespace object, read anew each time. */
  readonly importModule: (path: string) => Promise<unknown>;
}

let imports = 0;

const nodeFiles: ConfigFiles = {
  readText: (path) => readFileSync(path, 'utf8'),
  // The module cache would answer a reload with the old text.
  importModule: (path) => import(`${pathToFileURL(resolve(path)).href}?headgate=${imports++}`),
};

/** Names that are looked for where none is given, in this order. */
export const CONFIG_FILE_NAMES: readonly string[] = [
  'headgate.yaml',
  'headgate.yml',
  'headgate.json',
  'headgate.config.ts',
  'headgate.config.js',
  'headgate.config.mjs',
];

const MODULES = new Set(['.ts', '.mts', '.js', '.mjs', '.cjs']);

/**
 * Reads a configuration file: YAML, JSON, or a module whose default export is the configuration. `${…}` is replaced from
 * `env`, which also holds the defaults `HEADGATE_LISTEN`, `HEADGATE_ADMIN` and `HEADGATE_STORE`. Never throws for
 * what is wrong with the file.
 */
export async function loadConfigFile(
  path: string,
  env: Environment = process.env,
  files: ConfigFiles = nodeFiles,
): Promise<LoadResult> {
  if (MODULES.has(extname(path))) return loadModule(path, env, files);
  try {
    return loadConfigText(files.readText(path), path, env, files.readText);
  } catch (error) {
    return { ok: false, errors: [issueOf(path, undefined, '', `cannot read the file: ${reasonOf(error)}`)] };
  }
}

/** Reads YAML, or JSON where the name of the file ends so. Paths in `${file:…}` are relative to the file's folder. */
export function loadConfigText(
  text: string,
  file: string,
  env: Environment = {},
  readText: ConfigFiles['readText'] = nodeFiles.readText,
): LoadResult {
  const tree = readYaml(text, file.endsWith('.json'));
  const syntax = tree.problems.map(({ message, path, ...position }) =>
    issueOf(file, position, formatPath(path ?? []), message),
  );
  if (!tree.usable) return { ok: false, errors: syntax };
  const readFile = (path: string) => readText(resolve(dirname(file), path));
  const result = check(tree.value, { file, tree, env, readFile });
  if (syntax.length === 0) return result;
  const unread = new Set(syntax.map(({ path }) => path).filter((path) => path !== ''));
  const others = result.ok ? [] : result.errors.filter(({ path }) => !unread.has(path));
  return { ok: false, errors: inTextOrder([...syntax, ...others]) };
}

/** Checks a configuration that is an object (`createGateway`). With `env`, `${…}` is replaced as in a file. */
export function parseConfig(input: unknown, env?: Environment): LoadResult {
  return check(input, { file: undefined, tree: undefined, env, readFile: nodeFiles.readText });
}

async function loadModule(path: string, env: Environment, files: ConfigFiles): Promise<LoadResult> {
  try {
    const module = (await files.importModule(path)) as { default?: unknown };
    if (module.default === undefined) {
      return {
        ok: false,
        errors: [issueOf(path, undefined, '', 'has no default export: write "export default defineConfig({ ... })"')],
      };
    }
    const readFile = (file: string) => files.readText(resolve(dirname(path), file));
    return check(module.default, { file: path, tree: undefined, env, readFile });
  } catch (error) {
    return { ok: false, errors: [issueOf(path, undefined, '', moduleProblem(error))] };
  }
}

function moduleProblem(error: unknown): string {
  if ((error as NodeJS.ErrnoException).code === 'ERR_UNKNOWN_FILE_EXTENSION') {
    return `Node ${process.versions.node} does not run TypeScript: use Node 22.18 or later, or write the file as .js or .yaml`;
  }
  return `cannot load the module: ${reasonOf(error)}`;
}

interface Origin {
  readonly file: string | undefined;
  readonly tree: YamlTree | undefined;
  readonly env: Environment | undefined;
  readonly readFile: (path: string) => string;
}

function check(input: unknown, origin: Origin): LoadResult {
  const { env, readFile } = origin;
  const copied = interpolate(input ?? {}, env === undefined ? undefined : { env, readFile });
  const defaults = applyEnvironment(copied.value, env ?? {});
  const shows = (path: ConfigPath) => !copied.secrets.has(pathKey(path)) && !isSecretPlace(path);
  let validated = validate(copied.value, shows);
  if (retype(copied.value, copied.replaced, validated.findings)) validated = validate(copied.value, shows);
  const locate = (findings: readonly Finding[]) => inTextOrder(findings.map((one) => placed(one, origin, defaults)));
  if (validated.config === undefined || copied.findings.length > 0) {
    return { ok: false, errors: locate(withoutFollowers(copied.findings, validated.findings)) };
  }
  const { config } = validated;
  const files = checkFiles(config, readFile, Date.now());
  const upstreamFiles = readUpstreamFiles(config, readFile);
  const errors = [...files.errors, ...upstreamFiles.errors];
  if (errors.length > 0) return { ok: false, errors: locate(errors) };
  const warnings = locate([...lint(config), ...files.warnings, ...upstreamFiles.warnings]);
  return { ok: true, config, secrets: copied.secrets, warnings, texts: upstreamFiles.texts, source: origin.file };
}

/** Where a replacement failed, what the schema says about the outcome is noise. */
function withoutFollowers(own: readonly Finding[], others: readonly Finding[]): Finding[] {
  const places = new Set(own.map(({ path }) => pathKey(path)));
  return [...own, ...others.filter(({ path }) => !places.has(pathKey(path)))];
}

/**
 * A replaced text that its field does not take becomes the number or boolean that it reads as (`maxConnections: ${MAX}`);
 * a field that takes text keeps text, so that a token of digits stays one.
 */
function retype(raw: unknown, replaced: readonly ConfigPath[], findings: readonly Finding[]): boolean {
  const wrong = new Set(findings.map(({ path }) => pathKey(path)));
  let changed = false;
  for (const path of replaced) {
    const text = valueAt(raw, path);
    const isTyped = typeof text === 'string' && /^(true|false|-?\d{1,15}(\.\d+)?)$/.test(text);
    // A file that is one text and nothing else has no parent to hold the change.
    if (!isTyped || path.length === 0 || !wrong.has(pathKey(path))) continue;
    const parent = valueAt(raw, path.slice(0, -1)) as Record<string | number, unknown>;
    parent[path.at(-1)!] = text === 'true' || text === 'false' ? text === 'true' : Number(text);
    changed = true;
  }
  return changed;
}

function placed(finding: Finding, origin: Origin, defaults: readonly EnvironmentDefault[]): ConfigIssue {
  const fromEnv = defaults.find(({ path }) => path.every((part, index) => finding.path[index] === part));
  if (fromEnv !== undefined) return issueOf(undefined, undefined, fromEnv.variable, finding.message);
  const position = origin.tree?.locate(finding.path, finding.isField === true);
  return issueOf(origin.file, position, formatPath(finding.path), finding.message);
}

function issueOf(file: string | undefined, position: Position | undefined, path: string, message: string): ConfigIssue {
  return { file, line: position?.line, column: position?.column, path, message };
}

function inTextOrder(issues: readonly ConfigIssue[]): ConfigIssue[] {
  const last = Number.MAX_SAFE_INTEGER;
  return [...issues].sort(
    (left, right) => (left.line ?? last) - (right.line ?? last) || (left.column ?? last) - (right.column ?? last),
  );
}
