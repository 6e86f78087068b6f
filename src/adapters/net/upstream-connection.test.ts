import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { ListFields } from '../../http/fields.ts';
import type { OutgoingRequest } from '../../http/head.ts';
import type { ChannelReceiver, UpstreamChannel } from '../../upstream/channel.ts';
import { UpstreamConnection } from './upstream-connection.ts';

function requestOf(method: string, target: string, bodyLength: number | undefined): OutgoingRequest {
  const fields = {
    fields: new ListFields(),
    dropCodes: 0,
    drop: undefined,
    shared: undefined,
    requestId: '',
    varying: undefined,
    extra: undefined,
  };
  const body = { hasBody: bodyLength !== undefined, bodyLength, upgrade: undefined, expectsContinue: false };
  return { method, target, host: 'h', ...fields, ...body };
}

const nothing = (): void => {};

function receiver(onFailure: ChannelReceiver['onFailure']): ChannelReceiver {
  return {
    onInformational: nothing,
    onResponse: nothing,
    onData: () => true,
    onEnd: nothing,
    onReadEnd: nothing,
    onWritable: nothing,
    onTunnel: () => assert.fail('no tunnel'),
    onFailure,
  };
}

test('the last octets of a body go out before the next request, also where the answer came in the same turn', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  let channel: UpstreamChannel | undefined;
  let becameIdle: () => void = () => {};
  const whenIdle = new Promise<void>((resolve) => {
    becameIdle = resolve;
  });
  const connected = new Promise<void>((resolve) => {
    new UpstreamConnection(
      { kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port, authority: 'h' },
      {
        onConnected: (made) => {
          channel = made;
          resolve();
        },
        onConnectFailed: (error) => assert.fail(error.detail),
        onIdle: (freed) => {
          // The pool would give it to the next client at once.
          freed.send(
            requestOf('GET', '/b', undefined),
            receiver(() => {}),
          );
          becameIdle();
        },
        onStale: () => {},
        onClosed: () => {},
      },
    );
  });
  const [socket] = await accepted;
  t.after(() => socket.destroy());
  let seen = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    seen += text;
  });
  await connected;
  channel?.send(
    requestOf('POST', '/a', 10),
    receiver(() => {}),
  );
  channel?.writeData(Buffer.from('12345'));
  // The head of the answer comes early; with its end the body's own end is still gathered.
  const connection = channel as UpstreamConnection;
  const onEnd = connection.onEnd.bind(connection);
  connection.onEnd = (trailers) => {
    connection.writeData(Buffer.from('67890'));
    connection.writeEnd(undefined);
    onEnd(trailers);
  };
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  await whenIdle;
  while (!seen.includes('/b')) await once(socket, 'data');
  assert.match(seen, /\r\n\r\n1234567890GET \/b HTTP\/1\.1\r\n/);
});

// Whoever asks takes silence on a kept connection for a race with its idle timeout; a part of an answer is none.
test('a connection that dies inside a response head had begun to answer', async (t) => {
  for (const [text, hasBegun] of [
    ['HTTP/1.1 200 OK\r\nX-A: 1\r\n', true],
    ['', false],
  ] as const) {
    const server = createServer((socket) => socket.once('data', () => socket.end(text))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const responded = await new Promise<boolean>((resolve) => {
      new UpstreamConnection(
        { kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port, authority: 'h' },
        {
          onConnected: (made) =>
            made.send(
              requestOf('GET', '/', undefined),
              receiver((_, begun) => resolve(begun)),
            ),
          onConnectFailed: (error) => assert.fail(error.detail),
          onIdle: nothing,
          onStale: nothing,
          onClosed: nothing,
        },
      );
    });
    assert.equal(responded, hasBegun);
  }
});
