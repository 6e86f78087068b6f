/**
 * The dependency table of ARCHITECTURE.md: a fenced block that starts with ```layers and has lines
 *
 *     folder -> allowed, allowed, …
 *
 * A name is a path under src/: a folder, or a file without `.ts`. A file belongs to the longest name that covers it.
 * It may import its own entry and every file that belongs to an allowed entry or to one below it (`adapters` allows every
 * `adapters/x`); an empty right side allows nothing. `#` starts a comment.
 */
export type Layers = ReadonlyMap<string, readonly string[]>;

export function parseLayers(markdown: string): Layers {
  const block = /^```layers\n([\s\S]*?)^```/m.exec(markdown);
  if (block === null) throw new Error('no ```layers block');
  const layers = new Map<string, readonly string[]>();
  for (const raw of block[1]!.split('\n')) {
    const line = raw.replace(/#.*$/, '').trim();
    if (line === '') continue;
    const parts = /^(\S+)\s*->\s*(.*)$/.exec(line);
    if (parts === null) throw new Error(`not "folder -> allowed, …": ${raw}`);
    if (layers.has(parts[1]!)) throw new Error(`stated twice: ${parts[1]}`);
    const allowed = parts[2]!.split(',').map((name) => name.trim());
    layers.set(
      parts[1]!,
      allowed.filter((name) => name !== ''),
    );
  }
  for (const [name, allowed] of layers) {
    for (const other of allowed) {
      if (covered(layers, other).length === 0) throw new Error(`${name} -> ${other}: no such entry`);
    }
  }
  refuseCycles(layers);
  return layers;
}

/** The entries that `name` allows. */
function covered(layers: Layers, name: string): string[] {
  return [...layers.keys()].filter((entry) => entry === name || entry.startsWith(`${name}/`));
}

function refuseCycles(layers: Layers): void {
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) throw new Error(`cycle: ${[...path, name].join(' -> ')}`);
    if (done.has(name)) return;
    for (const allowed of layers.get(name)!) {
      for (const other of covered(layers, allowed)) if (other !== name) visit(other, [...path, name]);
    }
    done.add(name);
  };
  for (const name of layers.keys()) visit(name, []);
}

/** The entry that `file` (a path under src/) belongs to. */
export function layerOf(layers: Layers, file: string): string | undefined {
  let name = file.replace(/\.ts$/, '');
  while (!layers.has(name)) {
    const cut = name.lastIndexOf('/');
    if (cut < 0) return undefined;
    name = name.slice(0, cut);
  }
  return name;
}

export function mayImport(layers: Layers, from: string, to: string): boolean {
  if (from === to) return true;
  return layers.get(from)!.some((allowed) => to === allowed || to.startsWith(`${allowed}/`));
}
