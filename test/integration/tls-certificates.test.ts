// Certificates that change on disk, under a gateway that serves.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import type { HeadgateConfig } from '../../src/config/schema.ts';
import { ConfigError, createGateway } from '../../src/gateway.ts';
import { type CertificateOptions, type Certificates, makeAuthority, makeCertificates } from '../kit/certificates.ts';
import { KeptLog } from '../kit/log.ts';
import { openTls, type TlsClient } from '../kit/tls-client.ts';
import { bytes, eventually, WatchedClock, World } from './world.ts';

type ListenerConfig = NonNullable<HeadgateConfig['listeners']>[number];
type Tls = Exclude<ListenerConfig['tls'], false | undefined>;

const OWN = { match: { path: '/own' }, respond: { body: 'own' } };
/** Longer than a burst of changes is waited out. */
const SETTLED_MS = 1000;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

let folder: string;
let nth = 0;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-certificates-'));
});

after(() => rmSync(folder, { recursive: true, force: true }));

function made(options: Partial<CertificateOptions> = {}): Certificates {
  return makeCertificates(folder, { name: `certificate-${++nth}`, san: ['a.test'], ...options });
}

/** A pair of files that a test writes to, in a folder of its own. */
class Mounted {
  readonly folder = mkdtempSync(join(folder, 'mounted-'));
  readonly pair = { cert: join(this.folder, 'tls.crt'), key: join(this.folder, 'tls.key') };

  constructor(first: Certificates) {
    this.write(first);
  }

  write({ cert, key }: Pick<Certificates, 'cert' | 'key'>): void {
    this.writeCert(cert);
    writeFileSync(this.pair.key, key);
  }

  writeCert(cert: string): void {
    writeFileSync(this.pair.cert, cert);
  }
}

interface Served {
  readonly world: World;
  readonly log: KeptLog;
  readonly clock: WatchedClock;
}

async function serve(t: TestContext, tls: Tls, startWallUs = Date.now() * 1000): Promise<Served> {
  const log = new KeptLog();
  const clock = new WatchedClock(undefined, startWallUs);
  const world = await World.start(t, { routes: [OWN], listener: { tls }, overrides: { log, clock } });
  return { world, log, clock };
}

async function open(t: TestContext, { world }: Served, servername = 'a.test'): Promise<TlsClient> {
  const client = await openTls(world.gateway.port(), { servername });
  t.after(() => client.destroy());
  return client;
}

async function shown(t: TestContext, served: Served, servername?: string): Promise<string> {
  const client = await open(t, served, servername);
  const { CN } = client.socket.getPeerCertificate().subject;
  client.destroy();
  return String(CN);
}

/** Lets the watch notice what was written: it moves with the clock, the file system with the event loop. */
async function untilShown(t: TestContext, served: Served, certificate: Certificates): Promise<void> {
  await eventually('the new certificate', async () => {
    await served.clock.pass(SETTLED_MS);
    return certificate.certFile.endsWith(`${await shown(t, served)}.crt`) ? true : undefined;
  });
}

async function untilLogged({ log, clock }: Served, pattern: RegExp): Promise<void> {
  await eventually(`${pattern} in the log`, async () => {
    await clock.pass(SETTLED_MS);
    return log.matching(pattern).length > 0 ? true : undefined;
  });
}

test('a pair that changes is shown to new connections; those that are open go on', async (t) => {
  const [first, second] = [made(), made({ keyType: 'rsa', days: 90 })];
  const mounted = new Mounted(first);
  const served = await serve(t, { certificates: [mounted.pair] });
  const old = await open(t, served);
  mounted.write(second);
  await untilShown(t, served, second);
  old.send(bytes('GET /own'));
  assert.equal((await old.response()).status, 200);
  assert.equal(await served.world.metric('headgate_certificate_reloads_total', 'outcome="success"'), 1);
  const expiry = await served.world.metric(
    'headgate_certificate_expiry_timestamp_seconds',
    `certificate="${mounted.pair.cert}"`,
  );
  assert.ok(Math.abs(expiry - (Date.now() + 90 * DAY_MS) / 1000) < 3600, `${expiry}`);
  const [event] = served.log.matching(/certificate swapped/);
  assert.deepEqual(event?.fields, { listener: '127.0.0.1:0', certificate: mounted.pair.cert });
});

test('a certificate whose key has not come yet is not taken; with its key it is', async (t) => {
  const [first, second] = [made(), made()];
  const mounted = new Mounted(first);
  const served = await serve(t, { certificates: [mounted.pair] });
  mounted.writeCert(second.cert);
  await untilLogged(served, /certificate refused, the one before stays in use/);
  assert.ok(first.certFile.endsWith(`${await shown(t, served)}.crt`));
  const [refused] = served.log.matching(/refused/);
  assert.match(String(refused?.fields.problem), /tls\.key does not belong to the certificate beside it/);
  await served.clock.pass(3 * MINUTE_MS);
  assert.equal(served.log.matching(/refused/).length, 1, 'said once, however often it is looked at');
  mounted.write(second);
  await untilShown(t, served, second);
  assert.equal(await served.world.metric('headgate_certificate_reloads_total', 'outcome="failure"'), 1);
  assert.equal(await served.world.metric('headgate_certificate_reloads_total', 'outcome="success"'), 1);
});

test('half a file, no file, or one without a certificate changes nothing', async (t) => {
  const [first, second] = [made(), made()];
  const mounted = new Mounted(first);
  const served = await serve(t, { certificates: [mounted.pair] });
  for (const content of [second.cert.slice(0, 200), '', 'text']) {
    mounted.writeCert(content);
    await served.clock.pass(2 * MINUTE_MS);
    assert.ok(first.certFile.endsWith(`${await shown(t, served)}.crt`), content);
  }
  rmSync(mounted.pair.cert);
  await served.clock.pass(2 * MINUTE_MS);
  assert.ok(first.certFile.endsWith(`${await shown(t, served)}.crt`));
  mounted.write(second);
  await untilShown(t, served, second);
});

test('links that turn to another folder at once, as Kubernetes mounts secrets', async (t) => {
  const [first, second] = [made(), made()];
  const mount = mkdtempSync(join(folder, 'secret-'));
  const put = (version: string, { cert, key }: Certificates): void => {
    mkdirSync(join(mount, version));
    writeFileSync(join(mount, version, 'tls.crt'), cert);
    writeFileSync(join(mount, version, 'tls.key'), key);
    symlinkSync(version, join(mount, '..data_tmp'));
    renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
  };
  put('..one', first);
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(mount, name));
  const served = await serve(t, { certificates: [{ cert: join(mount, 'tls.crt'), key: join(mount, 'tls.key') }] });
  put('..two', second);
  await untilShown(t, served, second);
  assert.equal(served.log.matching(/refused/).length, 0);
});

test('a folder that is replaced is seen within a minute, though its watch died with it', async (t) => {
  const [first, second] = [made(), made()];
  const mounted = new Mounted(first);
  const served = await serve(t, { certificates: [mounted.pair] });
  rmSync(mounted.folder, { recursive: true });
  mkdirSync(mounted.folder);
  mounted.write(first);
  for (let n = 0; n < 50; n++) await served.clock.pass(100);
  mounted.write(second);
  await served.clock.pass(MINUTE_MS);
  assert.ok(second.certFile.endsWith(`${await shown(t, served)}.crt`));
});

test('of several pairs a bad one keeps its old self, the others change', async (t) => {
  const first = { a: made(), b: made({ san: ['b.test'] }) };
  const second = { a: made(), b: made({ san: ['b.test'] }) };
  const [a, b] = [new Mounted(first.a), new Mounted(first.b)];
  const served = await serve(t, { certificates: [a.pair, b.pair] });
  b.writeCert(second.b.cert);
  a.write(second.a);
  await untilShown(t, served, second.a);
  await served.clock.pass(MINUTE_MS);
  assert.ok(first.b.certFile.endsWith(`${await shown(t, served, 'b.test')}.crt`));
});

test('the authorities of clients change with their file', async (t) => {
  const [one, another] = [makeAuthority(folder, 'one'), makeAuthority(folder, 'another')];
  const mounted = new Mounted(made());
  const [first, second] = [made({ ca: one }), made({ ca: another })];
  const ca = join(mounted.folder, 'ca.crt');
  writeFileSync(ca, first.ca);
  const served = await serve(t, { certificates: [mounted.pair], clientAuth: 'require', ca });
  const isServed = async ({ cert, key }: Certificates): Promise<boolean> => {
    try {
      const client = await openTls(served.world.gateway.port(), { cert, key });
      client.send(bytes('GET /own'));
      return (await client.response()).status === 200;
    } catch {
      return false;
    }
  };
  assert.deepEqual([await isServed(first), await isServed(second)], [true, false]);
  writeFileSync(ca, second.ca);
  await served.clock.pass(MINUTE_MS);
  assert.deepEqual([await isServed(first), await isServed(second)], [false, true]);
});

test('a certificate that ends within two weeks is warned about once a day, until it is replaced', async (t) => {
  const mounted = new Mounted(made({ days: 20 }));
  const served = await serve(t, { certificates: [mounted.pair] });
  const { clock, log } = served;
  await clock.pass(5 * DAY_MS + MINUTE_MS);
  assert.deepEqual(log.matching(/expires/), []);
  await clock.pass(3 * DAY_MS);
  const warnings = log.matching(/certificate expires on \d{4}-\d\d-\d\d, in \d+ days/);
  assert.equal(warnings.length, 3);
  assert.deepEqual(warnings[0]?.fields, { listener: '127.0.0.1:0', certificate: mounted.pair.cert });
  mounted.write(made({ days: 60 }));
  await clock.pass(3 * DAY_MS);
  assert.equal(log.matching(/expires/).length, 3);
});

test('a gateway does not begin without its certificate, and says why with its place', () => {
  const { certFile, keyFile } = made();
  const start = (cert: string, key: string): unknown =>
    createGateway({ listeners: [{ address: '127.0.0.1:0', tls: { certificates: [{ cert, key }] } }] });
  assert.throws(
    () => start(join(folder, 'none.crt'), keyFile),
    (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(
        error.message,
        /^listeners\[0\]\.tls\.certificates\[0\]\.cert: cannot read .*none\.crt: no such file$/,
      );
      return true;
    },
  );
  assert.throws(() => start(certFile, made().keyFile), /certificates\[0\]\.key: .*does not belong to the certificate/);
});

test('a reload to a certificate that is no good changes nothing, one to a good one takes it', async (t) => {
  const [first, second] = [made(), made()];
  const served = await serve(t, { certificates: [{ cert: first.certFile, key: first.keyFile }] });
  const { gateway } = served.world.gateway;
  const config = (tls: ListenerConfig['tls']): HeadgateConfig => ({
    listeners: [{ address: '127.0.0.1:0', tls }],
    admin: { address: '127.0.0.1:0' },
    routes: [OWN],
  });
  const old = await open(t, served);
  const mixed = { certificates: [{ cert: second.certFile, key: first.keyFile }] };
  await assert.rejects(gateway.reload(config(mixed)), ConfigError);
  assert.ok(first.certFile.endsWith(`${await shown(t, served)}.crt`));
  await gateway.reload(config({ certificates: [{ cert: second.certFile, key: second.keyFile }] }));
  assert.ok(second.certFile.endsWith(`${await shown(t, served)}.crt`));
  old.send(bytes('GET /own'));
  assert.equal((await old.response()).status, 200);
  await gateway.reload(config(false));
  const clear = await served.world.client();
  clear.send(bytes('GET /own'));
  assert.equal((await clear.response()).status, 200, 'TLS can be taken off by a reload too');
});
