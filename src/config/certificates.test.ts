// What the files of `listeners[].tls` hold, and what is said of them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeCertificates } from '../../test/kit/certificates.ts';
import { compileConfig } from './compile.ts';
import { effectiveConfig } from './effective.ts';
import { folderOf } from './folder-of.ts';
import { formatIssue } from './issue.ts';
import { loadConfigFile, loadConfigText } from './load.ts';
import { readCertificate } from './pem.ts';
import { redact } from './redact.ts';

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-pem-'));
  makeCertificates(folder, { name: 'good', san: ['A.test', '*.b.test', '127.0.0.1'] });
  makeCertificates(folder, { name: 'other' });
  makeCertificates(folder, { name: 'same', san: ['a.test'] });
  makeCertificates(folder, { name: 'same-rsa', san: ['a.test'], keyType: 'rsa' });
  makeCertificates(folder, { name: 'old', days: -1 });
  makeCertificates(folder, { name: 'soon', days: 7 });
  const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
  writeFileSync(join(folder, 'chain.crt'), text('good.crt') + text('ca.crt'));
  writeFileSync(join(folder, 'reversed.crt'), text('ca.crt') + text('good.crt'));
  writeFileSync(join(folder, 'cut.crt'), text('good.crt').replace(/\n[^\n]*\n[^\n]*(\n-----END)/, '$1'));
  writeFileSync(join(folder, 'empty'), '');
  mkdirSync(join(folder, 'folder'));
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  openssl('pkey', '-in', 'good.key', '-aes128', '-passout', 'pass:x', '-out', 'encrypted.key');
  openssl('x509', '-in', 'good.crt', '-outform', 'der', '-out', 'good.der');
  const weak = ['req', '-x509', '-newkey', 'rsa:512', '-nodes', '-subj', '/CN=weak', '-keyout', 'weak.key'];
  openssl(...weak, '-out', 'weak.crt');
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** All that is said of a listener's `tls`, less its place in the file. */
function said(tls: string): string[] {
  const result = loadConfigText(`listeners: [{ tls: ${tls} }]`, join(folder, 'headgate.yaml'));
  const issues = result.ok ? result.warnings : result.errors;
  return issues.map(
    (issue) => `${result.ok ? 'warning: ' : ''}${issue.path.replace('listeners[0].tls.', '')}: ${issue.message}`,
  );
}

const pair = (cert: string, key = 'good.key'): string => `{ certificates: [{ cert: ${cert}, key: ${key} }] }`;

const cases: [name: string, tls: string, said: string[]][] = [
  ['a pair', pair('good.crt'), []],
  ['a chain', pair('chain.crt'), []],
  [
    'RSA beside ECDSA',
    '{ certificates: [{ cert: same.crt, key: same.key }, { cert: same-rsa.crt, key: same-rsa.key }] }',
    [],
  ],
  ['a file that is not there', pair('none.crt'), ['certificates[0].cert: cannot read none.crt: no such file']],
  ['a folder', pair('folder'), ['certificates[0].cert: cannot read folder: it is a folder']],
  [
    'an empty file',
    pair('empty'),
    [
      'certificates[0].cert: empty holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----"); "openssl x509 -inform der -in FILE" converts others',
    ],
  ],
  [
    'DER',
    pair('good.der'),
    [
      'certificates[0].cert: good.der holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----"); "openssl x509 -inform der -in FILE" converts others',
    ],
  ],
  [
    'half a certificate',
    pair('cut.crt'),
    ['certificates[0].cert: cut.crt holds a certificate that cannot be read, no. 1'],
  ],
  [
    'cert and key swapped',
    pair('good.key', 'good.crt'),
    ['certificates[0].cert: good.key holds a private key and no certificate: are the two swapped?'],
  ],
  [
    'a certificate for a key',
    pair('good.crt', 'good.crt'),
    ['certificates[0].key: good.crt holds a certificate and no private key: are the two swapped?'],
  ],
  [
    'a key of another',
    pair('good.crt', 'other.key'),
    ['certificates[0].key: other.key does not belong to the certificate beside it: name the key that it was made with'],
  ],
  [
    'a chain that begins at its other end',
    pair('reversed.crt'),
    [
      'certificates[0].cert: reversed.crt begins with another certificate than that of the key: its intermediates go behind it',
    ],
  ],
  [
    'a key with a passphrase',
    pair('good.crt', 'encrypted.key'),
    [
      'certificates[0].key: encrypted.key is encrypted; "openssl pkey -in FILE -out FILE" writes a key without its password',
    ],
  ],
  [
    'a key that is too short',
    pair('weak.crt', 'weak.key'),
    ['certificates[0].cert: weak.crt cannot be used: ee key too small'],
  ],
  [
    'all that is wrong at once',
    '{ certificates: [{ cert: none.crt, key: good.key }, { cert: good.crt, key: other.key }], clientAuth: request, ca: empty }',
    [
      'certificates[0].cert: cannot read none.crt: no such file',
      'certificates[1].key: other.key does not belong to the certificate beside it: name the key that it was made with',
      'ca: empty holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----"); "openssl x509 -inform der -in FILE" converts others',
    ],
  ],
  [
    'a second pair that nobody would be shown',
    '{ certificates: [{ cert: good.crt, key: good.key }, { cert: same.crt, key: same.key }] }',
    [
      'warning: certificates[1].cert: same.crt is never served: certificates before it have its names and the same kind of key',
    ],
  ],
  [
    'clientAuth without ca',
    '{ certificates: [{ cert: good.crt, key: good.key }], clientAuth: require }',
    ['clientAuth: "require" needs "ca": the authorities whose client certificates are good'],
  ],
  [
    'ca without clientAuth',
    '{ certificates: [{ cert: good.crt, key: good.key }], ca: ca.crt }',
    ['ca: goes with clientAuth: request or require'],
  ],
];

for (const [name, tls, expected] of cases) {
  test(name, () => {
    assert.deepEqual(said(tls), expected);
  });
}

test('dates are warned about', () => {
  assert.match(said(pair('old.crt', 'old.key'))[0]!, /^warning: .*: old\.crt expired on \d{4}-\d\d-\d\d$/);
  assert.match(
    said(pair('soon.crt', 'soon.key'))[0]!,
    /^warning: .*: soon\.crt expires on \d{4}-\d\d-\d\d, in 6 days$/,
  );
});

test('an error has its place in the file', () => {
  const text = 'listeners:\n  - tls:\n      certificates:\n        - cert: good.crt\n          key: none.key\n';
  const result = loadConfigText(text, join(folder, 'headgate.yaml'));
  assert.ok(!result.ok);
  const [line] = result.errors.map(formatIssue);
  assert.match(
    line!,
    /headgate\.yaml:5:16: listeners\[0\]\.tls\.certificates\[0\]\.key: cannot read none\.key: no such file$/,
  );
});

test('the names and the kind of key are read', () => {
  const facts = readCertificate(readFileSync(join(folder, 'good.crt'), 'utf8'));
  assert.ok(facts.ok);
  assert.deepEqual([facts.value.names, facts.value.keyType], [['a.test', '*.b.test'], 'ec']);
});

test('paths begin at the folder of the file, and are shown as they are written', async () => {
  const file = join(folder, 'headgate.yaml');
  writeFileSync(file, `listeners: [{ tls: ${pair('good.crt')} }]`);
  const loaded = await loadConfigFile(file, {});
  assert.ok(loaded.ok);
  const { tls } = compileConfig(loaded.config, folderOf(loaded)).listeners[0]!;
  assert.deepEqual(tls, {
    certificates: [{ certFile: join(folder, 'good.crt'), keyFile: join(folder, 'good.key'), label: 'good.crt' }],
    clientAuth: 'none',
    caFile: undefined,
    minVersion: 'TLSv1.2',
  });
  const shown = redact(effectiveConfig(loaded.config), loaded.secrets);
  assert.deepEqual(shown.listeners[0]?.tls, {
    certificates: [{ cert: 'good.crt', key: 'good.key' }],
    clientAuth: 'none',
    minVersion: '1.2',
  });
});

test('minVersion may be written as a number', () => {
  const text = `listeners: [{ tls: { certificates: [{ cert: good.crt, key: good.key }], minVersion: 1.3 } }]`;
  const result = loadConfigText(text, join(folder, 'headgate.yaml'));
  assert.ok(result.ok);
  assert.equal(compileConfig(result.config).listeners[0]?.tls?.minVersion, 'TLSv1.3');
});

test('a key that was pasted in stands in no message', () => {
  const key = readFileSync(join(folder, 'good.key'), 'utf8');
  const line = key.split('\n')[1]!;
  const messages = said(`{ certificates: [{ cert: good.crt, key: ${JSON.stringify(key)} }] }`);
  assert.equal(messages.length, 1);
  assert.match(messages[0]!, /is the content of a file: give its path/);
  assert.ok(!messages[0]!.includes(line.slice(0, 10)));
});
