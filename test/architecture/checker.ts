import { posix } from 'node:path';
import ts from 'typescript';
import { type Layers, layerOf, mayImport } from './layers.ts';

/** Text by path under the folder that is checked. */
export type Sources = ReadonlyMap<string, string>;

const isTest = (file: string): boolean => file.endsWith('.test.ts');
/** Suites that tests of several folders share: they use the test runner and, as tests, any layer. */
const isContract = (file: string): boolean => file.endsWith('-contract.ts');

const BANNED_IN_CORE = new Set([
  ...['Date', 'performance', 'process', 'globalThis', 'Buffer', 'crypto', 'fetch'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'],
]);

/** I/O belongs to the edges; these parts work on values and ports. */
const WITHOUT_IO = ['http', 'errors', 'ports', 'middleware', 'limits', 'upstream', 'proxy'];
const IO = /^node:(?:net|tls|http|https|http2|dns|dgram|fs|child_process|cluster|worker_threads|timers)(?:\/|$)/;

function parse(file: string, text: string): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true);
}

/** Module names of every import and re-export, dynamic ones and types included. */
export function importsOf(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map((reference) => reference.fileName);
}

/** Packages that are loaded with a file: those of its static imports and of theirs, types apart. */
export function packagesLoadedWith(sources: Sources, entry: string): string[] {
  const packages = new Set<string>();
  const seen = new Set([entry]);
  for (const file of seen) {
    for (const name of valueImportsOf(file, sources.get(file) ?? '')) {
      if (name.startsWith('.')) seen.add(posix.normalize(posix.join(posix.dirname(file), name)));
      else if (!name.startsWith('node:')) packages.add(name);
    }
  }
  return [...packages].sort();
}

function valueImportsOf(file: string, text: string): string[] {
  return parse(file, text).statements.flatMap((statement) => {
    if (ts.isImportDeclaration(statement) && statement.importClause?.isTypeOnly === true) return [];
    if (ts.isExportDeclaration(statement) && statement.isTypeOnly) return [];
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return [];
    const { moduleSpecifier } = statement;
    return moduleSpecifier !== undefined && ts.isStringLiteral(moduleSpecifier) ? [moduleSpecifier.text] : [];
  });
}

/** Holds the imports of src/ against the table. */
export function checkLayers(sources: Sources, layers: Layers): string[] {
  const problems: string[] = [];
  for (const [file, text] of sources) {
    if (isTest(file)) continue;
    const from = layerOf(layers, file);
    if (from === undefined) {
      problems.push(`${file}: in no entry of the table`);
      continue;
    }
    for (const name of importsOf(text)) {
      problems.push(...checkImport(file, from, name, sources, layers));
    }
  }
  return problems;
}

function checkImport(file: string, from: string, name: string, sources: Sources, layers: Layers): string[] {
  if (!name.startsWith('.')) {
    if (from === 'core' || from.startsWith('core/')) return [`${file}: core imports ${name}`];
    const withoutIo = WITHOUT_IO.some((layer) => from === layer || from.startsWith(`${layer}/`));
    if (withoutIo && IO.test(name) && !isContract(file)) return [`${file}: ${from} does I/O of its own (${name})`];
    return [];
  }
  const target = posix.normalize(posix.join(posix.dirname(file), name));
  if (!sources.has(target)) return [`${file}: ${name} is no source file under src/`];
  if (isTest(target)) return [`${file}: imports a test, ${target}`];
  const to = layerOf(layers, target);
  if (to === undefined || isContract(file) || mayImport(layers, from, to)) return [];
  return [`${file}: ${from} may not import ${to} (${target})`];
}

/** Entries that say nothing about the code. */
export function unusedLayers(sources: Sources, layers: Layers): string[] {
  const used = new Set([...sources.keys()].map((file) => layerOf(layers, file)));
  const isUsed = (name: string): boolean => [...used].some((layer) => layer === name || layer?.startsWith(`${name}/`));
  return [...layers.keys()].filter((name) => !isUsed(name)).map((name) => `${name}: in the table, not in src/`);
}

/** Edges that the table allows and no import needs: it would be wider than the code. */
export function unusedEdges(sources: Sources, layers: Layers): string[] {
  const used = new Set<string>();
  for (const [file, text] of sources) {
    const from = isTest(file) || isContract(file) ? undefined : layerOf(layers, file);
    if (from === undefined) continue;
    for (const name of importsOf(text)) {
      if (!name.startsWith('.')) continue;
      const target = posix.normalize(posix.join(posix.dirname(file), name));
      // `adapters` allows every `adapters/x`: so an edge is used by an import of anything below it.
      for (let to = target.replace(/\.ts$/, ''); to !== '.'; to = posix.dirname(to)) used.add(`${from} -> ${to}`);
    }
  }
  const edges = [...layers].flatMap(([from, allowed]) => allowed.map((to) => `${from} -> ${to}`));
  return edges.filter((edge) => !used.has(edge)).map((edge) => `${edge}: in the table, used by no import`);
}

/** Each npm package has one folder that knows it. */
export function checkPackages(sources: Sources): string[] {
  const folders = new Map<string, Set<string>>();
  for (const [file, text] of sources) {
    if (isTest(file)) continue;
    for (const name of importsOf(text)) {
      if (name.startsWith('.') || name.startsWith('node:')) continue;
      const [first, second] = name.split('/');
      const packageName = first!.startsWith('@') ? `${first}/${second}` : first!;
      const owners = folders.get(packageName) ?? new Set();
      folders.set(packageName, owners.add(owningFolder(file)));
    }
  }
  return [...folders]
    .filter(([, owners]) => owners.size > 1)
    .map(([name, owners]) => `${name}: imported by ${[...owners].sort().join(' and ')}`);
}

/** `adapters/x` for adapters, the first folder otherwise. */
function owningFolder(file: string): string {
  const parts = file.split('/');
  return parts.slice(0, Math.min(parts.length - 1, parts[0] === 'adapters' ? 2 : 1)).join('/');
}

/** No clock, timer, randomness or process in core/. */
export function checkCorePurity(sources: Sources): string[] {
  const problems: string[] = [];
  for (const [file, text] of sources) {
    if (!file.startsWith('core/') || isTest(file)) continue;
    visit(parse(file, text), (node) => {
      if (ts.isPropertyAccessExpression(node) && node.getText() === 'Math.random') {
        problems.push(`${at(file, node)}: Math.random`);
      }
      if (ts.isIdentifier(node) && BANNED_IN_CORE.has(node.text) && !isMemberName(node)) {
        problems.push(`${at(file, node)}: ${node.text}`);
      }
    });
  }
  return problems;
}

/** `limit.process`, `{ process: 1 }`: a name of ours, not the global. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isShorthandPropertyAssignment(parent)) return false;
  return (
    (ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isMethodSignature(parent)) &&
    parent.name === node
  );
}

/** Tests wait for conditions, never for time to pass; and none is singled out. */
export function checkTests(sources: Sources): string[] {
  const problems: string[] = [];
  for (const [file, text] of sources) {
    for (const name of importsOf(text)) {
      if (/^(?:node:)?timers\/promises$/.test(name)) problems.push(`${file}: imports ${name}`);
    }
    visit(parse(file, text), (node) => {
      if (isSleep(node)) problems.push(`${at(file, node)}: sleeps`);
      if (isOnly(node)) problems.push(`${at(file, node)}: only`);
    });
  }
  return problems;
}

/** A promise whose executor does nothing but resolve it by a timer. A guard that rejects is none. */
function isSleep(node: ts.Node): boolean {
  if (!ts.isNewExpression(node) || node.expression.getText() !== 'Promise') return false;
  const executor = node.arguments?.[0];
  if (executor === undefined || !(ts.isArrowFunction(executor) || ts.isFunctionExpression(executor))) return false;
  const resolve = executor.parameters[0]?.name.getText();
  let sleeps = false;
  visit(executor.body, (inner) => {
    if (!ts.isCallExpression(inner)) return;
    if (!/^(?:globalThis\.)?(?:setTimeout|setInterval)$/.test(inner.expression.getText())) return;
    const callback = inner.arguments[0];
    if (callback !== undefined && resolves(callback, resolve)) sleeps = true;
  });
  return sleeps;
}

function resolves(callback: ts.Expression, resolve: string | undefined): boolean {
  if (callback.getText() === resolve) return true;
  let calls = false;
  visit(callback, (node) => {
    if (ts.isCallExpression(node) && node.expression.getText() === resolve) calls = true;
  });
  return calls;
}

const RUNNERS = new Set(['test', 'it', 'describe', 'suite', 'test.describe', 't.test']);

function isOnly(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) return node.name.text === 'only' && RUNNERS.has(node.expression.getText());
  if (!ts.isPropertyAssignment(node) || node.name.getText() !== 'only') return false;
  const call = node.parent.parent;
  return ts.isCallExpression(call) && RUNNERS.has(call.expression.getText());
}

const MAX_LINES = 400;

/** `tables`: files that are nothing but a table and may be longer. */
export function checkLengths(sources: Sources, tables: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  for (const [file, text] of sources) {
    const lines = text.split('\n').length - 1;
    if (lines > MAX_LINES && !isTest(file) && !tables.has(file)) problems.push(`${file}: ${lines} lines`);
  }
  return problems;
}

function visit(node: ts.Node, look: (node: ts.Node) => void): void {
  look(node);
  ts.forEachChild(node, (child) => visit(child, look));
}

function at(file: string, node: ts.Node): string {
  return `${file}:${node.getSourceFile().getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
}
