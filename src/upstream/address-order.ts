/** A family that lost against the other is tried second for so long (RFC 8305 §9.1 lets a client remember). */
const REMEMBERED_MS = 60_000;

interface Memory {
  /** Counts the orders given: the next begins one address further on. */
  turn: number;
  /** The family that won where the other had been first, and until when it goes first. */
  ipv4FirstUntilMs: number;
}

/**
 * In which order the addresses of a name are tried (RFC 8305 §4): families in turn, IPv6 first, each rotated by one with
 * every order, so that the connections of an endpoint are spread over all its addresses.
 */
export class AddressOrder {
  readonly #memory = new Map<string, Memory>();

  next(name: string, addresses: readonly string[], nowMs: number): readonly string[] {
    if (addresses.length < 2) return addresses;
    const memory = this.#of(name);
    const turn = memory.turn++;
    const ipv6 = rotated(addresses.filter(isIpv6), turn);
    const ipv4 = rotated(
      addresses.filter((address) => !isIpv6(address)),
      turn,
    );
    return nowMs < memory.ipv4FirstUntilMs ? inTurn(ipv4, ipv6) : inTurn(ipv6, ipv4);
  }

  /** A connection was made to `address`; `first` is where the order began. */
  won(name: string, address: string, first: string, nowMs: number): void {
    if (isIpv6(address) === isIpv6(first)) return;
    this.#of(name).ipv4FirstUntilMs = isIpv6(address) ? 0 : nowMs + REMEMBERED_MS;
  }

  #of(name: string): Memory {
    let memory = this.#memory.get(name);
    if (memory === undefined) {
      memory = { turn: 0, ipv4FirstUntilMs: 0 };
      this.#memory.set(name, memory);
    }
    return memory;
  }
}

function isIpv6(address: string): boolean {
  return address.includes(':');
}

function rotated(list: readonly string[], by: number): readonly string[] {
  const at = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

function inTurn(first: readonly string[], second: readonly string[]): string[] {
  const all: string[] = [];
  for (let at = 0; at < Math.max(first.length, second.length); at++) {
    for (const list of [first, second]) if (at < list.length) all.push(list[at] as string);
  }
  return all;
}
