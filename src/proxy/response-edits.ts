import type { FlatFields, ReplyHead } from '../http/head.ts';
import type { Route } from './snapshot.ts';

/** The route's word about the fields of a response is the last: over an endpoint's, over the gateway's own. */
export function applyResponseEdits({ responseDrop, responseExtra }: Route, head: ReplyHead): void {
  if (responseDrop !== undefined) {
    if (head.extra !== undefined) removeLines(head.extra, responseDrop);
    if (responseDrop.has('x-request-id')) head.requestId = '';
    head.shared = head.shared?.without(responseDrop);
    head.varying = head.varying?.without(responseDrop);
  }
  if (responseExtra.length > 0) head.extra = [...(head.extra ?? []), ...responseExtra];
}

function removeLines(lines: FlatFields, names: ReadonlySet<string>): void {
  for (let at = lines.length - 2; at >= 0; at -= 2) {
    if (names.has((lines[at] as string).toLowerCase())) lines.splice(at, 2);
  }
}

/** Whether a line of this lower-case name is among `lines`. */
export function hasLine(lines: FlatFields, name: string): boolean {
  for (let at = 0; at < lines.length; at += 2) if ((lines[at] as string).toLowerCase() === name) return true;
  return false;
}
