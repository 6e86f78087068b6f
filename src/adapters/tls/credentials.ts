import { readFileSync } from 'node:fs';
import { reasonOf } from '../../config/interpolate.ts';
import { type CertificateFacts, pairProblem, readAuthorities, readCertificate } from '../../config/pem.ts';
import type { CertificateFiles, ListenerTlsModel } from '../../config/snapshot.ts';
import type { Credential } from './served-names.ts';

/** The files of a listener's certificates cannot be used; the message is one line for people. */
class CertificateError extends Error {}

/** What came of looking at the files again. */
export interface Refreshed {
  /** Labels of what is now taken from new files. */
  readonly swapped: readonly string[];
  /** What was found and not taken, each once: one line for people. */
  readonly refused: readonly string[];
}

/** A file, or a pair of them, of which the last good content is in use. */
interface Source<Content> {
  readonly label: string;
  readonly read: () => Content;
  content: Content;
  /** What was wrong when it was last looked at. */
  problem: string | undefined;
}

/** The certificates of one listener as they stand in their files. */
export class Credentials {
  private readonly pairs: readonly Source<Credential>[];
  private readonly authorities: Source<string> | undefined;

  /** Throws a CertificateError. */
  constructor(tls: ListenerTlsModel) {
    this.pairs = tls.certificates.map((files) => sourceOf(files.label, () => readPair(files)));
    const { caFile } = tls;
    this.authorities = caFile === undefined ? undefined : sourceOf(caFile, () => readCa(caFile));
  }

  get credentials(): readonly Credential[] {
    return this.pairs.map(({ content }) => content);
  }

  /** PEM text of the authorities of client certificates. */
  get ca(): string | undefined {
    return this.authorities?.content;
  }

  get facts(): readonly { readonly label: string; readonly facts: CertificateFacts }[] {
    return this.pairs.map(({ label, content }) => ({ label, facts: content.facts }));
  }

  /** Looks at the files again: what is new and good is taken, in the place of what is not the old stays. */
  refresh(): Refreshed {
    const swapped: string[] = [];
    const refused: string[] = [];
    const look = <Content>(source: Source<Content>, isSame: (a: Content, b: Content) => boolean): void => {
      const known = source.problem;
      const found = tried(source);
      if (found !== undefined && !isSame(found, source.content)) {
        source.content = found;
        swapped.push(source.label);
      }
      if (source.problem !== undefined && source.problem !== known) refused.push(source.problem);
    };
    for (const pair of this.pairs) look(pair, (a, b) => a.cert === b.cert && a.key === b.key);
    if (this.authorities !== undefined) look(this.authorities, (a, b) => a === b);
    return { swapped, refused };
  }
}

function sourceOf<Content>(label: string, read: () => Content): Source<Content> {
  return { label, read, content: read(), problem: undefined };
}

function tried<Content>(source: Source<Content>): Content | undefined {
  source.problem = undefined;
  try {
    return source.read();
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    source.problem = error.message;
    return undefined;
  }
}

function readPair({ certFile, keyFile }: CertificateFiles): Credential {
  const cert = contentOf(certFile);
  const key = contentOf(keyFile);
  const problem = pairProblem(cert, key);
  if (problem !== undefined) {
    throw new CertificateError(`${problem.part === 'cert' ? certFile : keyFile} ${problem.message}`);
  }
  const facts = readCertificate(cert);
  if (!facts.ok) throw new CertificateError(`${certFile} ${facts.problem}`);
  return { cert, key, facts: facts.value };
}

function readCa(file: string): string {
  const ca = contentOf(file);
  const facts = readAuthorities(ca);
  if (!facts.ok) throw new CertificateError(`${file} ${facts.problem}`);
  return ca;
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CertificateError(`cannot read ${file}: ${reasonOf(error)}`);
  }
}
