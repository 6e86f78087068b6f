// Origin where there is no nginx: the same answers from node:http.
import { createServer } from 'node:http';

const body = process.env.BODY;
const large = Buffer.alloc(Number(process.env.LARGE_BYTES), 'x');
const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  const answer = request.url === '/large' ? large : body;
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': answer.length });
  response.end(answer);
});
server.listen(Number(process.env.PORT), '127.0.0.1');
