// Opens connections, has one request answered on each and keeps them. Told { port, connections } it answers { open } when all
// are there; told { count: true } it says how many still are.
import { connect } from 'node:net';

const AT_A_TIME = 100;
let open = 0;

process.on('disconnect', () => process.exit());
process.on('message', async (message) => {
  if (message.count !== true) await openAll(message);
  process.send({ open });
});

async function openAll({ port, connections }) {
  let left = connections;
  const worker = async () => {
    while (left-- > 0) await openOne(port);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

function openOne(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: bench\r\n\r\n'));
    let counted = false;
    socket.on('data', (chunk) => {
      // The 512 octets of the body end in this.
      if (counted || !chunk.subarray(-2).equals(Buffer.from('"}'))) return;
      counted = true;
      open++;
      resolve();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      if (counted) open--;
      reject(new Error('closed'));
    });
  });
}
