import * as z from 'zod';
import type { ConfigPath } from './issue.ts';
import { configSchema } from './schema.ts';

/** As much of JSON Schema (draft 2020-12) as the configuration's has. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: JsonSchema;
  readonly additionalProperties?: JsonSchema | boolean;
}

let made: JsonSchema | undefined;

/** The JSON Schema of the configuration as it is written, for editors. Deterministic. */
export function jsonSchema(): JsonSchema {
  if (made === undefined) {
    const { $schema, ...rest } = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-2020-12' });
    const title = 'Headgate configuration';
    const description = 'headgate.yaml: what is listened on, limited, balanced and routed.';
    made = forEditors({ $schema, title, description, ...rest }) as JsonSchema;
  }
  return made;
}

/** Leaves out the bounds of safe integers, which tell a reader nothing, and lets a pattern take a `${…}`. */
function forEditors(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(forEditors);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).filter(([, value]) => Math.abs(Number(value)) !== Number.MAX_SAFE_INTEGER);
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      key === 'pattern' && typeof value === 'string' ? `${value}|\\$\\{` : forEditors(value),
    ]),
  );
}

/** The schema behind a reference; what stands beside the reference wins. */
export function resolve(schema: JsonSchema): JsonSchema {
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.replace('#/$defs/', '');
  const { $ref, ...beside } = schema;
  return { ...resolve(jsonSchema().$defs?.[name] ?? {}), ...beside };
}

/** The forms that a value may take. */
export function forms(schema: JsonSchema): readonly JsonSchema[] {
  const resolved = resolve(schema);
  return resolved.anyOf === undefined ? [resolved] : resolved.anyOf.flatMap(forms);
}

/** Names of the fields that may stand at a path; empty where names are free or nothing is known. */
export function fieldsAt(path: ConfigPath): readonly string[] {
  let nodes: readonly JsonSchema[] = [jsonSchema()];
  for (const part of path) nodes = nodes.flatMap(forms).flatMap((node) => step(node, part));
  return nodes.flatMap(forms).flatMap((node) => Object.keys(node.properties ?? {}));
}

/** A path with free names as `*` and indexes as `[]`: `upstreams.*.endpoints[]`. */
export function placeOf(path: ConfigPath): string {
  let nodes: readonly JsonSchema[] = [jsonSchema()];
  let place = '';
  for (const part of path) {
    const all = nodes.flatMap(forms);
    const isField = all.some((node) => node.properties?.[part] !== undefined);
    if (typeof part === 'number') place += '[]';
    else place += `${place === '' ? '' : '.'}${isField ? part : '*'}`;
    nodes = all.flatMap((node) => step(node, part));
  }
  return place;
}

function step(node: JsonSchema, part: string | number): readonly JsonSchema[] {
  if (typeof part === 'number') return node.items === undefined ? [] : [node.items];
  const field =
    node.properties !== undefined && Object.hasOwn(node.properties, part) ? node.properties[part] : undefined;
  if (field !== undefined) return [field];
  return typeof node.additionalProperties === 'object' ? [node.additionalProperties] : [];
}
