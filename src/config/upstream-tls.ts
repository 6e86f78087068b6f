import { type Parsed, parseEndpointUrl } from './addresses.ts';
import { reasonOf } from './interpolate.ts';
import type { ConfigPath, Finding } from './issue.ts';
import { type CertificateFacts, dateWarning, pairProblem, readAuthorities } from './pem.ts';
import type { Config } from './schema.ts';

type Upstream = Config['upstreams'][string];
type Tls = NonNullable<Upstream['tls']>;
type Field = 'ca' | 'cert' | 'key';

/** Contents of the files that a configuration names, by the path as written. */
export type ConfigTexts = Readonly<Record<string, string>>;

export interface UpstreamFiles {
  readonly texts: ConfigTexts;
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** Reads the files of `upstreams.*.tls` and looks at what is in them. The texts that were judged are those that are used. */
export function readUpstreamFiles(config: Config, readFile: (path: string) => string): UpstreamFiles {
  const files: Sink = { texts: {}, errors: [], warnings: [] };
  for (const [name, { tls }] of Object.entries(config.upstreams)) {
    if (tls !== undefined) new TlsFiles(tls, ['upstreams', name, 'tls'], files, readFile).judge();
  }
  return files;
}

type Sink = { readonly texts: Record<string, string>; readonly errors: Finding[]; readonly warnings: Finding[] };

class TlsFiles {
  readonly #tls: Tls;
  readonly #path: ConfigPath;
  readonly #sink: Sink;
  readonly #readFile: (path: string) => string;

  constructor(tls: Tls, path: ConfigPath, sink: Sink, readFile: (path: string) => string) {
    this.#tls = tls;
    this.#path = path;
    this.#sink = sink;
    this.#readFile = readFile;
  }

  judge(): void {
    const ca = this.#read('ca');
    const cert = this.#read('cert');
    const key = this.#read('key');
    if (ca !== undefined) this.#facts('ca', readAuthorities(ca));
    if (cert === undefined || key === undefined) return;
    const problem = pairProblem(cert, key);
    if (problem !== undefined) this.#error(problem.part, `${this.#tls[problem.part]} ${problem.message}`);
    else this.#facts('cert', readAuthorities(cert));
  }

  #read(field: Field): string | undefined {
    const file = this.#tls[field];
    if (file === undefined) return undefined;
    try {
      const text = this.#readFile(file);
      this.#sink.texts[file] = text;
      return text;
    } catch (error) {
      this.#error(field, `cannot read ${file}: ${reasonOf(error)}`);
      return undefined;
    }
  }

  #facts(field: Field, facts: Parsed<readonly CertificateFacts[]>): void {
    if (!facts.ok) {
      this.#error(field, `${this.#tls[field]} ${facts.problem}`);
      return;
    }
    const warning = facts.value.map((one) => dateWarning(one, Date.now())).find((text) => text !== undefined);
    if (warning === undefined) return;
    this.#sink.warnings.push({ path: [...this.#path, field], message: `${this.#tls[field]} ${warning}` });
  }

  #error(field: Field, message: string): void {
    this.#sink.errors.push({ path: [...this.#path, field], message });
  }
}

/** What is allowed and most likely not meant. */
export function lintUpstreamTls(config: Config): Finding[] {
  return Object.entries(config.upstreams).flatMap(([name, upstream]): Finding[] => {
    const path: ConfigPath = ['upstreams', name];
    const secure = upstream.endpoints.map(isSecureEndpoint);
    const findings: Finding[] = [];
    if (upstream.tls?.verify === false) {
      const message =
        'anybody on the way to the endpoints can read and change everything: name their authority in "ca" instead';
      findings.push({ path: [...path, 'tls', 'verify'], message });
    }
    if (upstream.tls !== undefined && !secure.includes(true)) {
      findings.push({ path: [...path, 'tls'], message: 'no endpoint of this upstream is https', isField: true });
    }
    if (secure.includes(true) && secure.includes(false)) {
      const at = secure.indexOf(false);
      const message = 'others of this upstream are https, this one is not: a part of the requests travels in clear';
      findings.push({ path: [...path, 'endpoints', at], message });
    }
    return findings;
  });
}

export function isSecureEndpoint(endpoint: Upstream['endpoints'][number]): boolean {
  const parsed = parseEndpointUrl(typeof endpoint === 'string' ? endpoint : endpoint.url);
  return parsed.ok && parsed.value.isSecure;
}
