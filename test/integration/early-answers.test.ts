// Answers of the gateway's own to requests whose body nobody asked for.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { freePort } from '../kit/cli.ts';
import { all, bytes, World } from './world.ts';

const OWN = { match: { path: '/own' }, respond: { body: 'own' } };
const BODIES: Record<string, string> = {
  'a length': bytes('POST /own', [], 'hello'),
  chunks: bytes('POST /own', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n'),
  'a length and an expectation': bytes('POST /own', ['Expect: 100-continue'], 'hello'),
};

suite('a body that is here to its end is read off', { concurrency: true }, () => {
  for (const [name, request] of Object.entries(BODIES)) {
    test(`${name}: the connection goes on behind it`, async (t) => {
      const world = await World.start(t, { routes: [OWN] });
      const client = await world.client();
      client.send(request);
      assert.deepEqual(all(await client.response(), 'connection'), []);
      // And with the next ones, of which one has a body, in the same octets.
      client.send(request + bytes('GET /a') + request + bytes('POST /b', [], 'abc') + bytes('GET /c'));
      await client.response(6);
      assert.deepEqual(
        client.responses.map(({ status }) => status),
        [200, 200, 200, 200, 200, 200],
      );
      assert.deepEqual(
        world.origin.requests.map(({ message }) => [message.target, message.bodyBytes]),
        [
          ['/a', 0],
          ['/b', 3],
          ['/c', 0],
        ],
      );
    });
  }

  test('also where the head came in pieces', async (t) => {
    const world = await World.start(t, { routes: [OWN] });
    const request = BODIES['a length'] as string;
    for (let at = 1; at < request.indexOf('\r\n\r\n') + 4; at += 7) {
      const client = await world.client();
      await client.sendSplit(request + bytes('GET /own'), [at]);
      await client.response(2);
      assert.deepEqual(all(client.responses[0]!, 'connection'), [], `cut at ${at}`);
    }
  });

  test('also where the answer took a moment', async (t) => {
    const endpoints = [`http://127.0.0.1:${await freePort()}`];
    const world = await World.start(t, { routes: [OWN], origins: [], endpoints });
    for (const framing of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
      const client = await world.client();
      const body = framing.startsWith('T') ? '5\r\nhello\r\n0\r\n\r\n' : 'hello';
      client.send(bytes('POST /', [framing], body) + bytes('GET /own'));
      assert.equal((await client.response()).status, 502);
      assert.equal((await client.response(2)).text(), 'own');
    }
  });
});

suite('the end of a body that is not here ends the connection', { concurrency: true }, () => {
  const partial: Record<string, string> = {
    'a length': bytes('POST /own', ['Content-Length: 6'], 'hello'),
    chunks: bytes('POST /own', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n'),
    'chunks that are none': bytes('POST /own', ['Transfer-Encoding: chunked'], '5\r\nhello!\r\n0\r\n\r\n'),
    'an expectation': bytes('POST /own', ['Expect: 100-continue', 'Content-Length: 5']),
  };
  for (const [name, request] of Object.entries(partial)) {
    test(name, async (t) => {
      const world = await World.start(t, { routes: [OWN] });
      const client = await world.client();
      client.send(request);
      const response = await client.response();
      assert.deepEqual([response.status, response.text(), response.get('connection')], [200, 'own', 'close']);
      client.send(`!${bytes('GET /own')}`);
      await client.untilEnded();
      assert.equal(client.responses.length, 1);
      await world.untilIdle();
    });
  }
});
