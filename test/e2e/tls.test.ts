// TLS as a user meets it: on the command line.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { makeCertificates } from '../kit/certificates.ts';
import { CliProcess, REPOSITORY, runCli } from '../kit/cli.ts';
import { openTls } from '../kit/tls-client.ts';

const SOURCE = [process.execPath, '--import', import.meta.resolve('tsx'), join(REPOSITORY, 'src/cli/main.ts')];

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-tls-cli-'));
  makeCertificates(folder, { name: 'a.test' });
  makeCertificates(folder, { name: 'b.test' });
});

after(() => rmSync(folder, { recursive: true, force: true }));

function config(name: string, cert: string, key: string): string {
  const file = join(folder, name);
  const tls = `{ certificates: [{ cert: ${cert}, key: ${key} }] }`;
  const rest = 'admin: { address: 127.0.0.1:0 }\nroutes: [{ respond: { body: hello } }]\n';
  writeFileSync(file, `listeners:\n  - address: 127.0.0.1:0\n    tls: ${tls}\n${rest}`);
  return file;
}

async function start(t: TestContext, file: string): Promise<CliProcess> {
  const cli = new CliProcess(['start', '-c', file], { command: SOURCE, cwd: REPOSITORY });
  t.after(() => cli.kill());
  await cli.output(/store: memory/);
  return cli;
}

test('a certificate that is no good: one clear line with its place, exit 1', async () => {
  const file = config('bad.yaml', 'a.test.crt', 'b.test.key');
  const line = `${file}:3:52: listeners[0].tls.certificates[0].key: b.test.key does not belong to the certificate beside it: name the key that it was made with`;
  for (const verb of ['check', 'start']) {
    const { code, stdout, stderr } = await runCli([verb, '-c', file], { command: SOURCE });
    assert.deepEqual([code, stdout, stderr], [1, '', `${line}\n1 error\n`], verb);
  }
});

test('the start says where it listens, serves, and shows no key anywhere', async (t) => {
  const file = config('good.yaml', 'a.test.crt', 'a.test.key');
  const cli = await start(t, file);
  const [, port] = await cli.output(/listening on https:\/\/127\.0\.0\.1:(\d+)/);
  const [, admin] = await cli.output(/admin API on (http:\/\/[^\s"]+)/);
  const client = await openTls(Number(port), { ca: readFileSync(join(folder, 'ca.crt'), 'utf8') });
  client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  assert.equal((await client.response()).text(), 'hello');
  client.destroy();
  const shown = await (await fetch(`${admin}/api/v1/config`)).text();
  const printed = await runCli(['config', '-c', file], { command: SOURCE });
  const secret = readFileSync(join(folder, 'a.test.key'), 'utf8').split('\n')[1]!;
  for (const text of [shown, printed.stdout, cli.stdout, cli.stderr]) assert.ok(!text.includes(secret));
  assert.match(printed.stdout, /key: a\.test\.key/);
});

test('a renewed certificate is taken without a word from anybody', async (t) => {
  const { cert, key } = makeCertificates(folder, { name: 'old' });
  writeFileSync(join(folder, 'live.crt'), cert);
  writeFileSync(join(folder, 'live.key'), key);
  const cli = await start(t, config('live.yaml', 'live.crt', 'live.key'));
  const renewed = makeCertificates(folder, { name: 'new' });
  writeFileSync(join(folder, 'live.crt'), renewed.cert);
  writeFileSync(join(folder, 'live.key'), renewed.key);
  await cli.output(/certificate swapped/);
  const [, port] = await cli.output(/listening on https:\/\/127\.0\.0\.1:(\d+)/);
  const client = await openTls(Number(port));
  assert.equal(client.socket.getPeerCertificate().subject.CN, 'new');
  client.destroy();
});
