import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import type { GatewayError } from '../../errors.ts';
import { ListFields } from '../../http/fields.ts';
import type { OutgoingRequest } from '../../http/head.ts';
import type { UpstreamChannel } from '../../upstream/channel.ts';
import { UpstreamConnection } from './upstream-connection.ts';

const REQUEST: OutgoingRequest = {
  method: 'GET',
  target: '/',
  host: 'h',
  ...{
    fields: new ListFields(),
    dropCodes: 0,
    drop: undefined,
    shared: undefined,
    requestId: '',
    varying: undefined,
    extra: undefined,
  },
  ...{ hasBody: false, bodyLength: undefined, upgrade: undefined, expectsContinue: false },
};

/** Behind the poll of this turn of the event loop. */
const behindPoll = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

// RFC 9112 §9.2: unsolicited octets are no response. The next request is given to the connection while they are on their way.
test('octets that came before the request left are no answer to it, and the connection is closed', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  let isClosed = (): void => {};
  const closed = new Promise<void>((resolve) => {
    isClosed = resolve;
  });
  const connected = new Promise<UpstreamChannel>((resolve) => {
    const { port } = server.address() as AddressInfo;
    new UpstreamConnection(
      { kind: 'tcp', host: '127.0.0.1', port, authority: 'h' },
      {
        onConnected: resolve,
        onConnectFailed: (error) => assert.fail(error.detail),
        onIdle: () => assert.fail('it is used again'),
        onStale: () => {},
        onClosed: () => isClosed(),
      },
    );
  });
  const [socket] = await accepted;
  t.after(() => socket.destroy());
  const channel = await connected;
  await behindPoll();
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
  const failure = await new Promise<GatewayError>((resolve) => {
    const taken = (): never => assert.fail('it was taken for the answer');
    channel.send(REQUEST, {
      onInformational: taken,
      onResponse: taken,
      onData: taken,
      onEnd: taken,
      onReadEnd: () => {},
      onWritable: () => {},
      onTunnel: taken,
      onFailure: (error) => resolve(error),
    });
  });
  assert.equal(failure.kind, 'upstream-closed');
  await closed;
});
