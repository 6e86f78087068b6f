import type { Secrets } from './interpolate.ts';
import { type ConfigPath, pathKey } from './issue.ts';
import type { Config } from './schema.ts';

const HIDDEN = '***';
const SECRET_HEADER = /^(proxy-)?authorization$|^(set-)?cookie$|token|secret|password|api-?key/i;

/** A copy of a configuration for people to see: passwords, tokens, keys and what came from secret sources are hidden. */
export function redact(config: Config, secrets: Secrets = new Map()): Config {
  return hide(config, [], secrets) as Config;
}

/** Hides in a text that was made from the value at a place (a path that was rewritten) what `redact` hides in that value. */
export function redactText(text: string, path: ConfigPath, secrets: Secrets): string {
  return String(hideScalar(text, path, secrets));
}

/** Whether `redact` hid a part of a value. */
export function isHidden(value: unknown): boolean {
  return String(value).includes(HIDDEN);
}

/** Whether the schema says of a place that it holds a secret: its value stands in no message. */
export function isSecretPlace(path: ConfigPath): boolean {
  return isWhollySecret(path) || isStoreUrl(path);
}

function isWhollySecret(path: ConfigPath): boolean {
  const [first, second, , fourth] = path;
  if (path.length === 1) return first === 'secret';
  if (path.length === 4 && first === 'admin' && second === 'tokens') return fourth === 'token';
  // The name of a header stands last, or before the place in a list of values.
  const at = path.findLastIndex((part) => typeof part === 'string');
  const isHeader = path.slice(0, at).some((part) => part === 'headers');
  return isHeader && SECRET_HEADER.test(String(path[at]));
}

function isStoreUrl(path: ConfigPath): boolean {
  return path[0] === 'store' && (path.length === 1 || (path.length === 2 && path[1] === 'url'));
}

function hide(value: unknown, path: ConfigPath, secrets: Secrets): unknown {
  if (Array.isArray(value)) return value.map((item, index) => hide(item, [...path, index], secrets));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, hide(item, [...path, name], secrets)]),
    );
  }
  if (value === undefined || typeof value === 'boolean') return value;
  return hideScalar(value as string | number, path, secrets);
}

function hideScalar(value: string | number, path: ConfigPath, secrets: Secrets): unknown {
  if (isWhollySecret(path)) return HIDDEN;
  let text = String(value);
  for (const part of secretsAt(path, secrets)) text = text.replaceAll(part, HIDDEN);
  if (isStoreUrl(path)) text = withoutPassword(text);
  return text === String(value) ? value : text;
}

/** Also those of `defaults`, which a route may hold in the configuration in force. */
function secretsAt(path: ConfigPath, secrets: Secrets): readonly string[] {
  const own = secrets.get(pathKey(path)) ?? [];
  return path[0] === 'routes' ? [...own, ...(secrets.get(pathKey(['defaults', ...path.slice(2)])) ?? [])] : own;
}

/** A URL with its password hidden; the user name stays. */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z]+:\/\/[^/?#]*?):[^/?#]*@/i, `$1:${HIDDEN}@`);
}
