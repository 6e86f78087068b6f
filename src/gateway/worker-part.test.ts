import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileConfig } from '../config/compile.ts';
import { parseConfig } from '../config/load.ts';
import type { HeadgateConfig } from '../config/schema.ts';
import { workerCount } from '../config/worker-count.ts';
import { createGateway } from '../gateway.ts';
import { type WorkerPart, workerModel } from './worker-part.ts';

function compiled(config: HeadgateConfig) {
  const result = parseConfig(config);
  assert.ok(result.ok);
  return compileConfig(result.config);
}

const PART: WorkerPart = { instance: 'i', workers: 4, listeners: [':1', ':2'], members: undefined, secret: undefined };

test('a worker has no admin API and its share of the connections; its configuration has the hash of the whole', () => {
  const model = compiled({
    listeners: [{ address: ':1', maxConnections: 1001 }, { address: ':2' }],
    workers: 4,
  });
  const own = workerModel(model, PART);
  assert.deepEqual(
    own.listeners.map(({ maxConnections }) => maxConnections),
    [251, undefined],
  );
  assert.equal(own.admin, undefined);
  assert.notEqual(model.admin, undefined);
  assert.equal(own.hash, model.hash);
});

test('the listeners of a worker are in the order in which they were opened, whatever the order in the file', () => {
  const { listeners } = compiled({ listeners: [{ address: ':2' }, { address: ':1' }, { address: ':0' }] });
  const labels = [':0', ':1', ':2'];
  const own = workerModel({ ...compiled({}), listeners }, { ...PART, listeners: labels });
  assert.deepEqual(
    own.listeners.map(({ label }) => label),
    labels,
  );
  const twice = compiled({ listeners: [{ address: ':0', maxConnections: 8 }, { address: ':1' }, { address: ':0' }] });
  const shared = workerModel(twice, { ...PART, listeners: [':1', ':0', ':0'] });
  assert.deepEqual(
    shared.listeners.map(({ label, maxConnections }) => [label, maxConnections]),
    [
      [':1', undefined],
      [':0', 2],
      [':0', undefined],
    ],
  );
});

test('auto is one worker per core', () => {
  assert.deepEqual([workerCount('auto', 8), workerCount('auto', 1), workerCount(3, 8)], [8, 1, 3]);
});

test('a gateway that a program makes is one process, and says so where more are configured', async () => {
  const warned: string[] = [];
  const log = {
    debug: () => {},
    info: () => {},
    error: () => {},
    warn: (message: string) => void warned.push(message),
  };
  const config: HeadgateConfig = { routes: [{ respond: { status: 204 } }] };
  for (const [workers, expected] of [
    [1, []],
    [3, ['workers is for "headgate start": this gateway is one process']],
  ] as const) {
    warned.length = 0;
    const gateway = createGateway({ ...config, workers }, { log });
    assert.equal((await gateway.inject({ url: '/' })).status, 204);
    await gateway.stop({ delayMs: 0, graceMs: 0 });
    assert.deepEqual(warned, expected);
  }
});
