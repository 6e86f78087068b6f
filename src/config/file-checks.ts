import { reasonOf } from './interpolate.ts';
import type { ConfigPath, Finding } from './issue.ts';
import { dateWarning, pairProblem, readAuthorities, readCertificate } from './pem.ts';
import type { Config } from './schema.ts';

/** What the files that a configuration names hold: errors and warnings, each at the field that names the file. */
export interface FileFindings {
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

type Tls = Exclude<Config['listeners'][number]['tls'], false>;

/** Reads the files of a valid configuration. `readText` throws where there is nothing to read. */
export function checkFiles(config: Config, readText: (path: string) => string, nowMs: number): FileFindings {
  const checks = new FileChecks(readText, nowMs);
  config.listeners.forEach(({ tls }, index) => {
    if (tls !== false) checks.listener(tls, ['listeners', index, 'tls']);
  });
  return checks;
}

class FileChecks implements FileFindings {
  readonly errors: Finding[] = [];
  readonly warnings: Finding[] = [];
  private readonly readText: (path: string) => string;
  private readonly nowMs: number;

  constructor(readText: (path: string) => string, nowMs: number) {
    this.readText = readText;
    this.nowMs = nowMs;
  }

  listener(tls: Tls, path: ConfigPath): void {
    const taken = new Set<string>();
    tls.certificates.forEach((pair, index) => {
      this.pair(pair, [...path, 'certificates', index], taken);
    });
    if (tls.ca !== undefined) this.authorities(tls.ca, [...path, 'ca']);
  }

  /** `taken`: the names, each with a kind of key, that the certificates before this one have. */
  private pair(files: Tls['certificates'][number], path: ConfigPath, taken: Set<string>): void {
    const cert = this.content(files.cert, [...path, 'cert']);
    const key = this.content(files.key, [...path, 'key']);
    if (cert === undefined || key === undefined) return;
    const problem = pairProblem(cert, key);
    if (problem !== undefined) {
      this.errors.push({ path: [...path, problem.part], message: `${files[problem.part]} ${problem.message}` });
      return;
    }
    const facts = readCertificate(cert);
    if (!facts.ok) return;
    const { names, keyType } = facts.value;
    const warning = dateWarning(facts.value, this.nowMs);
    if (warning !== undefined) this.warnings.push({ path: [...path, 'cert'], message: `${files.cert} ${warning}` });
    const claims = names.map((name) => `${keyType} ${name}`);
    if (taken.size > 0 && claims.every((claim) => taken.has(claim))) {
      const message = `${files.cert} is never served: certificates before it have its names and the same kind of key`;
      this.warnings.push({ path: [...path, 'cert'], message });
    }
    for (const claim of claims) taken.add(claim);
  }

  private authorities(file: string, path: ConfigPath): void {
    const content = this.content(file, path);
    if (content === undefined) return;
    const facts = readAuthorities(content);
    if (!facts.ok) {
      this.errors.push({ path, message: `${file} ${facts.problem}` });
      return;
    }
    const warning = facts.value.map((one) => dateWarning(one, this.nowMs)).find((text) => text !== undefined);
    if (warning !== undefined) this.warnings.push({ path, message: `${file} ${warning}` });
  }

  private content(file: string, path: ConfigPath): string | undefined {
    try {
      return this.readText(file);
    } catch (error) {
      this.errors.push({ path, message: `cannot read ${file}: ${reasonOf(error)}` });
      return undefined;
    }
  }
}
