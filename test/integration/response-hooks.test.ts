// Response hooks that take their time: what an endpoint sends, and what becomes of it, meanwhile.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ProxyContext } from '../../src/proxy/context.ts';
import type { ResponseHook } from '../../src/proxy/hooks.ts';
import type { Route } from '../../src/proxy/snapshot.ts';
import { reply } from '../kit/raw-origin.ts';
import { Gate } from '../kit/wait.ts';
import { bytes, World } from './world.ts';

/** No feature of routes waits in a response hook: the test puts one into the configuration in force. */
function hook(world: World, run: ResponseHook): void {
  const { context } = world.gateway.gateway as unknown as { readonly context: ProxyContext };
  const { snapshot } = context;
  const routes = snapshot.routes.map((route): Route => ({ ...route, responseHooks: [run] }));
  context.snapshot = { ...snapshot, routes };
}

suite('while a response hook is awaited', { concurrency: true }, () => {
  test('the body waits, and leaves behind the head', async (t) => {
    const world = await World.start(t, {
      origins: [(_, connection) => connection.send(reply(200, [['X-A', '1']], 'body'))],
    });
    const gate = new Gate();
    hook(world, () => gate.opened.then(() => undefined));
    const client = await world.client();
    client.send(bytes('GET /1') + bytes('GET /2'));
    await world.origin.request();
    gate.open();
    await client.response(2);
    assert.deepEqual(
      client.responses.map((response) => [response.status, response.get('x-a'), response.text()]),
      [
        [200, '1', 'body'],
        [200, '1', 'body'],
      ],
    );
  });

  test('a response that dies is not tried again: two bodies would become one', async (t) => {
    const world = await World.start(t, {
      origins: [
        ({ index }, connection) => {
          if (index > 0) return connection.send(reply(200, [], 'second'));
          connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\nnone');
        },
      ],
    });
    const gate = new Gate();
    let calls = 0;
    hook(world, () => (calls++ === 0 ? gate.opened.then(() => undefined) : undefined));
    const client = await world.client();
    client.send(bytes('GET /'));
    const response = await client.response();
    assert.deepEqual([response.status, JSON.parse(response.text()).reason], [502, 'UPE']);
    gate.open();
    client.send(bytes('GET /2'));
    assert.equal((await client.response(2)).text(), 'second');
    assert.equal(client.malformed, undefined);
    assert.equal((await world.logged()).attempts, 1);
  });
});
