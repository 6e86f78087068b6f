import type { CertificateFacts } from '../../config/pem.ts';

/** A certificate with its key, as PEM texts, and what is known of it. */
export interface Credential {
  readonly cert: string;
  readonly key: string;
  readonly facts: CertificateFacts;
}

/** The certificates of a listener, by the name that a client asks for (SNI, RFC 6066 §3). */
export class ServedNames {
  /** For clients that ask for no name, or for none that is here: the first, and one of another kind of key with its name. */
  readonly fallback: readonly Credential[];
  private readonly byName = new Map<string, Credential[]>();

  /** `credentials`: at least one; the first is the default. */
  constructor(credentials: readonly Credential[]) {
    for (const credential of credentials) {
      for (const name of credential.facts.names) this.claim(name, credential);
    }
    const [first] = credentials as readonly [Credential];
    this.fallback = this.byName.get(first.facts.names[0] ?? '') ?? [first];
  }

  /** All sets of certificates that may be picked. */
  get all(): ReadonlySet<readonly Credential[]> {
    return new Set([this.fallback, ...this.byName.values()]);
  }

  /** Exact before wildcard, which stands for one label (RFC 6125 §6.4.3), before the default. */
  pick(serverName: string): readonly Credential[] {
    const name = serverName.toLowerCase();
    const dot = name.indexOf('.');
    const wildcard = dot < 0 ? undefined : this.byName.get(`*${name.slice(dot)}`);
    return this.byName.get(name) ?? wildcard ?? this.fallback;
  }

  /** A name has one certificate of each kind of key: the first in the file. */
  private claim(name: string, credential: Credential): void {
    const served = this.byName.get(name) ?? [];
    this.byName.set(name, served);
    if (!served.some(({ facts }) => facts.keyType === credential.facts.keyType)) served.push(credential);
  }
}
