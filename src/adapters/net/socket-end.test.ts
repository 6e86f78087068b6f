import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { SocketEnd } from './socket-end.ts';

/** Two ends of a real connection. */
async function pair(t: TestContext): Promise<[own: Socket, peer: Socket]> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const peer = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  const [own] = (await accepted) as [Socket];
  for (const socket of [own, peer]) socket.on('error', () => {});
  t.after(() => {
    own.destroy();
    peer.destroy();
    server.close();
  });
  return [own, peer];
}

/** As the owner of a socket does. */
function endOf(socket: Socket): SocketEnd {
  const end = new SocketEnd(socket, undefined);
  socket.on('data', (chunk) => end.received(chunk, false));
  socket.on('end', () => end.ended());
  socket.on('close', () => end.closed());
  return end;
}

suite('one side of a tunnel', { concurrency: true, timeout: 30_000 }, () => {
  test('is probed: a peer that vanished is found without a word', async (t) => {
    const [own] = await pair(t);
    const asked: unknown[][] = [];
    own.setKeepAlive = (...options) => {
      asked.push(options);
      return own;
    };
    endOf(own);
    assert.deepEqual(asked, [[true, 30_000]]);
  });

  test('that closes sends what waits, then FIN, and goes when its peer has answered with its own', async (t) => {
    const [own, peer] = await pair(t);
    const end = endOf(own);
    end.write(Buffer.alloc(3_000_000), false);
    end.close();
    let total = 0;
    for await (const chunk of peer) total += (chunk as Buffer).length;
    assert.equal(total, 3_000_000);
    const closed = once(own, 'close');
    peer.end();
    assert.deepEqual(await closed, [false]);
  });

  test('that closes reads a little of a peer that talks on, and then goes', async (t) => {
    const [own, peer] = await pair(t);
    const end = endOf(own);
    const isClosed = once(own, 'close');
    peer.resume();
    end.close();
    peer.write(Buffer.alloc(32 * 1024 * 1024));
    await isClosed;
    assert.ok(own.bytesRead <= 512 * 1024, `${own.bytesRead} were read`);
  });

  test('that closes does not wait for ever for a peer that does not take what waits', async (t) => {
    const [own, peer] = await pair(t);
    const end = endOf(own);
    peer.pause();
    end.write(Buffer.alloc(32 * 1024 * 1024), false);
    const isClosed = once(own, 'close');
    end.close();
    await isClosed;
    assert.ok(own.bytesWritten > 0);
  });
});

test('a closing side whose octets are all out goes after a second, whatever its peer does', async (t) => {
  const [own] = await pair(t);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const finished = once(own, 'finish');
  endOf(own).close();
  await finished;
  t.mock.timers.tick(999);
  assert.equal(own.destroyed, false);
  t.mock.timers.tick(1);
  assert.equal(own.destroyed, true);
});
