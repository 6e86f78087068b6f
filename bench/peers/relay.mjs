// The floor under every proxy on node:net: octets from a client to an origin and back, nothing parsed, nothing added,
// writes gathered to the end of the turn as Headgate does. Run by hand beside the peers:
//   taskset -c 0 node bench/peers/relay.mjs <origin port> <port>
import net from 'node:net';

const [originPort, port] = process.argv.slice(2).map(Number);
const shared = Buffer.allocUnsafeSlow(64 * 1024);
const idle = [];
const line = [];

function later(socket, text) {
  if (line.push({ socket, text }) > 1) return;
  setImmediate(() => {
    for (const { socket, text } of line) socket.write(text, 'latin1');
    line.length = 0;
  });
}

function openUpstream() {
  const upstream = { socket: undefined, client: undefined };
  const callback = (bytes) => {
    const { client } = upstream;
    idle.push(upstream);
    later(client, shared.latin1Slice(0, bytes));
    return true;
  };
  upstream.socket = net.connect({
    host: '127.0.0.1',
    port: originPort,
    noDelay: true,
    onread: { buffer: shared, callback },
  });
  return upstream;
}

net
  .createServer({ noDelay: true }, (client) => {
    client.on('error', () => {});
    client.on('data', (chunk) => {
      const upstream = idle.pop() ?? openUpstream();
      upstream.client = client;
      later(upstream.socket, chunk.latin1Slice(0, chunk.length));
    });
  })
  .listen(port, '127.0.0.1');
