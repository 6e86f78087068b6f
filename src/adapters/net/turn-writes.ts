/** Something that gathers octets for a socket. */
export interface TurnWriter {
  /** Managed here: whether it is in line already. */
  inLine: boolean;
  flush(): void;
}

const line: TurnWriter[] = [];

/**
 * Writes out what a socket gathered once the present poll's events are all handled: one write per socket and turn. Under
 * load the writes of many connections so go out back to back, which keeps the other side awake instead of waking it for
 * each; when little is to do the turn ends at once.
 */
export function flushAtTurnEnd(writer: TurnWriter): void {
  if (writer.inLine) return;
  writer.inLine = true;
  if (line.push(writer) === 1) setImmediate(flushLine);
}

function flushLine(): void {
  // What joins meanwhile is behind the index and comes too.
  for (let at = 0; at < line.length; at++) {
    const writer = line[at] as TurnWriter;
    writer.inLine = false;
    writer.flush();
  }
  line.length = 0;
}
