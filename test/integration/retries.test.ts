import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { type OriginOptions, RawOrigin, reply, type Script, silence } from '../kit/raw-origin.ts';
import type { Message } from '../kit/strict-http.ts';
import { turn } from '../kit/wait.ts';
import { bytes, WatchedClock, World, type WorldOptions } from './world.ts';

/** No wait before a retry. */
const AT_ONCE = { random: () => 0 };

const answers = (status: number, body = 'no'): Script => {
  return (_, connection) => connection.send(reply(status, [], body));
};
const ok: Script = ({ message }, connection) => connection.send(reply(200, [], `${message.bodyBytes}`));
const resets: Script = (_, connection) => connection.reset();
const ends: Script = (_, connection) => connection.end();

/** The first request of a connection is answered; the next finds it dead. */
const diesWhenReused = (kill: Script): Script => {
  return (request, connection) =>
    connection.requests.length === 1 ? ok(request, connection) : kill(request, connection);
};

function start(t: TestContext, origins: (OriginOptions | Script)[], options: WorldOptions = {}): Promise<World> {
  return World.start(t, { origins, overrides: AT_ONCE, ...options });
}

async function deadUrl(): Promise<string> {
  const origin = await RawOrigin.start();
  const { url } = origin;
  await origin.stop();
  return url;
}

/** How often each request was received, by target, over all origins. */
function received(world: World): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const origin of world.origins) {
    for (const { message } of origin.heads) counts[message.target] = (counts[message.target] ?? 0) + 1;
  }
  return counts;
}

const reasonOf = (message: Message): string => JSON.parse(message.text()).reason;

/** Two of each, one for either endpoint, whichever comes first: the statuses, and how often each was received. */
async function twice(world: World, method: string, body = ''): Promise<{ statuses: number[]; counts: number[] }> {
  const statuses: number[] = [];
  for (const target of ['/a', '/b']) statuses.push((await world.ask(`${method} ${target}`, [], body)).status);
  const counts = received(world);
  return { statuses: statuses.sort(), counts: [counts['/a'] ?? 0, counts['/b'] ?? 0].sort() };
}

suite('no connection', { concurrency: true }, () => {
  test('refused: another endpoint at once, for any method and body, outside the budget', async (t) => {
    const world = await start(t, [ok], { endpoints: [await deadUrl()], route: { retry: { budget: 0 } } });
    const large = 'x'.repeat(200_000);
    for (let n = 0; n < 40; n++) {
      const response = await world.ask(`POST /${n}`, [], n % 10 === 0 ? large : 'hello');
      assert.deepEqual([response.status, response.text()], [200, n % 10 === 0 ? '200000' : '5']);
    }
    const attempts = world.log.map((line) => line.attempts);
    assert.deepEqual([...new Set(attempts)].sort(), [1, 2]);
    assert.equal(world.origin.heads.length, 40);
    assert.equal(await world.metric('headgate_retries_total', 'outcome="budget"'), 0);
  });

  test('refused everywhere: 502 UF', async (t) => {
    const world = await start(t, [], { endpoints: [await deadUrl(), await deadUrl()] });
    const response = await world.ask('POST /', [], 'hello');
    assert.deepEqual([response.status, reasonOf(response)], [502, 'UF']);
    assert.match(response.get('proxy-status') ?? '', /error=connection_refused/);
    assert.equal((await world.logged()).attempts, 2);
    assert.equal(response.get('connection'), undefined, 'the body was here, and is read off');
    await world.untilIdle();
  });
});

suite('a kept connection that dies before it answers', { concurrency: true }, () => {
  for (const [how, kill] of Object.entries({ reset: resets, FIN: ends })) {
    test(`${how}: GET, HEAD, PUT and DELETE are sent again on a fresh connection`, async (t) => {
      const world = await start(t, [diesWhenReused(kill)], { upstream: { maxConnections: 1 } });
      for (const [method, body] of [
        ['GET', ''],
        ['PUT', 'hello'],
        ['DELETE', ''],
      ] as const) {
        await world.ask('GET /warm');
        const response = await world.ask(`${method} /x`, [], body);
        assert.deepEqual([response.status, response.text()], [200, `${body.length}`]);
        assert.equal(world.log.at(-1)?.attempts, 2);
      }
      assert.equal(world.log.filter(({ attempts }) => attempts > 2).length, 0);
    });

    test(`${how}: POST and PATCH are never sent again`, async (t) => {
      const world = await start(t, [diesWhenReused(kill)]);
      for (const method of ['POST', 'PATCH', 'PURGE']) {
        for (const body of ['', 'hello']) {
          await world.ask('GET /warm');
          const target = `/${method}${body}`;
          const response = await world.ask(`${method} ${target}`, [], body);
          assert.deepEqual([response.status, reasonOf(response)], [502, 'UC']);
          assert.equal(received(world)[target], 1);
        }
      }
      await world.untilIdle();
    });
  }

  test('a whole restart: the retry opens a connection, though older ones lie idle', async (t) => {
    let generation = 0;
    const world = await start(t, [
      (request, connection) => {
        const mine = (connection as { generation?: number }).generation;
        if (mine === undefined) (connection as { generation?: number }).generation = generation;
        else if (mine !== generation) return connection.reset();
        return ok(request, connection);
      },
    ]);
    const clients = await Promise.all(Array.from({ length: 8 }, () => world.client()));
    for (const client of clients) client.send(bytes('GET /warm'));
    await Promise.all(clients.map((client) => client.response(1)));
    generation++;
    for (const [index, client] of clients.entries()) {
      client.send(bytes(`GET /${index}`));
      assert.equal((await client.response(2)).status, 200);
    }
  });
});

test('a kept connection that closes before the request left: any method is sent again, and runs once', async (t) => {
  const world = await start(t, [ok], { upstream: { timeouts: { idle: '10m' } } });
  const client = await world.client();
  for (let n = 1; n <= 40; n += 2) {
    client.send(bytes(`POST /${n}`, [], 'hello'));
    await client.response(n);
    const [kept] = world.origin.open;
    // Both are read in one poll: the request, and the end of the connection that it was just given.
    client.send(bytes(`POST /${n + 1}`, [], 'hello'));
    kept?.end();
    assert.equal((await client.response(n + 1)).status, 200);
  }
  const counts = received(world);
  assert.deepEqual(
    Object.values(counts).filter((count) => count !== 1),
    [],
  );
  assert.equal(Object.keys(counts).length, 40);
  assert.ok(
    world.log.some(({ attempts }) => attempts === 2),
    'none lost the race',
  );
});

suite('a failure after the request was sent', { concurrency: true }, () => {
  test('reset on a fresh connection: GET goes elsewhere, POST ends in 502 UC', async (t) => {
    const get = await twice(await start(t, [resets, ok]), 'GET');
    assert.deepEqual(get, { statuses: [200, 200], counts: [1, 2] });
    const post = await twice(await start(t, [resets, ok]), 'POST', 'hello');
    assert.deepEqual(post, { statuses: [200, 502], counts: [1, 1] });
  });

  test('part of a response head, then FIN: the same', async (t) => {
    const half: Script = (_, connection) => connection.truncate(reply(200), 20);
    const get = await twice(await start(t, [half, ok]), 'GET');
    assert.deepEqual(get, { statuses: [200, 200], counts: [1, 2] });
    const post = await twice(await start(t, [half, ok]), 'POST');
    assert.deepEqual(post, { statuses: [200, 502], counts: [1, 1] });
  });

  test('garbage: GET goes elsewhere, POST ends in 502 UPE', async (t) => {
    const garbage: Script = (_, connection) => connection.send('garbage\r\n\r\n');
    const get = await twice(await start(t, [garbage, ok]), 'GET');
    assert.deepEqual(get, { statuses: [200, 200], counts: [1, 2] });
    const post = await twice(await start(t, [garbage, ok]), 'POST');
    assert.deepEqual(post, { statuses: [200, 502], counts: [1, 1] });
  });

  for (const status of [502, 503, 504]) {
    test(`${status}: GET goes elsewhere, POST gets it as it is`, async (t) => {
      const get = await twice(await start(t, [answers(status), ok]), 'GET');
      assert.deepEqual(get, { statuses: [200, 200], counts: [1, 2] });
      const post = await twice(await start(t, [answers(status), ok]), 'POST', 'hello');
      assert.deepEqual(post, { statuses: [200, status], counts: [1, 1] });
    });
  }

  test('any other status is the answer', async (t) => {
    for (const status of [400, 429, 500, 501, 505]) {
      const get = await twice(await start(t, [answers(status), ok]), 'GET');
      assert.deepEqual(get, { statuses: [200, status].sort(), counts: [1, 1] });
    }
  });

  test('where all fail the last answer is passed on whole', async (t) => {
    const world = await start(t, [answers(503, 'from one'), answers(503, 'from two')]);
    const response = await world.ask('GET /');
    assert.equal(response.status, 503);
    assert.match(response.text(), /^from (one|two)$/);
    const line = await world.logged();
    assert.deepEqual([line.status, line.reason, line.attempts], [503, undefined, 2]);
    assert.equal(await world.metric('headgate_retries_total', 'outcome="failure"'), 1);
  });

  test('once its head was passed on, a response that dies is cut, not tried again', async (t) => {
    const dies: Script = async (_, connection) => {
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello');
      connection.end();
    };
    const world = await start(t, [dies, dies]);
    const client = await world.client();
    client.send(bytes('GET /'));
    await client.untilEnded();
    assert.equal(client.responses.length, 0);
    assert.deepEqual(received(world), { '/': 1 });
  });
});

suite('bodies of retries', { concurrency: true }, () => {
  async function put(t: TestContext, size: number, isChunked: boolean): Promise<World> {
    const world = await start(t, [answers(503), ok]);
    for (const target of ['/a', '/b']) {
      const client = await world.client();
      const body = 'x'.repeat(size);
      const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${size}`;
      client.send(bytes(`PUT ${target}`, [framing]));
      client.send(isChunked ? `${size.toString(16)}\r\n${body}\r\n0\r\nX-T: 1\r\n\r\n` : body);
      const response = await client.response();
      if (response.status === 200) assert.equal(response.text(), `${size}`);
    }
    return world;
  }

  for (const isChunked of [false, true]) {
    test(`up to 64 KiB are sent again whole (${isChunked ? 'chunked' : 'length'})`, async (t) => {
      const world = await put(t, 65_536, isChunked);
      assert.deepEqual(
        world.log.map(({ status }) => status),
        [200, 200],
      );
      assert.equal(world.origins[0]?.requests.length, 1);
      for (const { message } of world.origins[1]?.requests ?? []) {
        assert.equal(message.bodyBytes, 65_536);
        if (isChunked) assert.deepEqual(message.trailers, [['x-t', '1']]);
      }
    });

    test(`one octet more is not (${isChunked ? 'chunked' : 'length'})`, async (t) => {
      const world = await put(t, 65_537, isChunked);
      assert.deepEqual(world.log.map(({ status }) => status).sort(), [200, 503]);
      assert.deepEqual(Object.values(received(world)), [1, 1]);
    });
  }

  test('a retry while the body is still coming goes on where the first left off', async (t) => {
    const early: OriginOptions = { onHead: answers(503), onRequest: silence };
    const world = await start(t, [early, ok]);
    for (const [index, target] of ['/a', '/b'].entries()) {
      const client = await world.client();
      client.send(bytes(`PUT ${target}`, ['Content-Length: 9'], 'one'));
      const { message } = await (world.origins[1] as RawOrigin).head(index + 1);
      client.send('two');
      await (world.origins[1] as RawOrigin).until('the body so far', () =>
        message.bodyBytes === 6 ? true : undefined,
      );
      client.send('end');
      assert.equal((await client.response()).text(), '9');
      assert.equal(message.text(), 'onetwoend');
    }
    assert.equal(world.origins[0]?.heads.length, 1);
    await world.untilIdle();
  });

  test('a response that is not wanted is read away, where that is cheap, and its connection kept', async (t) => {
    const world = await start(t, [answers(503, 'x'.repeat(3000)), ok]);
    for (let n = 0; n < 10; n++) assert.equal((await world.ask('GET /')).status, 200);
    assert.equal(world.origins[0]?.connections.length, 1);
    assert.equal(world.origins[0]?.heads.length, 5);
  });

  test('where it is not cheap the connection is closed', async (t) => {
    const endless: Script = async (_, connection) => {
      connection.send('HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n');
      while (!connection.closed) {
        connection.send(`2710\r\n${'x'.repeat(10_000)}\r\n`);
        await turn();
      }
    };
    const stalls: Script = (_, connection) => connection.send('HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\nabc');
    for (const bad of [endless, stalls]) {
      const world = await start(t, [bad, ok]);
      for (let n = 0; n < 2; n++) assert.equal((await world.ask('GET /')).status, 200);
      await world.origin.untilClosed(await world.origin.connection());
      await world.untilIdle();
    }
  });
});

suite('what the route says', { concurrency: true }, () => {
  for (const [name, retry] of Object.entries({ 'retry: false': false, 'attempts: 1': { attempts: 1 } } as const)) {
    test(`${name}: one attempt`, async (t) => {
      assert.deepEqual(await twice(await start(t, [answers(503), ok], { route: { retry } }), 'GET'), {
        statuses: [200, 503],
        counts: [1, 1],
      });
      const dead = await start(t, [ok], { endpoints: [await deadUrl()], route: { retry } });
      assert.deepEqual((await twice(dead, 'GET')).statuses, [200, 502]);
    });
  }

  test('attempts: 3 tries three endpoints, none twice', async (t) => {
    const world = await start(t, [answers(503), answers(503), ok], { route: { retry: { attempts: 3 } } });
    for (let n = 0; n < 6; n++) assert.equal((await world.ask('GET /')).status, 200);
    assert.ok(world.log.every(({ attempts }) => attempts <= 3));
    assert.equal(world.origins[2]?.heads.length, 6);
  });

  test('on: only what is listed', async (t) => {
    const route = { retry: { on: ['connect' as const, 502 as const] } };
    const cases: [Script, number, number][] = [
      [answers(502), 200, 2],
      [answers(503), 503, 1],
      [resets, 502, 1],
    ];
    for (const [bad, status, most] of cases) {
      const { statuses, counts } = await twice(await start(t, [bad, ok], { route }), 'GET');
      assert.deepEqual([statuses.at(-1), counts.at(-1)], [status, most]);
    }
    const onReset = { retry: { on: ['reset' as const] } };
    const dead = await start(t, [ok], { endpoints: [await deadUrl()], route: onReset });
    assert.deepEqual((await twice(dead, 'GET')).statuses, [200, 502]);
  });

  test('an exhausted budget: the failure is passed on', async (t) => {
    const world = await start(t, [answers(503), answers(503)], { route: { retry: { budget: 0 } } });
    // 3 a second of the last ten, whatever the share: 30 at once.
    for (let n = 0; n < 40; n++) assert.equal((await world.ask('GET /')).status, 503);
    assert.equal(received(world)['/'], 70);
    assert.equal(await world.metric('headgate_retries_total', 'outcome="budget"'), 10);
    const [first, last] = [world.log[0], world.log.at(-1)];
    assert.deepEqual([first?.attempts, last?.attempts], [2, 1]);
  });
});

suite('time', { concurrency: true }, () => {
  test('perTry: the next endpoint for GET, 504 UT for POST', async (t) => {
    const route = { retry: { perTry: '400ms' } };
    const get = await start(t, [silence, ok], { route });
    assert.deepEqual(await twice(get, 'GET'), { statuses: [200, 200], counts: [1, 2] });
    await get.origins[0]?.untilClosed(await get.origins[0].connection());
    const post = await start(t, [silence, silence], { route });
    const response = await post.ask('POST /', [], 'hello');
    const { reason, detail } = JSON.parse(response.text());
    assert.deepEqual([response.status, reason], [504, 'UT']);
    assert.equal(detail, 'route "all": no response head within 400ms (routes[0].retry.perTry)');
    assert.deepEqual(received(post), { '/': 1 });
    await post.untilIdle();
  });

  test('the time of the route bounds all attempts, and the answer names the field', async (t) => {
    const world = await start(t, [silence, silence], {
      route: { timeout: '80ms', retry: { attempts: 9, perTry: '30ms' } },
    });
    const response = await world.ask('GET /');
    assert.equal(response.status, 504);
    assert.match(
      JSON.parse(response.text()).detail,
      /^route "all": no response head within (80ms \(routes\[0\]\.timeout\)|30ms \(.*perTry\))$/,
    );
    const plain = await start(t, [silence], { route: { timeout: { response: '60ms' } } });
    assert.equal(
      JSON.parse((await plain.ask('GET /')).text()).detail,
      'route "all": no response head within 60ms (routes[0].timeout.response)',
    );
    const byDefault = await start(t, [silence], { config: { defaults: { timeout: '60ms' } } });
    const late = await byDefault.ask('GET /');
    assert.equal(JSON.parse(late.text()).detail, 'route "all": no response head within 60ms (defaults.timeout)');
    assert.match(late.get('proxy-status') ?? '', /error=http_response_timeout/);
    await world.untilIdle();
  });

  test('the time of an attempt ends with it: waiting for the next is not part of it', async (t) => {
    const route = { retry: { attempts: 5, perTry: '60ms' } };
    const clock = new WatchedClock();
    const world = await start(t, [resets], { route, overrides: { clock, random: () => 0.999 } });
    const client = await world.client();
    client.send(bytes('GET /'));
    // Long enough for a wait to outlast the time of the attempt before it, in steps in which the wheel sees that.
    while (client.responses.length === 0) await clock.pass(15);
    const response = await client.response();
    assert.deepEqual([response.status, reasonOf(response), received(world)['/']], [502, 'UC', 5], response.text());
  });

  test('a client that goes while a retry is waited for is not retried', async (t) => {
    const world = await start(t, [resets, resets], {
      overrides: { random: () => 0.999 },
      route: { retry: { attempts: 9 } },
    });
    const client = await world.client();
    client.send(bytes('GET /'));
    await (world.origins.find((origin) => origin.heads.length > 0) ?? world.origin).head();
    client.abort();
    assert.equal((await world.logged()).status, 499);
    const before = received(world)['/'] as number;
    assert.ok(before < 9);
    await world.untilIdle();
    assert.equal(received(world)['/'], before);
  });
});
