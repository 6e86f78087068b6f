// Requests at a constant rate, sent when they are due whether or not the earlier ones are answered (an open loop); a latency
// runs from the moment a request was due, so that a stall is counted for all who would have met it. The origin is in here
// too: nothing else competes for this core. Told { origin } it listens and answers { port }; told { port, rate, seconds,
// connections } it sends and answers with quantiles in milliseconds.
import { connect, createServer } from 'node:net';

const BODY = JSON.stringify({ data: '' }).replace('""', `"${'x'.repeat(512 - 11)}"`);
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
);
const REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\n\r\n');
const WARM_UP_MS = 2000;
/** Longest latency that is told apart, in microseconds. */
const LONGEST_US = 2_000_000;
const END = Buffer.from('\r\n\r\n');
const shared = Buffer.allocUnsafeSlow(64 * 1024);

process.on('disconnect', () => process.exit());
process.on('message', async (message) => process.send(message.origin === true ? await serve() : await run(message)));

function serve() {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (chunk.subarray(-4).equals(END)) socket.write(ANSWER);
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ port: server.address().port }));
  });
}

class Histogram {
  #counts = new Uint32Array(LONGEST_US + 1);
  count = 0;

  add(ms) {
    this.#counts[Math.min(LONGEST_US, Math.max(0, Math.round(ms * 1000)))]++;
    this.count++;
  }

  clear() {
    this.#counts.fill(0);
    this.count = 0;
  }

  quantileMs(share) {
    const wanted = Math.ceil(this.count * share);
    for (let us = 0, seen = 0; us <= LONGEST_US; us++) {
      seen += this.#counts[us];
      if (seen >= wanted) return us / 1000;
    }
    return LONGEST_US / 1000;
  }
}

/** One connection: free, or with one request under way. */
class Lane {
  #socket;
  #run;
  #dueMs = 0;
  /** Octets of the body still to come; below 0 while the head is not there whole. */
  #left = -1;
  #head = '';

  constructor(port, run) {
    this.#run = run;
    const callback = (bytes) => {
      this.#read(bytes);
      return true;
    };
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread: { buffer: shared, callback } });
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once('connect', resolve);
      this.#socket.once('error', reject);
    });
    this.#socket.on('close', () => run.lost());
  }

  send(dueMs) {
    this.#dueMs = dueMs;
    this.#socket.write(REQUEST);
  }

  #read(bytes) {
    if (this.#left < 0) {
      this.#head += shared.latin1Slice(0, bytes);
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.#left = BODY.length - (this.#head.length - end - 4);
    } else {
      this.#left -= bytes;
    }
    if (this.#left > 0) return;
    const good = this.#head.startsWith('HTTP/1.1 200 ') && this.#left === 0;
    this.#head = '';
    this.#left = -1;
    this.#run.answered(this, this.#dueMs, good);
  }

  end() {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }
}

class Run {
  #free = [];
  #lanes = [];
  #latencies = new Histogram();
  #late = new Histogram();
  #errors = 0;
  #stopped = false;
  #spec;

  constructor(spec) {
    this.#spec = spec;
  }

  async measure() {
    const { port, connections, seconds, rate } = this.#spec;
    this.#lanes = Array.from({ length: connections }, () => new Lane(port, this));
    await Promise.all(this.#lanes.map((lane) => lane.opened));
    this.#free = [...this.#lanes];
    await this.#send(WARM_UP_MS, rate);
    this.#latencies.clear();
    this.#late.clear();
    const tookMs = await this.#send(seconds * 1000, rate);
    this.#stopped = true;
    for (const lane of this.#lanes) lane.end();
    return this.#result(tookMs);
  }

  /** The loop never sleeps: a timer would gather a millisecond's requests into a burst. */
  #send(forMs, rate) {
    const startMs = performance.now();
    const endMs = startMs + forMs;
    const gapMs = 1000 / rate;
    let index = 0;
    /** Last moment without a free connection: what was due before is late because of the proxy. */
    let waitedMs = 0;
    return new Promise((resolve) => {
      const turn = () => {
        const nowMs = performance.now();
        let dueMs = startMs + index * gapMs;
        while (dueMs <= nowMs && dueMs < endMs && this.#free.length > 0) {
          if (dueMs > waitedMs) this.#late.add(nowMs - dueMs);
          this.#free.pop().send(dueMs);
          dueMs = startMs + ++index * gapMs;
        }
        if (this.#free.length === 0) waitedMs = nowMs;
        const done = dueMs >= endMs && this.#free.length === this.#lanes.length;
        if (done || nowMs > endMs + 10_000) resolve(nowMs - startMs);
        else setImmediate(turn);
      };
      turn();
    });
  }

  answered(lane, dueMs, good) {
    this.#latencies.add(performance.now() - dueMs);
    if (!good) this.#errors++;
    this.#free.push(lane);
  }

  lost() {
    if (!this.#stopped) this.#errors++;
  }

  #result(tookMs) {
    return {
      requests: this.#latencies.count,
      requestsPerSecond: (this.#latencies.count / tookMs) * 1000,
      errors: this.#errors,
      p50Ms: this.#latencies.quantileMs(0.5),
      p90Ms: this.#latencies.quantileMs(0.9),
      p99Ms: this.#latencies.quantileMs(0.99),
      p999Ms: this.#latencies.quantileMs(0.999),
      lateP99Ms: this.#late.quantileMs(0.99),
    };
  }
}

function run(spec) {
  return new Run(spec).measure();
}
