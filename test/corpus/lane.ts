import { get, RawClient } from '../kit/http-client.ts';
import type { RawOrigin } from '../kit/raw-origin.ts';
import type { CorpusCase } from './corpus-case.ts';
import { judge, type Observation } from './verdict.ts';

/** How the bytes of a case are put on the wire. */
export type Sender = (client: RawClient, raw: string) => Promise<void> | void;

/** Longer than any answer takes that comes without a timeout of the gateway's. */
const PATIENCE_MS = 4000;

/**
 * Runs cases one after another through one gateway in front of one recording origin, so that whatever reaches the
 * origin belongs to the case that runs. It waits for events: the answers, then, after a half-close, for the end of the
 * connection, so nothing of the case is still to come when it is judged.
 */
export class Lane {
  readonly port: number;
  readonly origin: RawOrigin;
  #nonce = 0;

  constructor(port: number, origin: RawOrigin) {
    this.port = port;
    this.origin = origin;
  }

  /** What is wrong with the outcome. */
  async run(expected: CorpusCase, send: Sender): Promise<string[]> {
    const { seen, poisoned } = await this.observe(expected, send);
    return [...judge(expected, seen), ...poisoned];
  }

  async observe(expected: CorpusCase, send: Sender): Promise<{ seen: Observation; poisoned: string[] }> {
    const before = this.origin.heads.length;
    const badBefore = this.#malformed().length;
    const method = /^\S*/.exec(expected.raw)![0];
    const client = await RawClient.open(this.port, { methodOf: () => method });
    try {
      await send(client, expected.raw);
      const stuck = expected.eof === true || expected.may_wait === true ? false : !(await settles(client, expected));
      const closedFirst = client.ended || client.closed;
      client.halfClose();
      await client.untilEnded();
      const poisoned = await this.#clean();
      const forwarded = this.origin.heads.slice(before).filter(({ message }) => !message.target.startsWith('/clean/'));
      // A request that began and did not end was aborted, so its connection is gone.
      for (const { message, connection } of forwarded) {
        if (!message.complete) await this.origin.untilClosed(connection);
      }
      return {
        seen: { client, stuck, closedFirst, forwarded, malformed: this.#malformed().slice(badBefore) },
        poisoned,
      };
    } finally {
      client.destroy();
    }
  }

  /** Why the origin could not read what it got, in order of connection. */
  #malformed(): string[] {
    return this.origin.connections.flatMap(({ malformed }) => (malformed === undefined ? [] : [malformed.message]));
  }

  /** A clean request on a new connection gets its own answer. */
  async #clean(): Promise<string[]> {
    const target = `/clean/${this.#nonce++}`;
    const answer = await get(`http://127.0.0.1:${this.port}${target}`, { Host: 'gw.test' });
    if (answer.status === 200 && JSON.parse(answer.text()).target === target) return [];
    return [`the next request got another answer: ${answer.status} ${answer.text().slice(0, 200)}`];
  }
}

async function settles(client: RawClient, expected: CorpusCase): Promise<boolean> {
  const wanted = expected.expect === 'forward' ? (expected.n_forwarded ?? 1) : 1;
  const done = (): true | undefined => {
    if (client.ended || client.closed) return true;
    return expected.must_close !== true && client.responses.length >= wanted ? true : undefined;
  };
  try {
    await client.until('an answer', done, false, PATIENCE_MS);
    return true;
  } catch {
    return false;
  }
}
