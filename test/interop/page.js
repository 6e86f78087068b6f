// What a browser sees through the gateway. Runs the cases in turn and posts [{ case, error }] to /result.
const SOCKET = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/socket`;
const GUARD_MS = 20_000;

/** A socket whose messages are read one after the other. */
class Client {
  constructor() {
    this.socket = new WebSocket(SOCKET);
    this.socket.binaryType = 'arraybuffer';
    this.received = [];
    this.arrived = () => {};
    this.digest = [];
    this.closed = new Promise((resolve) => {
      this.socket.onclose = ({ code, reason, wasClean }) => resolve(`${code} ${reason} ${wasClean}`);
    });
    this.socket.onmessage = ({ data }) => {
      this.received.push(data);
      this.arrived();
    };
  }

  async open() {
    await new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = () => reject(new Error('not opened'));
    });
    return this;
  }

  async next() {
    while (this.received.length === 0) {
      await new Promise((resolve, reject) => {
        this.arrived = resolve;
        this.closed.then((how) => reject(new Error(`closed: ${how}`)));
      });
    }
    return this.received.shift();
  }

  async echoed(message) {
    this.socket.send(message);
    this.digest.push(message);
    const echo = await this.next();
    same(typeof echo, typeof message === 'string' ? 'string' : 'object');
    const [sent, got] = [octets(message), octets(echo)];
    same(got.length, sent.length);
    if (!sent.every((octet, at) => octet === got[at])) throw new Error(`the echo of ${sent.length} octets differs`);
  }

  async said(command) {
    this.socket.send(command);
    return this.next();
  }

  /** Both sides have seen the same messages (commands.ts). */
  async agree() {
    const parts = this.digest.flatMap((message) => {
      const data = octets(message);
      const head = new DataView(new ArrayBuffer(9));
      head.setUint8(0, (typeof message === 'string' ? 't' : 'b').charCodeAt(0));
      head.setBigUint64(1, BigInt(data.length));
      return [new Uint8Array(head.buffer), data];
    });
    const hash = await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer());
    const hex = [...new Uint8Array(hash)].map((octet) => octet.toString(16).padStart(2, '0')).join('');
    same(await this.said('!digest'), hex);
  }
}

function octets(message) {
  return typeof message === 'string' ? new TextEncoder().encode(message) : new Uint8Array(message);
}

function random(length) {
  const data = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(data.subarray(at, at + 65_536));
  return data;
}

function same(got, wanted) {
  if (got !== wanted) throw new Error(`${got} instead of ${wanted}`);
}

const open = () => new Client().open();

const CASES = {
  async lengths() {
    const client = await open();
    for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 1_000_000]) await client.echoed(random(length));
    for (const text of ['', 'plain', 'ü€😀'.repeat(20_000)]) await client.echoed(text);
    await client.agree();
  },

  async extensions() {
    const client = await open();
    same(client.socket.extensions.split(';')[0], await (await fetch('/extensions')).text());
  },

  async fragments() {
    const client = await open();
    const data = octets(await client.said('!fragments 9'));
    same(data.length, 90_000);
    if (!data.every((octet, at) => octet === Math.floor(at / 10_000))) throw new Error('the fragments differ');
  },

  async ping() {
    same(await (await open()).said('!ping'), 'ponged');
  },

  async 'close by the client'() {
    const client = await open();
    client.socket.close(4001, 'enough');
    same((await client.closed).startsWith('4001 '), true);
  },

  async 'close by the server'() {
    const client = await open();
    client.socket.send('!close 4002 going away');
    same(await client.closed, '4002 going away true');
  },

  async 'an end without a word'() {
    const client = await open();
    client.socket.send('!drop');
    same(await client.closed, '1006  false');
  },

  async 'many at once'() {
    const one = async (_, nth) => {
      const client = await open();
      for (let n = 0; n < 10; n++) await client.echoed(random((nth * 331 + n * 97) % 5000));
      await client.agree();
    };
    await Promise.all(Array.from({ length: 40 }, one));
  },

  /** The endpoint sends an event only when the one before it was confirmed; then it breaks off, and is asked again. */
  async events() {
    const source = new EventSource('/events');
    await new Promise((resolve, reject) => {
      source.onmessage = ({ data, lastEventId }) => {
        if (data === 'end') resolve();
        else fetch(`/confirm?id=${lastEventId}`, { method: 'POST' }).catch(reject);
      };
      // It connects anew by itself, unless it gave up.
      source.onerror = () => source.readyState === EventSource.CLOSED && reject(new Error('the stream failed'));
    });
    source.close();
  },

  async 'a body in lock step'() {
    const response = await fetch('/steps');
    const reader = response.body.getReader();
    for (let step = 1; ; step++) {
      const { done, value } = await reader.read();
      if (done) return same(step, 21);
      same(new TextDecoder().decode(value), `step ${step}\n`);
      await fetch(`/confirm?id=${step}`, { method: 'POST' });
    }
  },
};

async function run() {
  const results = [];
  for (const [name, act] of Object.entries(CASES)) {
    const guard = new Promise((_, reject) => setTimeout(() => reject(new Error('not done in time')), GUARD_MS));
    const error = await Promise.race([act(), guard]).then(
      () => null,
      (problem) => String(problem),
    );
    results.push({ case: name, error });
  }
  await fetch('/result', { method: 'POST', body: JSON.stringify(results) });
}

run();
