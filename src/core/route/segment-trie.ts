/**
 * A node of a trie over segments (of a path, or labels of a host). A child is found by a hash over a range of the text
 * asked for, so that a lookup makes no strings; texts come from the configuration, so nobody else can make hashes collide.
 */
export class SegmentNode<T> {
  readonly text: string;
  /** Held by texts that end here. */
  atEnd: T | undefined;
  /** Held by texts that end here or go on. */
  below: T | undefined;
  /** Takes any one segment that is not empty. */
  param: SegmentNode<T> | undefined;
  #children: Map<number, SegmentNode<T>> | undefined;
  #sameHash: SegmentNode<T> | undefined;

  constructor(text = '') {
    this.text = text;
  }

  get isLeaf(): boolean {
    return this.#children === undefined && this.param === undefined;
  }

  /** The child for `text[start, end)`, whose hash is `hash`. */
  child(text: string, start: number, end: number, hash: number): SegmentNode<T> | undefined {
    let found = this.#children?.get(hash);
    while (found !== undefined && !(found.text.length === end - start && text.startsWith(found.text, start))) {
      found = found.#sameHash;
    }
    return found;
  }

  addChild(text: string): SegmentNode<T> {
    const hash = hashRange(text, 0, text.length);
    const known = this.child(text, 0, text.length, hash);
    if (known !== undefined) return known;
    const added = new SegmentNode<T>(text);
    this.#children ??= new Map();
    added.#sameHash = this.#children.get(hash);
    this.#children.set(hash, added);
    return added;
  }

  addParam(): SegmentNode<T> {
    this.param ??= new SegmentNode<T>();
    return this.param;
  }
}

/** Kept within 30 bits, so that it stays a small integer for the engine. */
export function hashRange(text: string, start: number, end: number): number {
  let hash = 0;
  for (let index = start; index < end; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) & 0x3fffffff;
  return hash;
}

/**
 * The nodes that a path passes, level by level, in buffers that are used again. Within a level a literal comes before
 * a parameter, and what differs earlier counts more.
 */
export class PathWalk<T> {
  readonly nodes: SegmentNode<T>[] = [];
  /** Where each level starts in `nodes`; level 0 is the root alone. */
  readonly levelStart: number[] = [0, 1];
  levels = 0;
  /** Nodes visited. */
  count = 0;
  /** Whether the last level is the end of the path. */
  complete = false;

  walk(root: SegmentNode<T>, path: string): void {
    this.nodes[0] = root;
    this.count = 1;
    this.levels = 1;
    this.levelStart[1] = 1;
    this.complete = false;
    let start = 1;
    while (!this.complete && this.#mayGoOn()) {
      let end = start;
      let hash = 0;
      for (let code: number; end < path.length && (code = path.charCodeAt(end)) !== 0x2f; end++) {
        hash = (Math.imul(hash, 31) + code) & 0x3fffffff;
      }
      if (!this.#descend(path, start, end, hash)) return;
      this.complete = end === path.length;
      start = end + 1;
    }
  }

  #mayGoOn(): boolean {
    for (let index = this.levelStart[this.levels - 1]!; index < this.count; index++) {
      if (!this.nodes[index]!.isLeaf) return true;
    }
    return false;
  }

  #descend(path: string, start: number, end: number, hash: number): boolean {
    const from = this.levelStart[this.levels - 1]!;
    const to = this.count;
    for (let index = from; index < to; index++) {
      const node = this.nodes[index]!;
      const child = node.child(path, start, end, hash);
      if (child !== undefined) this.nodes[this.count++] = child;
      if (node.param !== undefined && end > start) this.nodes[this.count++] = node.param;
    }
    if (this.count === to) return false;
    this.levels++;
    this.levelStart[this.levels] = this.count;
    return true;
  }
}
