import { createHash } from 'node:crypto';
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Cancel, Timers } from '../../ports.ts';

/** Editors write in several steps; a moment of quiet ends them. */
const SETTLE_MS = 100;

/**
 * Calls `onChange` when the content of a file is another than before. Its folder is watched and not the file, which
 * editors replace and which in a mounted Kubernetes ConfigMap is a link that turns to a new folder. A file that is not
 * there for a moment is no change. Throws where the folder cannot be watched.
 */
export function watchContent(
  path: string,
  timers: Timers,
  onChange: () => void,
  onError: (error: Error) => void,
): Cancel {
  let known = contentHash(path);
  let settling: Cancel | undefined;
  const look = (): void => {
    settling = undefined;
    const found = contentHash(path);
    if (found === undefined || found === known) return;
    known = found;
    onChange();
  };
  const watcher: FSWatcher = watch(dirname(path), { persistent: false }, () => {
    settling?.();
    settling = timers.after(SETTLE_MS, look);
  });
  watcher.on('error', onError);
  return () => {
    settling?.();
    watcher.close();
  };
}

function contentHash(path: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return undefined;
  }
}
