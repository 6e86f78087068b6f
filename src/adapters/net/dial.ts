import { isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../../core/clock.ts';
import { type TimerWheel, WheelTimer } from '../../core/timer-wheel.ts';
import { GatewayError } from '../../errors.ts';
import type { AddressOrder } from '../../upstream/address-order.ts';
import type { ChannelOwner, UpstreamChannel } from '../../upstream/channel.ts';
import type { EndpointAddress } from '../../upstream/endpoint-address.ts';
import type { NameCache, NameWaiter } from '../../upstream/name-cache.ts';
import { STOOD_STILL_MS } from '../../upstream/pool.ts';
import type { ConnectTrouble, TriedAddress } from './connect-trouble.ts';
import { UpstreamConnection } from './upstream-connection.ts';

export interface DialDeps {
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly names: NameCache;
  readonly order: AddressOrder;
  readonly trouble: ConnectTrouble;
  /** Connections that stand, by the name they were dialled by: those to an address that the name loses are retired. */
  readonly standing: Map<string, Set<Dial>>;
}

/** The next address is tried after so long without a connection (RFC 8305 §5), or when the one before failed. */
const NEXT_ADDRESS_MS = 250;

const TOO_SLOW = {
  name: 'The name of the endpoint was not resolved in time.',
  connect: 'The endpoint did not accept a connection in time.',
  handshake: 'The endpoint did not complete the TLS handshake in time.',
} as const;

/**
 * One connect to an endpoint: finds the addresses of its name, tries them in turn (RFC 8305) and keeps the first connection that
 * is made. The timeout covers all of it: name, connects, handshakes. The owner hears of the outcome later, never at once.
 */
export class Dial implements NameWaiter {
  /** The address of a name that the connection goes to; '' before, and where there is no name. */
  reached = '';
  private readonly target: EndpointAddress;
  private readonly owner: ChannelOwner;
  private readonly deps: DialDeps;
  private readonly timer = new WheelTimer(() => this.tooSlow());
  private readonly nextTimer = new WheelTimer(() => this.tryNext());
  private addresses: readonly string[] = [];
  private at = 0;
  private deadlineMs = 0;
  private readonly trying = new Map<string, UpstreamConnection>();
  private readonly tried: TriedAddress[] = [];
  private error: GatewayError | undefined = undefined;
  private starting = true;
  private decided = false;
  private winner: UpstreamChannel | undefined = undefined;

  constructor(target: EndpointAddress, connectTimeoutMs: number, owner: ChannelOwner, deps: DialDeps) {
    this.target = target;
    this.owner = owner;
    this.deps = deps;
    this.waitFor(connectTimeoutMs);
    if (target.kind === 'unix') this.connect(target.path, target);
    else if (isIP(target.host) !== 0) this.connect(target.host, target);
    else deps.names.find(target.host, this);
    this.starting = false;
  }

  // The name.

  onAddresses(addresses: readonly string[]): void {
    const { clock, order } = this.deps;
    this.addresses = order.next(this.host, addresses, clock.nowMs());
    this.tryNext();
  }

  onNoAddress(why: string): void {
    this.fail(new GatewayError('name-failed', 'upstream', `The name of the endpoint does not resolve (${why}).`, why));
  }

  private get host(): string {
    return this.target.kind === 'unix' ? '' : this.target.host;
  }

  // Its addresses.

  private tryNext(): void {
    const address = this.addresses[this.at];
    if (this.decided || address === undefined || this.target.kind === 'unix') return;
    this.at++;
    if (this.at < this.addresses.length) {
      this.deps.wheel.arm(this.nextTimer, this.deps.clock.nowMs() + NEXT_ADDRESS_MS);
    }
    this.connect(address, { ...this.target, host: address });
  }

  private connect(address: string, target: EndpointAddress): void {
    const { owner } = this;
    const connection = new UpstreamConnection(target, {
      onConnected: (channel) => this.made(address, channel),
      onConnectFailed: (error) => this.missed(address, error),
      onIdle: (channel, hintMs) => owner.onIdle(channel, hintMs),
      onStale: (channel) => owner.onStale(channel),
      onClosed: (channel) => this.closed(channel),
    });
    this.trying.set(address, connection);
  }

  private made(address: string, channel: UpstreamChannel): void {
    this.trying.delete(address);
    this.winner = channel;
    this.decide();
    if (this.addresses.length > 0) this.stand(address);
    this.owner.onConnected(channel, this.target);
    // The name lost the address while it was being connected to.
    if (this.addresses.length > 0 && !this.deps.names.has(this.host, address)) this.retire();
  }

  private missed(address: string, error: GatewayError): void {
    this.trying.delete(address);
    const verdict = isMissingFamily(error, address) ? unreachable(error.cause) : error;
    this.tried.push({ address, error: String(verdict.cause) });
    // What is wrong with an endpoint tells more than what the gateway lacks.
    if (this.error === undefined || verdict.source === 'upstream') this.error = verdict;
    if (this.at < this.addresses.length) this.tryNext();
    else if (this.trying.size === 0) this.fail(this.error);
  }

  private waitFor(ms: number): void {
    this.deadlineMs = this.deps.clock.nowMs() + ms;
    this.deps.wheel.arm(this.timer, this.deadlineMs);
  }

  private tooSlow(): void {
    const lateMs = this.deps.clock.nowMs() - this.deadlineMs;
    // The gateway stood still: what came meanwhile may be one step of several.
    if (lateMs >= STOOD_STILL_MS) {
      this.waitFor(lateMs);
      return;
    }
    const phase = this.trying.values().next().value?.phase ?? 'name';
    if (phase === 'name') this.deps.names.withdraw(this.host, this);
    for (const address of this.trying.keys()) this.tried.push({ address, error: 'timeout' });
    this.fail(new GatewayError('connect-timeout', 'upstream', TOO_SLOW[phase]));
  }

  // The outcome.

  private decide(): void {
    this.decided = true;
    this.deps.wheel.remove(this.timer);
    this.deps.wheel.remove(this.nextTimer);
    for (const connection of this.trying.values()) connection.giveUp();
    this.trying.clear();
  }

  private fail(error: GatewayError): void {
    if (this.starting) {
      queueMicrotask(() => this.fail(error));
      return;
    }
    if (this.decided) return;
    this.decide();
    this.tell(error);
    this.owner.onConnectFailed(this.tried.length > 1 ? ofAll(error, this.tried) : error);
  }

  private tell(error: GatewayError): void {
    const { names, trouble } = this.deps;
    if (error.source === 'gateway') trouble.local(error);
    else if (this.addresses.length > 0 && this.target.kind === 'tcp') {
      trouble.endpoint(`${this.host}:${this.target.port}`, error, this.tried);
      // Perhaps it moved.
      names.suspect(this.host);
    }
  }

  // The connection that stands.

  private stand(address: string): void {
    const { order, clock, standing } = this.deps;
    this.reached = address;
    order.won(this.host, address, this.addresses[0] as string, clock.nowMs());
    const others = standing.get(this.host);
    if (others === undefined) standing.set(this.host, new Set([this]));
    else others.add(this);
  }

  private closed(channel: UpstreamChannel): void {
    if (channel !== this.winner) return;
    this.winner = undefined;
    const others = this.deps.standing.get(this.host);
    if (others?.delete(this) === true && others.size === 0) this.deps.standing.delete(this.host);
    this.owner.onClosed(channel);
  }

  /** The endpoint has lost the address: the connection carries what it carries, and nothing new. */
  retire(): void {
    if (this.winner !== undefined) this.owner.onStale(this.winner);
  }
}

/** A machine without IPv6 says of every IPv6 address what it says when its ports have run out. */
function isMissingFamily(error: GatewayError, address: string): boolean {
  if (error.cause !== 'EADDRNOTAVAIL' || !isIPv6(address)) return false;
  return !Object.values(networkInterfaces()).some((all) => all?.some(({ family }) => family === 'IPv6'));
}

function unreachable(code: unknown): GatewayError {
  return new GatewayError(
    'connect-failed',
    'upstream',
    'No connection to the endpoint (this machine has no IPv6).',
    code,
  );
}

/** The addresses themselves are for the event log: a client sees this. */
function ofAll(error: GatewayError, tried: readonly TriedAddress[]): GatewayError {
  const outcomes = [...new Set(tried.map((one) => one.error))].join(', ');
  const detail = `${error.detail} It has ${tried.length} addresses; tried: ${outcomes}.`;
  return new GatewayError(error.kind, error.source, detail, error.cause);
}
