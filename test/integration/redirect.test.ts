import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, World } from './world.ts';

const redirect = (to: string, status?: 302) => ({ redirect: status === undefined ? { to } : { to, status } });

test('a redirect takes along what the match’s * took, and the query', async (t) => {
  const world = await World.start(t, {
    routes: [
      { match: { path: '/moved/*' }, ...redirect('https://x.test/*') },
      { match: { path: '/deeper/*' }, ...redirect('https://x.test/v2/*', 302) },
      { match: { path: '/users/:id/files/*' }, ...redirect('/files/*') },
      { match: { path: '/base/*' }, ...redirect('/*') },
      { match: { path: '/fixed/*' }, ...redirect('/new') },
      { match: { host: 'old.test' }, ...redirect('https://new.test/*') },
    ],
  });
  const client = await world.client();
  const expected: [target: string, status: number, location: string, host?: string][] = [
    ['/moved/a/b?c=1&d', 308, 'https://x.test/a/b?c=1&d'],
    ['/moved/a/../%7Eb', 308, 'https://x.test/~b'],
    ['/moved', 308, 'https://x.test/'],
    ['/moved?c=/x', 308, 'https://x.test/?c=/x'],
    ['/deeper/a', 302, 'https://x.test/v2/a'],
    ['/deeper', 302, 'https://x.test/v2'],
    ['/users/7/files/a?v=2', 308, '/files/a?v=2'],
    // A host is never taken from the request: `//evil.test` would be one.
    ['/base//evil.test/x', 308, '/evil.test/x'],
    ['/moved//evil.test', 308, 'https://x.test//evil.test'],
    ['/fixed/a?c=1', 308, '/new'],
    ['/', 308, 'https://new.test/', 'old.test'],
    ['/a?b', 308, 'https://new.test/a?b', 'old.test'],
  ];
  for (const [index, [target, status, location, host]] of expected.entries()) {
    client.send(bytes(`GET ${target}`, host === undefined ? [] : [`Host: ${host}`]));
    const response = await client.response(index + 1);
    assert.deepEqual([response.status, response.get('location')], [status, location], target);
    assert.deepEqual([response.text(), response.get('content-length')], ['', '0']);
  }
  assert.equal(world.origin.heads.length, 0);
});

test('a redirect is limited, edited and injected like any answer', async (t) => {
  const world = await World.start(t, {
    config: {
      limits: { few: { window: '2/1h' } },
      upstreams: {},
      routes: [
        {
          match: { path: '/moved/*' },
          limits: ['few'],
          headers: { response: { set: { 'X-A': '1' } } },
          ...redirect('https://x.test/*'),
        },
      ],
    },
  });
  const injected = await world.gateway.gateway.inject({ url: '/moved/a?b' });
  const wire = await world.ask('GET /moved/a?b');
  for (const answer of [
    [injected.status, injected.headers.location, injected.headers['x-a']],
    [wire.status, wire.get('location'), wire.get('x-a')],
  ]) {
    assert.deepEqual(answer, [308, 'https://x.test/a?b', '1']);
  }
  assert.equal((await world.ask('GET /moved/a')).status, 429);
});
