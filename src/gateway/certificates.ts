import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { watchContent } from '../adapters/file/watch-content.ts';
import { Credentials } from '../adapters/tls/credentials.ts';
import { TlsTerminator } from '../adapters/tls/terminator.ts';
import { dateWarning } from '../config/pem.ts';
import type { ListenerModel, SnapshotModel } from '../config/snapshot.ts';
import type { Cancel, ClockAndTimers, Log, Metrics } from '../ports.ts';
import { StartError } from './errors.ts';

/** A watch can miss a change: a folder that is replaced, a file system of the network. So the files are also read so often. */
const READ_EVERY_MS = 60_000;
const WARN_EVERY_MS = 24 * 3_600_000;
const TICKET_KEY_BYTES = 48;

/** TLS of one listener. */
interface Terminated {
  readonly listener: ListenerModel;
  readonly credentials: Credentials;
  readonly terminator: TlsTerminator;
}

/** TLS of a configuration that is not in force yet. */
export type PreparedTls = readonly Terminated[];

export interface CertificatesDeps {
  readonly clock: ClockAndTimers;
  readonly log: Log;
  readonly metrics: Metrics;
  /** 48 octets, the same for processes that shall resume each other's TLS sessions; default: of this process alone. */
  readonly ticketKeys: Buffer | undefined;
}

/** The certificates of all listeners: read, watched, swapped when they change, and warned about before they end. */
export class Certificates {
  private readonly deps: CertificatesDeps;
  private readonly ticketKeys: Buffer;
  private inUse: PreparedTls = [];
  private watches: Cancel[] = [];
  private warnedMs = Number.NEGATIVE_INFINITY;

  constructor(deps: CertificatesDeps) {
    this.deps = deps;
    this.ticketKeys = deps.ticketKeys ?? randomBytes(TICKET_KEY_BYTES);
  }

  /** Reads what a configuration names. Throws a StartError and changes nothing. */
  prepare({ listeners }: SnapshotModel): PreparedTls {
    try {
      return listeners.flatMap((listener): Terminated[] => {
        if (listener.tls === undefined) return [];
        const credentials = new Credentials(listener.tls);
        const terminator = new TlsTerminator(listener.tls, credentials, this.ticketKeys);
        return [{ listener, credentials, terminator }];
      });
    } catch (error) {
      // Read moments ago without a fault, so that this is rare: a file that has just changed.
      throw new StartError(`TLS cannot be set up: ${(error as Error).message}`);
    }
  }

  /** Puts it in force, in the place of what was; the listeners get theirs by `of`. */
  use(prepared: PreparedTls): void {
    this.stop();
    this.inUse = prepared;
    this.tellExpiries();
    if (prepared.length === 0) return;
    // Loading the configuration has warned already.
    this.warnedMs = this.deps.clock.nowMs();
    for (const one of prepared) for (const file of filesOf(one.listener)) this.watch(file, one);
    this.readAgainLater();
  }

  /** What takes TLS off the connections of a listener. */
  of(listener: ListenerModel): TlsTerminator | undefined {
    return this.inUse.find((one) => one.listener === listener)?.terminator;
  }

  stop(): void {
    for (const cancel of this.watches) cancel();
    this.watches = [];
  }

  private watch(file: string, one: Terminated): void {
    const { clock, log } = this.deps;
    const onError = (error: Error): void =>
      log.warn(`${dirname(file)} is not watched: a change is seen within a minute`, { error: error.message });
    try {
      this.watches.push(watchContent(file, clock, () => this.refresh(one), onError));
    } catch (error) {
      onError(error as Error);
    }
  }

  private readAgainLater(): void {
    const { clock } = this.deps;
    let cancel: Cancel = () => {};
    const round = (): void => {
      for (const one of this.inUse) this.refresh(one);
      this.warnOfExpiry();
      cancel = clock.after(READ_EVERY_MS, round);
    };
    cancel = clock.after(READ_EVERY_MS, round);
    this.watches.push(() => cancel());
  }

  private refresh({ listener, credentials, terminator }: Terminated): void {
    const { log, metrics } = this.deps;
    const { swapped, refused } = credentials.refresh();
    const place = { listener: listener.label };
    for (const problem of refused) {
      metrics.certificatesReloaded('failure');
      log.error('certificate refused, the one before stays in use', { ...place, problem });
    }
    if (swapped.length === 0 || !this.swap(terminator, credentials, place)) return;
    for (const certificate of swapped) {
      metrics.certificatesReloaded('success');
      log.info('certificate swapped', { ...place, certificate });
    }
    this.tellExpiries();
    this.warn(listener, credentials, swapped);
  }

  /** OpenSSL may find fault with what looks good: then the handshakes go on as before. */
  private swap(terminator: TlsTerminator, credentials: Credentials, place: { listener: string }): boolean {
    try {
      terminator.use(credentials);
      return true;
    } catch (error) {
      this.deps.metrics.certificatesReloaded('failure');
      this.deps.log.error('certificates refused, those before stay in use', { ...place, problem: String(error) });
      return false;
    }
  }

  private warnOfExpiry(): void {
    const nowMs = this.deps.clock.nowMs();
    if (nowMs - this.warnedMs < WARN_EVERY_MS) return;
    this.warnedMs = nowMs;
    for (const { listener, credentials } of this.inUse) this.warn(listener, credentials);
  }

  private warn(listener: ListenerModel, credentials: Credentials, among?: readonly string[]): void {
    const nowMs = this.deps.clock.wallUs() / 1000;
    for (const { label, facts } of credentials.facts) {
      const warning = dateWarning(facts, nowMs);
      if (warning === undefined || among?.includes(label) === false) continue;
      this.deps.log.warn(`certificate ${warning}`, { listener: listener.label, certificate: label });
    }
  }

  private tellExpiries(): void {
    this.deps.metrics.certificates(
      this.inUse.flatMap(({ listener, credentials }) =>
        credentials.facts.map(({ label, facts }) => ({
          listener: listener.label,
          certificate: label,
          expiresS: facts.validToMs / 1000,
        })),
      ),
    );
  }
}

function filesOf({ tls }: ListenerModel): string[] {
  if (tls === undefined) return [];
  const pairs = tls.certificates.flatMap(({ certFile, keyFile }) => [certFile, keyFile]);
  return tls.caFile === undefined ? pairs : [...pairs, tls.caFile];
}
