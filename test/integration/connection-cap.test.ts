import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { silence } from '../kit/raw-origin.ts';
import { bytes, eventually, WatchedClock, World } from './world.ts';

const OWN = { match: { path: '/own' }, respond: { body: 'own' } };

interface Warning {
  readonly message: string;
  readonly refused: unknown;
}

/** A log that keeps the warnings. */
function keeping(warnings: Warning[]) {
  const warn = (message: string, fields?: Record<string, unknown>): void => {
    warnings.push({ message, refused: fields?.refused });
  };
  return { debug() {}, info() {}, warn, error() {} };
}

suite('maxConnections', { concurrency: true }, () => {
  test('those longest at rest make room', async (t) => {
    const clock = new WatchedClock();
    const world = await World.start(t, { routes: [OWN], listener: { maxConnections: 3 }, overrides: { clock } });
    const clients = [await world.client(), await world.client(), await world.client()] as const;
    // The first to come is the last to have asked.
    for (const client of [clients[1], clients[2], clients[0]]) {
      client.send(bytes('GET /own'));
      await client.response();
      await clock.pass(1000);
    }
    assert.equal((await world.ask('GET /own')).text(), 'own');
    await clients[1].untilEnded();
    assert.equal(clients[1].bytesReceived, clients[0].bytesReceived, 'closed without a word');
    for (const client of [clients[0], clients[2]]) {
      client.send(bytes('GET /own'));
      assert.equal((await client.response(2)).status, 200);
    }
    assert.equal(await world.metric('headgate_connections_refused_total'), 0);
  });

  test('a connection that just came is not the one to go', async (t) => {
    const clock = new WatchedClock();
    const world = await World.start(t, { routes: [OWN], listener: { maxConnections: 3 }, overrides: { clock } });
    for (let n = 0; n < 2; n++) {
      const old = await world.client();
      old.send(bytes('GET /own'));
      await old.response();
    }
    await clock.pass(1000);
    const fresh = await world.client();
    await eventually('three', async () => ((await world.metric('headgate_connections')) === 3 ? true : undefined));
    for (let n = 0; n < 2; n++) await world.client();
    fresh.send(bytes('GET /own'));
    assert.equal((await fresh.response()).text(), 'own');
  });

  test('where all are busy the new one is closed, counted, and logged once', async (t) => {
    const warnings: Warning[] = [];
    const world = await World.start(t, {
      origins: [silence],
      listener: { maxConnections: 2 },
      overrides: { log: keeping(warnings) },
    });
    const busy = [await world.client(), await world.client()];
    for (const client of busy) client.send(bytes('GET /'));
    await world.origin.request(2);
    for (let n = 0; n < 3; n++) {
      const refused = await world.client();
      await refused.untilEnded();
      assert.equal(refused.bytesReceived, 0);
    }
    assert.equal(await world.metric('headgate_connections_refused_total'), 3);
    assert.equal(await world.metric('headgate_connections'), 2);
    assert.deepEqual(warnings, [{ message: 'connections refused: all are in use', refused: 1 }]);
    assert.deepEqual(
      busy.map(({ closed }) => closed),
      [false, false],
    );
  });
});

test('the kernel probes clients that are silent', { skip: process.platform !== 'linux' }, async (t) => {
  const world = await World.start(t, { origins: [silence] });
  const client = await world.client();
  client.send(bytes('GET /'));
  await world.origin.request();
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');
  const ends = [`0100007F:${hex(world.gateway.port())}`, `0100007F:${hex(client.socket.localPort as number)}`];
  const lines = readFileSync('/proc/net/tcp', 'latin1').split('\n');
  const line = lines.find((text) => text.includes(ends.join(' '))) as string;
  // proc(5): `tr` 2 = the keep-alive timer.
  assert.match(line, / 02:[0-9A-F]{8} /);
});
