import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CertificateOptions {
  /** Common name, and the names of the files: `<name>.crt`, `<name>.key`. */
  readonly name: string;
  /** Subject alternative names: `a.test`, `*.a.test`, an IP address. Default: `name`. */
  readonly san?: readonly string[];
  /** Who signs; default: an authority of this folder, made when first needed. */
  readonly ca?: Authority;
  /** How long it is valid from now on; -1: it expired a day ago. Default 30. */
  readonly days?: number;
  readonly keyType?: 'ecdsa' | 'rsa';
}

export interface Authority {
  readonly caFile: string;
  readonly caKeyFile: string;
}

export interface Certificates extends Authority {
  readonly certFile: string;
  readonly keyFile: string;
  /** Contents of the files. */
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Makes a certificate of a server or a client in `dir` with the `openssl` of this machine; an older one of the same name is replaced. */
export function makeCertificates(dir: string, options: CertificateOptions): Certificates {
  const { name, san = [name], days = 30, keyType = 'ecdsa' } = options;
  const authority = options.ca ?? makeAuthority(dir);
  const [certFile, keyFile, requestFile] = ['crt', 'key', 'csr'].map((end) => join(dir, `${name}.${end}`)) as Three;
  const extensions = join(dir, `${name}.ext`);
  writeFileSync(extensions, `subjectAltName=${san.map(generalName).join(',')}\nbasicConstraints=CA:FALSE\n`);
  openssl(['req', '-new', ...newKey(keyType), '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', requestFile]);
  const signer = ['-CA', authority.caFile, '-CAkey', authority.caKeyFile, '-set_serial', String(serial())];
  openssl([
    'x509',
    '-req',
    '-in',
    requestFile,
    ...signer,
    '-days',
    String(days),
    '-extfile',
    extensions,
    '-out',
    certFile,
  ]);
  for (const file of [requestFile, extensions]) rmSync(file);
  return { ...authority, certFile, keyFile, cert: text(certFile), key: text(keyFile), ca: text(authority.caFile) };
}

/** An authority of its own in `dir`, or the one that is there under this name. */
export function makeAuthority(dir: string, name = 'ca'): Authority {
  const authority = { caFile: join(dir, `${name}.crt`), caKeyFile: join(dir, `${name}.key`) };
  if (existsSync(authority.caFile)) return authority;
  mkdirSync(dir, { recursive: true });
  const uses = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
  openssl([
    ...['req', '-x509', ...newKey('ecdsa'), '-subj', `/CN=${name} of a test`, '-days', '30'],
    ...uses.flatMap((extension) => ['-addext', extension]),
    ...['-keyout', authority.caKeyFile, '-out', authority.caFile],
  ]);
  return authority;
}

type Three = [string, string, string];

function newKey(type: 'ecdsa' | 'rsa'): string[] {
  return type === 'rsa'
    ? ['-nodes', '-newkey', 'rsa:2048']
    : ['-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
}

function generalName(name: string): string {
  return `${/^[\d.]+$|:/.test(name) ? 'IP' : 'DNS'}:${name}`;
}

let made = 0;

/** Another for each certificate, also of processes that share an authority. */
function serial(): number {
  return process.pid * 10_000 + ++made;
}

function text(file: string): string {
  return readFileSync(file, 'utf8');
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
}
