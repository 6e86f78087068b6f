import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestIds } from './request-id.ts';

const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('ids are UUIDv7, hold the time, and none comes twice, also where the counter wraps', () => {
  let nowMs = 1_700_000_000_000;
  const next = requestIds(
    () => nowMs,
    () => nowMs,
  );
  const seen = new Set<string>();
  for (let step = 0; step < 50; step++, nowMs += 20) {
    for (let n = 0; n < 2000; n++) {
      const id = next();
      assert.match(id, UUID7);
      assert.equal(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16), nowMs);
      seen.add(id);
    }
  }
  assert.equal(seen.size, 100_000);
});

test('two makers at the same time share no id', () => {
  const [one, other] = [0, 1].map(() =>
    requestIds(
      () => 7,
      () => 1_700_000_000_000,
    ),
  ) as [() => string, () => string];
  const seen = new Set(Array.from({ length: 1000 }, () => one()));
  for (let n = 0; n < 1000; n++) assert.ok(!seen.has(other()));
});
