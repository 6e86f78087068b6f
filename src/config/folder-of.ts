import { dirname } from 'node:path';

/** Folder in which relative paths of a configuration begin: that of its file, or the working folder. */
export function folderOf({ source }: { readonly source: string | undefined }): string {
  return source === undefined ? '' : dirname(source);
}
