import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TestGateway } from '../kit/gateway.ts';
import { RawOrigin } from '../kit/raw-origin.ts';
import { turn } from '../kit/wait.ts';
import { CASES as COLLECTED, type CorpusCase, KNOWN_GAPS } from './corpus-case.ts';
import { Lane, type Sender } from './lane.ts';
import { MORE_CASES } from './more-requests.ts';

const LANES = 4;
const CASES = [...COLLECTED, ...MORE_CASES];

/** Both sides of every state of the parser: these are cut at every position. */
const CUT = [
  ...['ok-get', 'ok-cl-body', 'ok-chunked-basic', 'ok-chunked-trailers', 'ok-chunked-ext-quoted', 'ok-chunk-data-crlf'],
  ...['ok-pipeline-5', 'ok-crlf-between-requests', 'te0-body', 'ok-expect-100', 'ok-http10-cl', 'close-then-pipelined'],
  ...['conn-custom-option', 'ok-absolute-form-nopath', 'clte-basic', 'tecl-basic', 'chunk-ext-quoted-crlf'],
  ...['chunk-size1-nodata', 'chunk-no-last', 'lf-end-of-head', 'cr-in-value', 'fold-custom', 'rl-multi-space'],
];

/** One request and nothing after it: every shorter piece is a truncated request. */
const TRUNCATED = [
  ...['ok-get', 'ok-cl-body', 'ok-chunked-basic', 'ok-chunked-trailers', 'ok-chunked-ext-quoted', 'ok-chunk-data-crlf'],
  ...['te0-body', 'ok-expect-100', 'ok-http10-cl'],
];

const lanes: Lane[] = [];
const cleanUp: (() => Promise<void>)[] = [];
/** Ids that were not as they must be, in any of the ways they were sent. */
const failed = new Set<string>();

before(async () => {
  for (let n = 0; n < LANES; n++) {
    const origin = await RawOrigin.start();
    const gateway = await TestGateway.start({
      upstreams: { origin: { endpoints: [origin.url], outlierDetection: false } },
      routes: [{ name: 'all', match: { host: 'gw.test' }, upstream: 'origin' }],
    });
    lanes.push(new Lane(gateway.port(), origin));
    cleanUp.push(
      () => gateway.stop(),
      () => origin.stop(),
    );
  }
});

after(async () => {
  for (const undo of cleanUp) await undo();
});

interface Run {
  readonly expected: CorpusCase;
  readonly how: string;
  readonly run: (lane: Lane) => Promise<string[]>;
}

/** Spreads the runs over the lanes; what went wrong with cases that are no known gap, a line each. */
async function runAll(runs: readonly Run[]): Promise<string[]> {
  const queue = [...runs].reverse();
  const lines: string[] = [];
  const work = async (lane: Lane): Promise<void> => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const { expected, how, run } = next;
      const problems = await run(lane).catch((error: Error) => [error.message]);
      if (problems.length === 0) continue;
      failed.add(expected.id);
      if (KNOWN_GAPS[expected.id] === undefined) lines.push(`${expected.id} (${how}): ${problems.join('; ')}`);
    }
  };
  await Promise.all(lanes.map(work));
  return lines;
}

function sent(expected: CorpusCase, how: string, send: Sender): Run {
  return { expected, how, run: (lane) => lane.run(expected, send) };
}

function named(ids: readonly string[]): CorpusCase[] {
  return ids.map((id) => {
    const found = CASES.find((candidate) => candidate.id === id);
    assert.ok(found !== undefined, `no case ${id}`);
    return found;
  });
}

function positions(expected: CorpusCase): number[] {
  return Array.from({ length: expected.raw.length - 1 }, (_, n) => n + 1);
}

function report(lines: readonly string[]): void {
  assert.equal(lines.length, 0, `\n${lines.slice(0, 60).join('\n')}\n${lines.length} in all`);
}

test('the corpus, sent whole', async () => {
  const runs = CASES.map((expected) => sent(expected, 'whole', (client, raw) => client.send(raw)));
  report(await runAll(runs));
});

test('the corpus, one byte a write', async () => {
  const runs = CASES.map((expected) => sent(expected, 'one byte a write', (client, raw) => client.sendSplit(raw, 1)));
  report(await runAll(runs));
});

test('cut in two at every position', async () => {
  const runs = named(CUT).flatMap((expected) =>
    positions(expected).map((at) => sent(expected, `cut at ${at}`, (client, raw) => client.sendSplit(raw, [at]))),
  );
  report(await runAll(runs));
});

test('truncated at every position: never complete at the origin, never answered as if it were', async () => {
  const runs = named(TRUNCATED).flatMap((expected) =>
    positions(expected).map((at) => ({
      expected,
      how: `first ${at} bytes`,
      run: (lane: Lane) => truncated(lane, expected, at),
    })),
  );
  report(await runAll(runs));
});

async function truncated(lane: Lane, expected: CorpusCase, at: number): Promise<string[]> {
  const send: Sender = async (client, raw) => {
    client.send(raw.slice(0, at));
    await turn();
  };
  const { seen, poisoned } = await lane.observe({ ...expected, eof: true }, send);
  const problems = [...poisoned];
  if (seen.client.malformed !== undefined) problems.push(seen.client.malformed.message);
  if (seen.forwarded.some(({ message }) => message.complete)) problems.push('complete at the origin');
  const status = seen.client.responses[0]?.status;
  if (status !== undefined && status < 400) problems.push(`answered ${status}`);
  return problems;
}

test('what is listed as a gap is one', () => {
  const ids = new Set(CASES.map(({ id }) => id));
  const unknown = Object.keys(KNOWN_GAPS).filter((id) => !ids.has(id));
  assert.deepEqual(unknown, [], 'known-gaps.json names no such case');
  const closed = Object.keys(KNOWN_GAPS).filter((id) => !failed.has(id));
  assert.deepEqual(closed, [], 'these pass now: take them out of known-gaps.json');
});

test('no script of an origin failed', () => {
  for (const { origin } of lanes) assert.deepEqual(origin.scriptErrors, []);
});
