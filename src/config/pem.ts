import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Parsed } from './addresses.ts';

/** What is known of a certificate. */
export interface CertificateFacts {
  /** Lower-case names it is for, `*.example.com` too (RFC 6125: the alternative names; the common name where there are none). */
  readonly names: readonly string[];
  /** `rsa`, `ec`, `ed25519`, … */
  readonly keyType: string;
  /** Wall-clock milliseconds. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** What is wrong with a certificate and its key, and in which of the two. */
export interface PairProblem {
  readonly part: 'cert' | 'key';
  readonly message: string;
}

const BLOCK = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
const DAY_MS = 86_400_000;
const SOON_DAYS = 14;

/** The first certificate of a PEM text: the one that is presented. */
export function readCertificate(text: string): Parsed<CertificateFacts> {
  const all = readAll(text);
  return all.ok ? { ok: true, value: factsOf(all.value[0]!) } : all;
}

/** All certificates of a PEM text, at least one. */
export function readAuthorities(text: string): Parsed<readonly CertificateFacts[]> {
  const all = readAll(text);
  return all.ok ? { ok: true, value: all.value.map(factsOf) } : all;
}

/** Why these two cannot be used together, with the remedy; undefined: they can. */
export function pairProblem(cert: string, key: string): PairProblem | undefined {
  const all = readAll(cert);
  if (!all.ok) return { part: 'cert', message: all.problem };
  const privateKey = readKey(key);
  if (!privateKey.ok) return { part: 'key', message: privateKey.problem };
  const owner = all.value.findIndex((certificate) => certificate.checkPrivateKey(privateKey.value));
  if (owner < 0) {
    return { part: 'key', message: 'does not belong to the certificate beside it: name the key that it was made with' };
  }
  if (owner > 0) {
    return {
      part: 'cert',
      message: 'begins with another certificate than that of the key: its intermediates go behind it',
    };
  }
  try {
    // What OpenSSL itself refuses: keys that are too short, signatures that are too weak.
    createSecureContext({ cert, key, ca: [] });
    return undefined;
  } catch (error) {
    return { part: 'cert', message: `cannot be used: ${reasonOf(error)}` };
  }
}

/** What is doubtful about the dates of a certificate. */
export function dateWarning({ validFromMs, validToMs }: CertificateFacts, nowMs: number): string | undefined {
  if (validToMs < nowMs) return `expired on ${dayOf(validToMs)}`;
  if (validFromMs > nowMs) return `is not valid before ${dayOf(validFromMs)}`;
  const days = Math.floor((validToMs - nowMs) / DAY_MS);
  if (days >= SOON_DAYS) return undefined;
  return `expires on ${dayOf(validToMs)}, ${days === 0 ? 'within a day' : days === 1 ? 'in a day' : `in ${days} days`}`;
}

function readAll(text: string): Parsed<readonly X509Certificate[]> {
  const blocks = text.match(BLOCK) ?? [];
  if (blocks.length === 0) return bad(noCertificate(text));
  const all: X509Certificate[] = [];
  for (const block of blocks) {
    try {
      all.push(new X509Certificate(block));
    } catch {
      return bad(`holds a certificate that cannot be read, no. ${all.length + 1}`);
    }
  }
  return { ok: true, value: all };
}

function noCertificate(text: string): string {
  if (PRIVATE_KEY.test(text)) return 'holds a private key and no certificate: are the two swapped?';
  const remedy = '"openssl x509 -inform der -in FILE" converts others';
  return `holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----"); ${remedy}`;
}

function readKey(text: string): Parsed<KeyObject> {
  if (/-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(text)) {
    return bad('is encrypted; "openssl pkey -in FILE -out FILE" writes a key without its password');
  }
  if (!PRIVATE_KEY.test(text)) {
    if (text.search(BLOCK) >= 0) return bad('holds a certificate and no private key: are the two swapped?');
    return bad('holds no private key in PEM form ("-----BEGIN PRIVATE KEY-----")');
  }
  try {
    return { ok: true, value: createPrivateKey(text) };
  } catch {
    return bad('holds a private key that cannot be read');
  }
}

function bad(problem: string): { ok: false; problem: string } {
  return { ok: false, problem };
}

/** OpenSSL's own words, without the place in its source: `…:SSL routines:SSL_CTX_use_certificate:ee key too small:…`. */
function reasonOf(error: unknown): string {
  const { message, reason } = error as Error & { reason?: string };
  return reason ?? message;
}

function factsOf(certificate: X509Certificate): CertificateFacts {
  const { subjectAltName, subject, validFrom, validTo } = certificate;
  const names = Array.from((subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g), ([, name]) => name!.toLowerCase());
  const common = /^CN=(.+)$/m.exec(subject ?? '')?.[1];
  return {
    names: names.length > 0 || subjectAltName !== undefined || common === undefined ? names : [common.toLowerCase()],
    keyType: certificate.publicKey.asymmetricKeyType ?? 'unknown',
    validFromMs: Date.parse(validFrom),
    validToMs: Date.parse(validTo),
  };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
