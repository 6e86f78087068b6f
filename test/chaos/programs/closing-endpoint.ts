// An endpoint that closes an idle connection after exactly so long and says so nowhere; what reaches it later it does not
// execute. Its parent sends a ClosingSpec, hears the port, and later sends `{ stop: true }` and hears a ClosingResult.
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { epochMs } from '../kit/clock.ts';
import type { ClosingResult, ClosingSpec } from '../kit/closing.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** Times that each request was read whole, by its target. */
const executed = new Map<string, number>();
let firstCloseMs: number | undefined;
let connections = 0;

process.on('disconnect', () => process.exit());
process.once('message', (spec: ClosingSpec) => {
  const server = createServer({ noDelay: true }, (socket) => serve(socket, spec));
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () =>
    process.send!({ port: (server.address() as AddressInfo).port }),
  );
  process.once('message', () => {
    process.send!({ executed: [...executed], firstCloseMs, connections } satisfies ClosingResult);
  });
});

function serve(socket: Socket, { idleMs, wayMs }: ClosingSpec): void {
  connections++;
  let text = '';
  let isClosed = false;
  let idle: NodeJS.Timeout | undefined;
  socket.on('error', () => {});
  socket.on('close', () => clearTimeout(idle));
  socket.setEncoding('latin1').on('data', (more) => {
    if (isClosed) return;
    clearTimeout(idle);
    text += more;
    const end = text.indexOf('\r\n\r\n');
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0);
    if (end < 0 || text.length < end + 4 + length) return;
    const target = text.slice(0, text.indexOf(' HTTP/'));
    text = text.slice(end + 4 + length);
    executed.set(target, (executed.get(target) ?? 0) + 1);
    socket.write(ANSWER);
    idle = setTimeout(() => {
      isClosed = true;
      setTimeout(() => {
        firstCloseMs ??= epochMs();
        socket.destroy();
      }, wayMs);
    }, idleMs);
  });
}
