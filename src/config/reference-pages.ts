// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the page shows the syntax of references.
import { FAILURES, type FailureKind } from '../errors.ts';
import { forms, type JsonSchema, jsonSchema, resolve } from './json-schema.ts';
import { laterPlaces, laterValuePlaces } from './later.ts';

const GENERATED = '<!-- Written by scripts/generate.mjs. Change the source and run "npm run generate". -->';

/** `docs/reference/configuration.md`: every field with its form, default and meaning, from the schema. */
export function configurationPage(): string {
  const lines = [GENERATED, '# Configuration', '', ...INTRODUCTION, '', '## Scalars', '', ...scalarTable()];
  section('Top level', jsonSchema(), lines);
  lines.push('', 'Fields and values that are known and not in this version have [a page of their own](later.md).');
  return `${lines.join('\n')}\n`;
}

/** `docs/reference/later.md`: what is known, and answered so, but not in this version. */
export function laterPage(commands: readonly string[]): string {
  const lines = [GENERATED, '# Known, not in this version', '', ...LATER_INTRODUCTION];
  lines.push('', '## Fields of the configuration', '', '| place | fields |', '|---|---|');
  for (const [place, fields] of laterPlaces()) {
    lines.push(`| ${place === '' ? 'top level' : code(named(place))} | ${fields.map(code).join(', ')} |`);
  }
  lines.push('', '## Values of fields that are there', '', '| field | values |', '|---|---|');
  for (const [place, values] of laterValuePlaces()) {
    lines.push(`| ${code(named(place))} | ${values.map(code).join(', ')} |`);
  }
  lines.push('', '## Commands', '', commands.map((command) => code(`headgate ${command}`)).join(', '));
  return `${lines.join('\n')}\n`;
}

const LATER_INTRODUCTION = [
  'A configuration or a command line that uses one of these is answered "known, not in this version", so that it is not',
  'taken for a mistake in writing. Two values are taken already and do less for now: `balance: adaptive` picks as',
  '`least-request` does, and `consistency: leased` decides as `strict` does.',
];

const INTRODUCTION = [
  'The configuration is a file `headgate.yaml` (`.yml`, `.json`), or a module `headgate.config.ts` or `.js` with',
  '`export default defineConfig({ ... })`. All errors are reported at once, each with file, line and column. An unknown',
  'field is an error. Everything that can be off takes `false`.',
  '',
  'In texts, `${VAR}` is replaced with a variable of the environment, `${VAR:-default}` has a default, `${VAR:?message}`',
  'an error message of its own, and `${file:/run/secrets/x}` is the content of a file; `$${` stands for `${`.',
  '`HEADGATE_LISTEN`, `HEADGATE_ADMIN` and `HEADGATE_STORE` are used where the file has no `listeners[].address`,',
  '`admin.address` and `store`.',
  '',
  'Of the routes that match a request the most specific one takes it: host exact > wildcard (longest) > none; then path',
  'exact > parameters > longest prefix; then more header and query conditions, then a route that names methods; then the',
  'order in the file.',
];

function scalarTable(): string[] {
  const rows = Object.entries(jsonSchema().$defs ?? {}).sort(([left], [right]) => (left < right ? -1 : 1));
  return [
    '| name | form |',
    '|---|---|',
    ...rows.map(([name, { description }]) => `| \`${name}\` | ${cell(description ?? '')} |`),
  ];
}

/** A table of an object's fields, then the sections of the objects in it. */
function section(title: string, schema: JsonSchema, lines: string[]): void {
  const path = title === 'Top level' ? '' : title;
  lines.push(
    '',
    `## ${path === '' ? title : code(path)}`,
    '',
    '| field | form | default | meaning |',
    '|---|---|---|---|',
  );
  const fields = Object.entries(schema.properties ?? {});
  for (const [name, field] of fields) lines.push(row(name, field, schema.required?.includes(name) === true));
  for (const [name, field] of fields) {
    // "As `routes[].timeout`": described there.
    if (resolve(field).description?.startsWith('As `') === true) continue;
    for (const [suffix, inner] of objectsIn(field))
      section(`${path === '' ? '' : `${path}.`}${name}${suffix}`, inner, lines);
  }
}

function objectsIn(field: JsonSchema): [suffix: string, schema: JsonSchema][] {
  return forms(field).flatMap((form): [string, JsonSchema][] => {
    if (form.properties !== undefined) return [['', form]];
    if (form.items !== undefined) return objectsIn(form.items).map(([suffix, schema]) => [`[]${suffix}`, schema]);
    if (typeof form.additionalProperties !== 'object') return [];
    return objectsIn(form.additionalProperties).map(([suffix, schema]) => [`.<name>${suffix}`, schema]);
  });
}

function row(name: string, field: JsonSchema, isRequired: boolean): string {
  const { default: fallback, description } = resolve(field);
  const isEmptyObject = JSON.stringify(fallback) === '{}' && objectsIn(field).some(([suffix]) => suffix === '');
  const shown = fallback === undefined || isEmptyObject ? '' : code(flow(fallback));
  return `| ${code(name)} | ${cell(formOf(field))} | ${isRequired ? 'required' : cell(shown)} | ${cell(description ?? '')} |`;
}

/** The form of a value in a few words. */
function formOf(schema: JsonSchema): string {
  if (schema.$ref !== undefined) return schema.$ref.replace('#/$defs/', '');
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(formOf))].join(' or ');
  if (schema.const !== undefined) return code(String(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((word) => code(String(word))).join(' or ');
  if (schema.items !== undefined) return `list of ${formOf(schema.items)}`;
  if (typeof schema.additionalProperties === 'object') return `map to ${formOf(schema.additionalProperties)}`;
  if (schema.properties !== undefined) return 'object';
  return schema.type === 'string' ? 'text' : schema.type === 'integer' ? 'whole number' : (schema.type ?? 'any');
}

/** A value as it is written in YAML on one line. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value) === '' ? '""' : String(value);
  const fields = Object.entries(value).map(([name, item]) => `${name}: ${flow(item)}`);
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}

/** `docs/reference/answers.md`: the answers that the gateway makes itself, from the failure table. */
export function answersPage(): string {
  const lines = [GENERATED, '# Answers of the gateway itself', '', ...ANSWERS_INTRODUCTION, ''];
  lines.push(
    '| kind | status | reason | title | tried again | endpoint blamed | closes the connection | `Proxy-Status` error |',
  );
  lines.push('|---|---|---|---|---|---|---|---|');
  for (const [kind, failure] of Object.entries(FAILURES) as [string, FailureKind][]) {
    const { status, reason, title, retryable, blamesEndpoint, closes, proxyError } = failure;
    const yes = (holds: boolean) => (holds ? 'yes' : 'no');
    const cells = [
      code(kind),
      status,
      code(reason),
      title,
      retryable,
      yes(blamesEndpoint),
      yes(closes),
      code(proxyError),
    ];
    lines.push(`| ${cells.join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}

const ANSWERS_INTRODUCTION = [
  'Each is a problem document (RFC 9457) whose `reason` is the code below; metrics and the access log use the same codes.',
  '`Proxy-Status` (RFC 9209) says the same to machines. "Tried again" is what may be sent to another endpoint:',
  '`always` only where not one byte was written to the first. 499 stands in the log only.',
];

function named(place: string): string {
  return place.replaceAll('*', '<name>');
}

function code(text: string): string {
  return `\`${text}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
