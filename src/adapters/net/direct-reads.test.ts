import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { readDirectly } from './direct-reads.ts';

/** Both ends of a connection, the second being one that a server accepted. */
async function pair(): Promise<{ client: Socket; accepted: Socket; close: () => void }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const client = connect(port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const close = (): void => {
    client.destroy();
    accepted.destroy();
    server.close();
  };
  return { client, accepted, close };
}

test('a socket that flows gives what it reads at once, and the end behind all of it', async (t) => {
  const { client, accepted, close } = await pair();
  t.after(close);
  let text = '';
  readDirectly(accepted, (chunk) => {
    text += chunk.toString('latin1');
    assert.equal(accepted.readableLength, 0);
  });
  client.end('one');
  await once(accepted, 'end');
  assert.equal(text, 'one');
});

test('what was put back comes before what is read after it', async (t) => {
  const { accepted, close } = await pair();
  t.after(close);
  let text = '';
  accepted.unshift(Buffer.from('first, '));
  readDirectly(accepted, (chunk) => {
    text += chunk.toString('latin1');
  });
  accepted.push(Buffer.from('second'));
  accepted.push(null);
  await once(accepted, 'end');
  assert.equal(text, 'first, second');
});

test('whatever is paused and resumed when, all octets come, once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 200_000 }), pauses: fc.boolean() }), { maxLength: 12 }),
      async (pieces) => {
        const { client, accepted, close } = await pair();
        const received: Buffer[] = [];
        let whilePaused = 0;
        let reads = 0;
        readDirectly(accepted, (chunk) => {
          if (accepted.isPaused()) whilePaused++;
          received.push(Buffer.from(chunk));
          if (pieces[reads++ % pieces.length]?.pauses !== true) return;
          accepted.pause();
          setImmediate(() => setImmediate(() => accepted.resume()));
        });
        const sent = pieces.map(({ bytes }, at) => Buffer.alloc(bytes, at + 1));
        for (const piece of sent) client.write(piece);
        client.end();
        await once(accepted, 'end');
        close();
        assert.equal(whilePaused, 0);
        assert.ok(Buffer.concat(received).equals(Buffer.concat(sent)));
      },
    ),
    { numRuns: 40 },
  );
});
