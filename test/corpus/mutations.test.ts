import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TestGateway } from '../kit/gateway.ts';
import { RawOrigin } from '../kit/raw-origin.ts';
import type { CorpusCase } from './corpus-case.ts';
import { Lane } from './lane.ts';

/**
 * Every octet that is no part of a token, put at every place of a Transfer-Encoding line where some reader may overlook it.
 * The line stands beside a Content-Length that covers all that follows: a gateway and an endpoint that disagree about the
 * line disagree about where the request ends.
 */

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: gw.test\r\n\r\n';
const BODY = `0\r\n\r\n${SMUGGLED}`;

const PLACES: Record<string, (octet: string) => string> = {
  'before the name': (octet) => `${octet}Transfer-Encoding: chunked`,
  'in the name': (octet) => `Transfer${octet}Encoding: chunked`,
  'behind the name': (octet) => `Transfer-Encoding${octet}: chunked`,
  'behind the colon': (octet) => `Transfer-Encoding:${octet}chunked`,
  'in the value': (octet) => `Transfer-Encoding: chun${octet}ked`,
  'behind the value': (octet) => `Transfer-Encoding: chunked${octet}`,
  'in a value before': (octet) => `X: y${octet}Transfer-Encoding: chunked`,
  'around the value': (octet) => `Transfer-Encoding: ${octet}chunked${octet}`,
};

/** 0x00–0x20 and 0x7f–0xff. */
const OCTETS = Array.from({ length: 256 }, (_, code) => code).filter((code) => code <= 0x20 || code >= 0x7f);

const lanes: Lane[] = [];
const cleanUp: (() => Promise<void>)[] = [];

before(async () => {
  for (let n = 0; n < 4; n++) {
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

/** Obs-text may stand in the value of a field that says nothing about framing (RFC 9110 §5.5): the line is then inert. */
const isInert = (place: string, code: number): boolean => {
  return place === 'in a value before' && (code === 0x09 || code === 0x20 || code >= 0x80);
};

function caseOf(place: string, code: number): CorpusCase {
  const line = PLACES[place]!(String.fromCharCode(code));
  const raw = `POST /a HTTP/1.1\r\nHost: gw.test\r\n${line}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
  const why = 'RFC 9112 §6.1';
  const id = `${place}: 0x${code.toString(16)}`;
  if (isInert(place, code)) return { id, raw, why, expect: 'forward', n_forwarded: 1, body: BODY };
  return { id, raw, why, expect: 'reject', expect_status: [400, 501], must_close: true };
}

for (const place of Object.keys(PLACES)) {
  test(`an octet ${place}: refused, or inert (RFC 9112 §6.1, §5.1)`, async () => {
    const queue = OCTETS.map((code) => caseOf(place, code));
    const problems: string[] = [];
    const work = async (lane: Lane): Promise<void> => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        const wrong = await lane.run(next, (client, raw) => client.send(raw));
        if (wrong.length > 0) problems.push(`${next.id}: ${wrong.join('; ')}`);
      }
    };
    await Promise.all(lanes.map(work));
    assert.deepEqual(problems, []);
  });
}
