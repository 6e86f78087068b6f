import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { Waiters } from './wait.ts';

export type RecordType = 'A' | 'AAAA';

/** What is answered to a question: addresses, that there are none, a failure, or nothing at all. */
export type DnsAnswer =
  | { readonly addresses: readonly string[]; readonly ttlS: number }
  | 'NODATA'
  | 'NXDOMAIN'
  | 'SERVFAIL'
  | 'drop';

const TYPES: Readonly<Record<number, RecordType>> = { 1: 'A', 28: 'AAAA' };
const CODES = { NODATA: 0, NXDOMAIN: 3, SERVFAIL: 2 } as const;

/** A name server over UDP (RFC 1035) for names that a test sets; others do not exist. */
export class DnsServer {
  /** Questions in the order they came: `A one.test`. */
  readonly questions: string[] = [];
  readonly #socket: Socket = createSocket('udp4');
  readonly #answers = new Map<string, DnsAnswer>();
  readonly #waiters = new Waiters();

  static async start(): Promise<DnsServer> {
    const server = new DnsServer();
    server.#socket.on('message', (message, from) => server.#asked(message, from));
    server.#socket.bind(0, '127.0.0.1');
    await once(server.#socket, 'listening');
    return server;
  }

  /** As a resolver takes it. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  /** Without an answer for a type that name has no such records. */
  set(name: string, answers: Partial<Record<RecordType, DnsAnswer>>): void {
    for (const type of ['A', 'AAAA'] as const) this.#answers.set(`${type} ${name}`, answers[type] ?? 'NODATA');
  }

  until<T>(what: string, probe: () => T | undefined): Promise<T> {
    return this.#waiters.until(what, probe);
  }

  async stop(): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #asked(message: Buffer, from: RemoteInfo): void {
    const { name, type, end } = readQuestion(message);
    const question = `${TYPES[type] ?? type} ${name}`;
    this.questions.push(question);
    this.#waiters.changed();
    const answer = this.#answers.get(question) ?? 'NXDOMAIN';
    if (answer !== 'drop') this.#socket.send(response(message.subarray(0, end), answer), from.port, from.address);
  }
}

function readQuestion(message: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  while (message[at] !== 0) {
    const length = message[at] as number;
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
}

/** `asked`: the header and the question, which the answer repeats. */
function response(asked: Buffer, answer: Exclude<DnsAnswer, 'drop'>): Buffer {
  const header = Buffer.from(asked);
  const isFound = typeof answer === 'object';
  header.writeUInt16BE(0x8180 | (isFound ? 0 : CODES[answer]), 2);
  header.writeUInt16BE(isFound ? answer.addresses.length : 0, 6);
  header.fill(0, 8, 12);
  return Buffer.concat([header, ...(isFound ? answer.addresses.map((one) => record(one, answer.ttlS)) : [])]);
}

function record(address: string, ttlS: number): Buffer {
  const octets = isIPv6(address) ? ipv6Octets(address) : address.split('.').map(Number);
  const head = Buffer.alloc(12);
  // The name: a pointer to the question.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(isIPv6(address) ? 28 : 1, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttlS, 6);
  head.writeUInt16BE(octets.length, 10);
  return Buffer.concat([head, Buffer.from(octets)]);
}

function ipv6Octets(address: string): number[] {
  const [head, tail] = address.split('::') as [string, string | undefined];
  const groupsOf = (text: string | undefined): number[] =>
    (text ?? '') === '' ? [] : text!.split(':').map((group) => Number.parseInt(group, 16));
  const [first, last] = [groupsOf(head), groupsOf(tail)];
  const zeros = new Array<number>(8 - first.length - last.length).fill(0);
  return [...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 255]);
}
