import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeCertificates } from '../../test/kit/certificates.ts';
import type { TcpAddress } from '../upstream/endpoint-address.ts';
import { compileConfig } from './compile.ts';
import { effectiveConfig } from './effective.ts';
import { formatIssue } from './issue.ts';
import { type LoadedConfig, loadConfigText, parseConfig } from './load.ts';

let dir = '';
const inDir = (name: string): string => join(dir, name);

before(() => {
  dir = mkdtempSync(join(tmpdir(), 'headgate-upstream-tls-'));
  makeCertificates(dir, { name: 'good' });
  makeCertificates(dir, { name: 'other' });
  makeCertificates(dir, { name: 'old', days: -1 });
  writeFileSync(inDir('text'), 'no PEM at all');
  execFileSync('openssl', ['x509', '-in', inDir('good.crt'), '-outform', 'der', '-out', inDir('good.der')]);
  const encrypted = ['pkey', '-in', inDir('good.key'), '-aes128', '-passout', 'pass:x', '-out', inDir('locked.key')];
  execFileSync('openssl', encrypted);
});
after(() => rmSync(dir, { recursive: true }));

function load(tls: string, endpoints = '[https://a]') {
  const text = `routes: [{ upstream: a }]\nupstreams:\n  a:\n    endpoints: ${endpoints}\n    tls: ${tls}\n`;
  return loadConfigText(text, inDir('headgate.yaml'));
}

function errorsOf(tls: string): string[] {
  const result = load(tls);
  return result.ok ? [] : result.errors.map(formatIssue).map((text) => text.replace(`${dir}/`, ''));
}

function warningsOf(tls: string, endpoints?: string): string[] {
  const result = load(tls, endpoints);
  assert.ok(result.ok, JSON.stringify(result));
  return result.warnings.map(formatIssue).map((text) => text.replace(`${dir}/`, ''));
}

describe('files of tls', () => {
  test('are read beside the configuration, and become texts of the model', () => {
    const loaded = load('{ ca: ca.crt, cert: good.crt, key: good.key, servername: b }') as LoadedConfig;
    assert.deepEqual(loaded.warnings, []);
    const model = compileConfig(loaded.config, dir, loaded.texts).upstreams.get('a')!;
    const { servername, settings } = (model.endpoints[0]!.address as TcpAddress).tls!;
    assert.equal(servername, 'b');
    assert.match(settings.ca!, /BEGIN CERTIFICATE/);
    assert.match(settings.key!, /PRIVATE KEY/);
    assert.equal(settings.verify, true);
    // Sent between processes as it is.
    assert.deepEqual(JSON.parse(JSON.stringify(loaded.texts)), loaded.texts);
    assert.throws(() => compileConfig(loaded.config, dir, {}), /was not read/);
  });

  const wrong: [name: string, tls: string, error: RegExp][] = [
    [
      'one that is not there',
      '{ ca: none.crt }',
      /^headgate.yaml:5:16: upstreams.a.tls.ca: cannot read none.crt: no such/,
    ],
    ['one that is no PEM', '{ ca: text }', /tls.ca: text holds no certificate in PEM form/],
    ['one in another form', '{ ca: good.der }', /holds no certificate in PEM form .*openssl x509 -inform der/],
    ['a key that is none', '{ cert: good.crt, key: good.crt }', /tls.key: good.crt holds .*no private key/],
    ['a key of another', '{ cert: good.crt, key: other.key }', /tls.key: other.key is not the key|tls.key: other.key /],
    ['a key under a password', '{ cert: good.crt, key: locked.key }', /tls.key: locked.key .*(encrypted|pass)/],
    ['a certificate without its key', '{ cert: good.crt }', /tls.cert: cert and key go together: key is missing/],
    ['a key without its certificate', '{ key: good.key }', /tls.key: cert and key go together: cert is missing/],
    ['a content instead of a path', '{ ca: "-----BEGIN CERTIFICATE-----" }', /tls.ca: .*path/],
    ['an address as a name', '{ servername: 10.0.0.1 }', /a server name is no address/],
    ['an unknown field', '{ rejectUnauthorized: false }', /unknown field/],
  ];
  for (const [name, tls, error] of wrong) {
    test(name, () => {
      const errors = errorsOf(tls);
      assert.equal(errors.length, 1, errors.join('\n'));
      assert.match(errors[0]!, error);
    });
  }
});

test('what is most likely not meant', () => {
  assert.match(
    warningsOf('{ verify: false }').join(),
    /tls.verify: anybody on the way .* name their authority in "ca"/,
  );
  assert.match(warningsOf('{ cert: old.crt, key: old.key }').join(), /tls.cert: old.crt .*expired/);
  assert.match(warningsOf('{ ca: ca.crt }', '[http://a]').join(), /tls: no endpoint of this upstream is https/);
  assert.match(warningsOf('{}', '[https://a, http://b]').join(), /endpoints\[1\]: others .* travels in clear/);
  assert.deepEqual(warningsOf('{}'), []);
});

test('the Host of an upstream with an https endpoint is that endpoint’s own, unless it is said', () => {
  const hostOf = (upstream: object) => {
    const loaded = parseConfig({ upstreams: { a: upstream } }) as LoadedConfig;
    const { host, tls } = effectiveConfig(loaded.config).upstreams.a!;
    assert.equal(compileConfig(loaded.config).upstreams.get('a')!.host.kind, host);
    return [host, tls];
  };
  assert.deepEqual(hostOf({ endpoints: ['http://a'] }), ['keep', undefined]);
  assert.deepEqual(hostOf({ endpoints: ['http://a', 'https://b'] }), ['upstream', { verify: true }]);
  assert.deepEqual(hostOf({ endpoints: ['https://b'], host: 'keep' }), ['keep', { verify: true }]);
});

test('an https URL in a route is an upstream of its own, verified', () => {
  const loaded = parseConfig({ routes: [{ upstream: 'https://api.test' }, { upstream: 'https://[::1]:8443' }] });
  const { upstreams } = compileConfig((loaded as LoadedConfig).config);
  const [named, numeric] = [...upstreams.values()];
  assert.deepEqual([named!.name, named!.host.kind], ['https://api.test:443', 'upstream']);
  const { authority, tls } = named!.endpoints[0]!.address as TcpAddress;
  assert.deepEqual([authority, tls!.servername, tls!.settings.verify], ['api.test', 'api.test', true]);
  assert.equal((numeric!.endpoints[0]!.address as TcpAddress).tls!.servername, '');
});
