/**
 * Careful looks into a configuration that may be wrong anywhere: checks that span fields run beside the schema, so that
 * all errors are reported at once.
 */
export type RawObject = Readonly<Record<string, unknown>>;

export function asObject(value: unknown): RawObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as RawObject) : {};
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A list of texts, also where a single text stands for a list of one; other entries are left out. */
export function texts(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).filter((item) => typeof item === 'string');
}

/** Names of the fields that hold something. */
export function given(object: RawObject, names: readonly string[]): readonly string[] {
  return names.filter((name) => Object.hasOwn(object, name) && object[name] !== undefined);
}
