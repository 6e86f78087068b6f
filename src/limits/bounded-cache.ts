/**
 * A map that forgets. Two generations: what was used since the last turn over stays, the rest goes, so a flood of new
 * keys costs what is rarely used and no bookkeeping is done per hit. Holds at most two generations.
 */
export class BoundedCache<V> {
  private young = new Map<string, V>();
  private old = new Map<string, V>();
  private readonly generation: number;

  /** `generation`: entries after which what was not used since is forgotten. */
  constructor(generation: number) {
    this.generation = generation;
  }

  get(key: string): V | undefined {
    const found = this.young.get(key);
    if (found !== undefined) return found;
    const older = this.old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: V): void {
    if (this.young.size >= this.generation) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
  }

  /** Entries held, at most two generations; one that was used again since the last turn over is held twice. */
  get size(): number {
    return this.young.size + this.old.size;
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
  }
}
