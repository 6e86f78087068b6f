import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatIssue } from '../../src/config/issue.ts';
import { type LoadedConfig, loadConfigText } from '../../src/config/load.ts';
import type { HeadgateConfig } from '../../src/config/schema.ts';
import { FAILURES } from '../../src/errors.ts';
import { makeCertificates } from '../kit/certificates.ts';
import { REPOSITORY } from '../kit/cli.ts';
import { RawOrigin } from '../kit/raw-origin.ts';
import { World } from './world.ts';

const guide = readFileSync(join(REPOSITORY, 'docs/upstreams.md'), 'utf8');

test('the configuration of the guide loads without a word and reaches endpoints that want a certificate', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'headgate-guide-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const { cert, key, ca } = makeCertificates(dir, { name: 'payments.internal' });
  makeCertificates(dir, { name: 'gateway' });
  const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(guide)!;
  const result = loadConfigText(yaml!, join(dir, 'headgate.yaml'));
  assert.deepEqual(result.ok ? result.warnings.map(formatIssue) : result.errors.map(formatIssue), []);
  const { config } = result as LoadedConfig;

  const origin = await RawOrigin.start({ tls: { cert, key, ca, requestCert: true, rejectUnauthorized: true } });
  t.after(() => origin.stop());
  const { payments } = config.upstreams;
  const inDir = { ca: join(dir, 'ca.crt'), cert: join(dir, 'gateway.crt'), key: join(dir, 'gateway.key') };
  const world = await World.start(t, {
    config: {
      upstreams: { payments: { ...payments!, tls: { ...payments!.tls, ...inDir }, endpoints: [origin.url] } },
      routes: config.routes,
    } as HeadgateConfig,
  });
  assert.equal((await world.ask('GET /payments/1')).status, 200);
});

test('the table of failed connections is that of the code', () => {
  const rows = Array.from(guide.matchAll(/\| (\d+) `(\w+)` \| `(\w+)` \| (yes|no) \|/g), ([, ...cells]) =>
    cells.join(' '),
  );
  const kinds = [
    'connect-failed',
    'connect-timeout',
    'name-failed',
    'certificate-refused',
    'tls-failed',
    'overloaded',
  ] as const;
  const expected = kinds.map((kind) => {
    const { status, reason, proxyError, blamesEndpoint } = FAILURES[kind];
    return `${status} ${reason} ${proxyError} ${blamesEndpoint ? 'yes' : 'no'}`;
  });
  assert.deepEqual(rows, expected);
});
