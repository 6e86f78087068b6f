import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { ListFields } from '../../http/fields.ts';
import type { ReplyHead } from '../../http/head.ts';
import type { Http1RequestHead } from '../../http/http1/request-head.ts';
import { ResponseStream } from './response-stream.ts';

const HEAD: ReplyHead = {
  status: 200,
  reasonPhrase: 'OK',
  fields: new ListFields(),
  dropCodes: 0,
  drop: undefined,
  shared: undefined,
  requestId: '',
  varying: undefined,
  extra: undefined,
  bodyLength: 1_000_000_000,
};

// Node 22 and later give sockets a mark of 64 KiB, Node 20 one of 16 KiB.
for (const highWaterMark of [16 * 1024, 64 * 1024]) {
  test(`a stream that says it is full is drained, with a socket's mark at ${highWaterMark}`, async (t) => {
    const server = createServer({ highWaterMark }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.pause();
    t.after(() => client.destroy());
    const [socket] = await accepted;
    t.after(() => socket.destroy());
    const stream = new ResponseStream(socket);
    stream.begin({ method: 'GET', version: 'HTTP/1.1', persistent: true } as Http1RequestHead);
    stream.head(HEAD, false);
    stream.flush();
    // The kernel is full and one chunk waits: fewer octets than the mark of 64 KiB, so that Node may owe no 'drain'.
    while (socket.writableLength === 0) socket.write(Buffer.alloc(1000));
    stream.data(Buffer.alloc(60_000));
    assert.ok(socket.writableLength >= 60_000 && socket.writableLength < 64 * 1024);
    client.resume();
    while (socket.writableLength > 0) await new Promise((resolve) => setImmediate(resolve));
    // Everything was taken: whoever asks now is not told to wait for a drain that never comes.
    const flowing = stream.data(Buffer.alloc(8000));
    assert.ok(flowing || socket.writableNeedDrain, 'a drain is owed to whoever is told to wait');
  });
}
