// Opens many connections that each send one request and then rest. Its parent sends an IdleSpec and hears when all are there;
// each further message is answered with how many are open (IdleResult).
import { connect } from 'node:net';
import type { IdleResult, IdleSpec } from '../kit/idle.ts';

/** One address has ports for some 28 000. */
const PER_ADDRESS = 5000;
let open = 0;

process.on('disconnect', () => process.exit());
process.once('message', async (spec: IdleSpec) => {
  let next = 0;
  const opener = async (): Promise<void> => {
    while (next < spec.connections) await openOne(spec.port, next++);
  };
  await Promise.all(Array.from({ length: spec.atATime }, opener));
  process.send!({ open } satisfies IdleResult);
  process.on('message', () => process.send!({ open } satisfies IdleResult));
});

function openOne(port: number, index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const localAddress = `127.0.0.${2 + Math.floor(index / PER_ADDRESS)}`;
    const socket = connect({ port, host: '127.0.0.1', localAddress }, () => {
      open++;
      socket.write('GET /small HTTP/1.1\r\nHost: gateway\r\nUser-Agent: idle\r\nAccept: */*\r\n\r\n');
    });
    socket.once('data', () => resolve());
    socket.on('error', reject);
    socket.on('close', () => {
      open--;
    });
    socket.resume();
  });
}
