import type { SnapshotModel } from './snapshot.ts';

/**
 * Fields that differ and that a running gateway cannot change: a reload that changes one is refused whole and names them.
 * The order of listeners does not count.
 */
export function restartFields(old: SnapshotModel, next: SnapshotModel): string[] {
  return [
    ...listenerFields(old, next),
    ...storeFields(old, next),
    ...workersFields(old, next),
    ...adminFields(old, next),
  ];
}

function listenerFields(old: SnapshotModel, next: SnapshotModel): string[] {
  const oldLabels = new Set(old.listeners.map(({ label }) => label));
  const nextLabels = new Set(next.listeners.map(({ label }) => label));
  const changed = next.listeners.filter(({ label }) => !oldLabels.has(label)).map(({ place }) => `${place}.address`);
  const isGone = [...oldLabels].some((label) => !nextLabels.has(label));
  if (changed.length === 0 && isGone) return ['listeners'];
  // Port 0 lets several listeners share a label.
  return changed.length === 0 && old.listeners.length !== next.listeners.length ? ['listeners'] : changed;
}

function storeFields(old: SnapshotModel, next: SnapshotModel): string[] {
  return JSON.stringify(old.store) === JSON.stringify(next.store) ? [] : ['store'];
}

function adminFields(old: SnapshotModel, next: SnapshotModel): string[] {
  if (old.admin?.label === next.admin?.label) return [];
  return [old.admin === undefined || next.admin === undefined ? 'admin' : 'admin.address'];
}

function workersFields(old: SnapshotModel, next: SnapshotModel): string[] {
  return old.workers === next.workers ? [] : ['workers'];
}
