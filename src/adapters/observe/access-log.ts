import type { AccessLog, ExchangeRecord } from '../../ports.ts';
import type { AccessLine } from './access-line.ts';
import { combinedAccessLine, jsonAccessLine, readableAccessLine } from './access-line.ts';
import type { LineSink } from './line-sink.ts';

export type AccessFormat = 'json' | 'combined';

/** The access log: one line a request into the process's sink. `readable` replaces `json` where a person looks on. */
export class LineAccessLog implements AccessLog {
  readonly #sink: LineSink;
  readonly #line: AccessLine;

  constructor(sink: LineSink, format: AccessFormat, readable: boolean) {
    this.#sink = sink;
    this.#line = format === 'combined' ? combinedAccessLine : readable ? readableAccessLine : jsonAccessLine;
  }

  write(record: ExchangeRecord): void {
    this.#sink.write(this.#line(record));
  }
}
